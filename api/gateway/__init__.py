"""Dialects of other systems, one file each."""
