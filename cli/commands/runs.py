"""Models that are loaded: start, ls, show, stop, logs."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from cli import options
from cli.app import group
from cli.client import Client, connect
from cli.exits import Exit
from cli.explanation import show_explanation
from cli.output import Column, Json, emit, show_facts, show_list
from cli.params import pairs
from cli.paths import path_of
from cli.phrases import ago, drift, iso, size
from cli.problems import show
from cli.terminal import remark, speech
from shared.errors import Problem
from shared.vocabulary import RunState

app = group("Models that are loaded.")

_LOOK_SECONDS = 0.25

_COLUMNS = (
    Column("ID", lambda run: run["id"]),
    Column("MODEL", lambda run: run["model"]),
    Column("STATE", lambda run: run["state"]),
    Column("HOST", lambda run: run["host"] or ""),
    Column("RUNTIME", lambda run: run["runtime"] or ""),
    Column("SLOTS", lambda run: f"{run['slots_used']}/{run['slots']}", right=True),
    Column("CONTEXT", lambda run: str(run["context"] or ""), right=True),
    Column("HELD", lambda run: size(run["memory_held"]), right=True),
    Column("PEAK", lambda run: size(run["memory_peak"]), right=True),
    Column("USED", lambda run: ago(run["last_used_at"])),
)


@app.command()
def start(
    model: Annotated[str, typer.Argument(help="The model's name or reference.")],
    runtime: options.RuntimeOption = None,
    host: options.Host = None,
    context: Annotated[int | None, typer.Option(help="Tokens of context for each slot.")] = None,
    slots: Annotated[int | None, typer.Option(help="Requests side by side.")] = None,
    keep_alive: Annotated[float | None, typer.Option(help="Seconds it stays loaded idle; -1 for ever.")] = None,
    pinned: Annotated[bool, typer.Option("--pin", help="Never evict it.")] = False,
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="KEY=VALUE for the engine.")] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not wait: print the run's id and return.")] = False,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> int:
    """Load a model and wait until it is ready."""
    spec: dict[str, Any] = {"context": context, "slots": slots, "keep_alive": keep_alive}
    spec |= {"pinned": pinned or None, "params": pairs(param or ()) or None}
    wishes: dict[str, Any] = {"model": model, "runtime": runtime, "host": host}
    body = {key: value for key, value in wishes.items() if value is not None}
    with connect() as client:
        run = client.post("/v1/runs", body | {"spec": {key: value for key, value in spec.items() if value is not None}})
        if not detach:
            run = _until_ready(client, run, timeout)
    emit(run) if as_json else typer.echo(run["id"])
    if detach or run["state"] == RunState.READY:
        return Exit.OK
    if run["error"]:
        show(Problem.model_validate(run["error"]))
    return Exit.FAILED if RunState(run["state"]).final else Exit.TIMEOUT


@app.command("ls")
def list_runs(
    every: Annotated[bool, typer.Option("--all", "-a", help="Also those that are over.")] = False,
    limit: options.Limit = 30,
    as_json: options.AsJson = False,
) -> None:
    """List runs; without --all only the living."""
    with connect() as client:
        found = client.every("/v1/runs", limit)
        runs = [run for run in found if every or not RunState(run["state"]).final]
    show_list(runs, _COLUMNS, as_json=as_json, empty="Nothing is loaded. Load a model: cidermill runs start MODEL")


@app.command("show")
def show_run(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="The run.")], as_json: options.AsJson = False
) -> None:
    """Show all that is known of a run, with how its memory came about."""
    with connect() as client:
        run = client.get(path_of("run", run_id))
    if as_json:
        emit(run)
        return
    parts = (f"{name.replace('_', ' ')} {size(part)}" for name, part in run["memory_parts"].items() if part)
    facts = [
        ("id", run["id"]),
        ("model", run["model"]),
        ("state", run["state"]),
        ("host", f"{run['host'] or ''} {run['runtime'] or ''}".strip()),
        ("slots", f"{run['slots_used']} of {run['slots']} used, {run['context']} tokens each"),
        ("needs", f"{size(run['memory_need'])}: {', '.join(parts)}" if run["memory_need"] else ""),
        ("held", size(run["memory_held"])),
        ("measured", drift(run)),
        ("peak", size(run["memory_peak"])),
        ("waits", (run["blocked_by"] or {}).get("sentence", "")),
        ("ended", run["stop_reason"] or ""),
        ("error", Problem.model_validate(run["error"]).sentence() if run["error"] else ""),
        ("created", iso(run["created_at"])),
        ("last used", ago(run["last_used_at"])),
    ]
    show_facts(facts)


@app.command()
def explain(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="The run.")], as_json: options.AsJson = False
) -> None:
    """Say why a run waits, or what it does."""
    with connect() as client:
        said = client.get(path_of("run", run_id, "explain"))
    emit(said) if as_json else show_explanation(said)


@app.command()
def stop(
    run_ids: Annotated[list[str], typer.Argument(metavar="ID", help="The runs.")], as_json: options.AsJson = False
) -> None:
    """Stop runs; their memory is free when they are stopped."""
    with connect() as client:
        for run_id in run_ids:
            run = client.post(path_of("run", run_id, "stop"))
            emit(run) if as_json else typer.echo(f"{run_id} {run['state']}")


@app.command()
def logs(run_id: Annotated[str, typer.Argument(metavar="ID", help="The run.")]) -> None:
    """Print what a run's engine said."""
    with connect() as client, client.open("GET", path_of("run", run_id, "logs")) as answer:
        for piece in answer.iter_text():
            typer.echo(speech(piece), nl=False)


def _until_ready(client: Client, run: Json, timeout: float | None) -> Json:
    """Ask until it is ready or over, saying why it waits."""
    deadline = time.monotonic() + timeout if timeout is not None else None
    said = ""
    while run["state"] != RunState.READY and not RunState(run["state"]).final:
        if deadline is not None and time.monotonic() > deadline:
            break
        waits = (run["blocked_by"] or {}).get("sentence") or run["state"]
        if waits != said:
            said = waits
            remark(f"{run['id']} {waits}")
        time.sleep(_LOOK_SECONDS)
        run = client.get(f"/v1/runs/{run['id']}")
    return run
