"""Servers that `cidermill up` runs itself, so that one machine needs nothing else."""
