"""Submit a job of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import options
from cli.app import command
from cli.client import connect
from cli.exits import Exit
from cli.output import Json, emit
from cli.params import pairs, read_params
from cli.see import see_through
from cli.terminal import remark
from cli.wishes import Wishes

app = command()

#: What an uploaded file is for, by the kind that reads it.
_PURPOSE = {"transcription": "audio", "inference": "batch"}


@app.command()
def submit(
    kind: Annotated[
        str,
        typer.Argument(
            help="What kind of job: inference, transcription, transcriptions, benchmark, download, scan, verify."
        ),
    ],
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter; spec.context=2048 nests, JSON is read."),
    ] = None,
    params: Annotated[
        str | None, typer.Option(metavar="JSON", help="Parameters as JSON, from @FILE or from - (stdin).")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="The parameter prompt: one chat message.")] = None,
    file: Annotated[Path | None, typer.Option(help="A local file to upload and use: JSONL requests or audio.")] = None,
    model: Annotated[str | None, typer.Option(help="The parameter model.")] = None,
    host: options.Host = None,
    runtime: options.RuntimeOption = None,
    priority: options.PriorityOption = None,
    label: options.Labels = None,
    select: options.Select = None,
    tolerate: options.Tolerate = None,
    avoid: options.Avoid = None,
    queue_by: options.QueueBy = None,
    not_before: options.NotBefore = None,
    deadline: options.Deadline = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key twice submits one job.")] = None,
    follow_it: Annotated[bool, typer.Option("--follow", "-f", help="Show it to its end, then its result.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait in silence for its end, then show its result.")] = False,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> int:
    """Submit a job and print its id; with --follow or --wait also its result, and its end as exit code."""
    wishes = Wishes(priority, label, select, tolerate, avoid, queue_by, not_before, deadline)
    given = {"prompt": prompt, "model": model, "host": host, "runtime": runtime}
    with connect() as client:
        body: dict[str, Any] = {
            "kind": kind,
            "params": (read_params(params) if params else {}) | _given(given) | pairs(param or ()),
            **wishes.fields(),
        }
        if file is not None:
            body["params"]["file"] = client.upload(file, _PURPOSE.get(kind, "input"))["id"]
        job = client.post("/v1/jobs", body, key=idempotency_key)
        if follow_it or wait:
            return see_through(client, job["id"], timeout=timeout, quiet=wait, as_json=as_json)
    _announce(job, as_json=as_json)
    return Exit.OK


def _announce(job: Json, *, as_json: bool) -> None:
    if as_json:
        emit(job)
        return
    typer.echo(job["id"])
    remark(f"Queued. Follow it: cidermill jobs logs -f {job['id']}")


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
