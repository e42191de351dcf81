"""Checks of an installation: each says how one thing is, and how to fix it when it is not well."""
