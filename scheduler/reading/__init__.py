"""From rows to what the planner sees, a few times for each job that ends: so these queries are made to be cheap.

Statements are built once, on tables instead of mapped classes, and texts that come again are parsed once.
"""
