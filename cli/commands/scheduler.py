"""Run the scheduler, which decides what runs where."""

from __future__ import annotations

from cli.app import command
from cli.up.parent import end_with_parent
from shared.settings import load_settings

app = command()


@app.command()
def scheduler() -> int:
    """Run the scheduler, which decides what runs where. Several may run; one leads."""
    from scheduler.main import run

    end_with_parent()
    return run(load_settings())
