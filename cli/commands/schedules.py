"""Jobs that are submitted again and again, by cron."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import options
from cli.app import group
from cli.client import connect
from cli.output import Column, emit, show_facts, show_list
from cli.params import pairs, read_params
from cli.paths import path_of
from cli.phrases import iso
from cli.terminal import remark
from cli.wishes import Wishes

app = group("Repeated jobs.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule, by name or id.")]

_COLUMNS = (
    Column("NAME", lambda one: one["name"]),
    Column("CRON", lambda one: one["cron"]),
    Column("ZONE", lambda one: one["timezone"]),
    Column("KIND", lambda one: one["job"]["kind"]),
    Column("NEXT", lambda one: "paused" if one["paused"] else iso(one["next_at"])),
    Column("LAST JOB", lambda one: one["last_job"] or "", whole=True),
    Column("ERROR", lambda one: (one["error"] or {}).get("what", "")),
)


@app.command("ls")
def list_schedules(as_json: options.AsJson = False) -> None:
    """List schedules with the time that comes next."""
    with connect() as client:
        found = client.get("/v1/schedules")["data"]
    show_list(found, _COLUMNS, as_json=as_json, empty="No schedules. Add one: cidermill schedules add --help")


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    cron: Annotated[
        str, typer.Argument(metavar="CRON", help="As '30 2 * * mon-fri': minute, hour, day, month, day of week.")
    ],
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What kind of job.")],
    param: Annotated[list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter.")] = None,
    params: Annotated[
        str | None, typer.Option(metavar="JSON", help="Parameters as JSON, from @FILE or from - (stdin).")
    ] = None,
    timezone: Annotated[str, typer.Option(help="Of the IANA database, as Europe/Berlin.")] = "UTC",
    priority: options.PriorityOption = None,
    label: options.Labels = None,
    select: options.Select = None,
    tolerate: options.Tolerate = None,
    avoid: options.Avoid = None,
    queue_by: options.QueueBy = None,
    deadline: options.Deadline = None,
    as_json: options.AsJson = False,
) -> None:
    """Submit a job at the times of a cron expression."""
    wishes = Wishes(priority, label, select, tolerate, avoid, queue_by, None, deadline)
    given = (read_params(params) if params else {}) | pairs(param or ())
    job: dict[str, Any] = {"kind": kind, "params": given, **wishes.fields()}
    with connect() as client:
        kept = client.post("/v1/schedules", {"name": name, "cron": cron, "timezone": timezone, "job": job})
    if as_json:
        emit(kept)
        return
    typer.echo(kept["id"])
    remark(f"Next at {iso(kept['next_at'])}")


@app.command()
def show(name: Name, as_json: options.AsJson = False) -> None:
    """Show all that is known of a schedule."""
    with connect() as client:
        kept = client.get(path_of("schedule", name))
    if as_json:
        emit(kept)
        return
    error = kept["error"] or {}
    facts = [(column.title.lower(), column.cell(kept)) for column in _COLUMNS[:-1]]
    why = "\n".join(error[part] for part in ("what", "why", "fix") if error.get(part))
    show_facts([("id", kept["id"]), *facts, ("last at", iso(kept["last_at"])), ("error", why)])


@app.command()
def rm(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="The schedules.")], as_json: options.AsJson = False
) -> None:
    """Forget schedules; jobs that they have submitted go on."""
    with connect() as client:
        for name in names:
            removed = client.delete(path_of("schedule", name))
            emit(removed) if as_json else remark(f"{name} removed")


@app.command()
def pause(name: Name, as_json: options.AsJson = False) -> None:
    """Submit nothing until it is resumed."""
    _tell(name, "pause", as_json=as_json)


@app.command()
def resume(name: Name, as_json: options.AsJson = False) -> None:
    """Go on with the next time from now."""
    _tell(name, "resume", as_json=as_json)


@app.command()
def run(name: Name, as_json: options.AsJson = False) -> None:
    """Submit its job now, out of turn, and print its id."""
    with connect() as client:
        job = client.post(path_of("schedule", name, "run"))
    emit(job) if as_json else typer.echo(job["id"])


def _tell(name: str, what: str, *, as_json: bool) -> None:
    with connect() as client:
        kept = client.post(path_of("schedule", name, what))
    said = f"{kept['name']} {'paused' if kept['paused'] else 'next at ' + iso(kept['next_at'])}"
    emit(kept) if as_json else typer.echo(said)
