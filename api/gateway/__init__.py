"""Requests of other systems' clients, carried to runs and back.

`dialects` are their routes; beside them are the steps from there: read, translate, charge, find a seat, ask, tell.
"""
