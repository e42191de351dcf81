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
    from shared.logs import told_whole

    end_with_parent()
    with told_whole():
        return run(load_settings())
