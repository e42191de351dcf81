"""The run processes: `python -m workers.runtimes.boot.<engine> <options as JSON>`. Only these import ML libraries."""
