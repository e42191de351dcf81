"""Why something waits, for people."""

from __future__ import annotations

import typer

from cli.output import Json, show_facts
from cli.phrases import size, span
from cli.terminal import harmless


def show_explanation(said: Json) -> None:
    """The sentence, then each host with its reason, what would help, and when it may begin."""
    typer.echo(harmless(said["sentence"]))
    if said["code"] is None:
        return
    estimate = span(said["estimate"]) or "none: nothing like it was measured yet"
    show_facts(
        [
            ("needs", size(said["needs"])),
            ("hosts", "\n".join(f"{host['host']}: {host['sentence'] or host['code']}" for host in said["hosts"])),
            ("would help", "\n".join(said["would_help"])),
            ("begins in", estimate),
        ]
    )
