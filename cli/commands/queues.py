"""Parts of the queue: ls, set, pause, resume."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import options
from cli.app import group
from cli.client import connect
from cli.output import Column, Json, emit, show_list
from cli.paths import path_of
from cli.phrases import ago
from shared.errors import BadRequest

app = group("Parts of the queue: their shares, limits and pauses.")

Name = Annotated[
    str, typer.Argument(metavar="PART", help="all, kind:NAME, class:PRIORITY, key:ID or label:NAME=VALUE.")
]

_COLUMNS = (
    Column("PART", lambda part: part["name"]),
    Column("WAITING", lambda part: str(part["waiting"]), right=True),
    Column("RUNNING", lambda part: str(part["running"]), right=True),
    Column("LIMIT", lambda part: "" if part["max_running"] is None else str(part["max_running"]), right=True),
    Column("WEIGHT", lambda part: f"{part['weight']:g}", right=True),
    Column("PAUSED", lambda part: ago(part["paused_at"])),
)


@app.command("ls")
def list_queues(as_json: options.AsJson = False) -> None:
    """List every part that has jobs, or that something was set for."""
    with connect() as client:
        parts = client.get("/v1/queues")["data"]
    show_list(parts, _COLUMNS, as_json=as_json, empty="Nothing waits, and nothing was set.")


@app.command("set")
def set_(
    name: Name,
    weight: Annotated[
        float | None, typer.Option(min=0, callback=options.finite, help="Its share beside other keys or labels.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Jobs of it that may run at the same time.")] = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Any number may.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Change the weight or the limit of a part."""
    change: dict[str, Any] = {} if weight is None else {"weight": weight}
    if limit is not None or no_limit:
        change["max_running"] = None if no_limit else limit
    if not change:
        raise BadRequest("Nothing was said to change", "no option was given", "give --weight, --limit or --no-limit")
    with connect() as client:
        _show(client.put(_path(name), change), as_json=as_json)


@app.command()
def pause(name: Name, as_json: options.AsJson = False) -> None:
    """Let no job of a part begin; what runs is finished."""
    _tell(name, "pause", as_json=as_json)


@app.command()
def resume(name: Name, as_json: options.AsJson = False) -> None:
    """Let the jobs of a part begin again."""
    _tell(name, "resume", as_json=as_json)


def _tell(name: str, what: str, *, as_json: bool) -> None:
    with connect() as client:
        _show(client.post(f"{_path(name)}/{what}"), as_json=as_json)


def _path(name: str) -> str:
    return path_of("queue", name)


def _show(part: Json, *, as_json: bool) -> None:
    if as_json:
        emit(part)
        return
    limit = "no limit" if part["max_running"] is None else f"at most {part['max_running']} at work"
    standing = "paused" if part["paused_at"] is not None else "open"
    typer.echo(f"{part['name']} {standing}, weight {part['weight']:g}, {limit}")
