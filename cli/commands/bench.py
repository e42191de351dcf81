"""Measure how fast models load, read and write."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import options
from cli.app import command
from cli.client import connect
from cli.exits import Exit
from cli.output import emit
from cli.see import see_through
from cli.wishes import Wishes

app = command()


@app.command()
def bench(
    models: Annotated[list[str], typer.Argument(metavar="MODEL", help="Models to compare.")],
    runtime: Annotated[
        list[str] | None, typer.Option("--runtime", help="Runtimes to compare; default: each that can.")
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", help="Built-in prompts by name; default: all of them.")
    ] = None,
    fill: Annotated[
        list[int] | None, typer.Option("--fill", metavar="N", help="Also prompts of so many tokens; may be repeated.")
    ] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Samples of each prompt.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=2, help="Tokens to write in each sample.")] = None,
    context: Annotated[int | None, typer.Option(help="Tokens of context to load with.")] = None,
    host: options.Host = None,
    priority: options.PriorityOption = None,
    label: options.Labels = None,
    select: options.Select = None,
    tolerate: options.Tolerate = None,
    queue_by: options.QueueBy = None,
    not_before: options.NotBefore = None,
    deadline: options.Deadline = None,
    detach: options.Detach = False,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> int:
    """Benchmark models on runtimes and print a table of medians."""
    wishes: dict[str, Any] = {
        "models": models,
        "runtimes": runtime,
        "prompts": prompt,
        "fills": fill,
        "runs": runs,
        "max_tokens": max_tokens,
        "context": context,
        "host": host,
    }
    params = {name: value for name, value in wishes.items() if value}
    wanted = Wishes(priority, label, select, tolerate, None, queue_by, not_before, deadline)
    with connect() as client:
        job = client.post("/v1/jobs", {"kind": "benchmark", "params": params, **wanted.fields()})
        if not detach:
            return see_through(client, job["id"], timeout=timeout, as_json=as_json)
    emit(job) if as_json else typer.echo(job["id"])
    return Exit.OK
