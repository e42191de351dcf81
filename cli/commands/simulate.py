"""Replay a trace through the scheduler's plan and simpler ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options
from cli.app import command
from cli.client import connect
from cli.output import Column, Json, emit, show_list

if TYPE_CHECKING:
    from scheduler.simulate.trace import Trace

app = command()


@app.command()
def simulate(
    traces: Annotated[
        list[str] | None,
        typer.Argument(metavar="TRACE", help="JSON files, or names of shipped traces; default: those."),
    ] = None,
    generate: Annotated[
        list[str] | None, typer.Option("--generate", metavar="NAME", help="Draw a trace instead; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Where the chance of --generate begins.")] = 1,
    history: Annotated[
        bool, typer.Option("--from-history", help="Replay the newest jobs of the front door instead.")
    ] = False,
    by: Annotated[
        str | None, typer.Option(metavar="LABEL", help="With --from-history: the label that says whose a job was.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="With --from-history: jobs at most.")] = 1000,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", metavar="NAME", help="Only this policy; may be repeated.")
    ] = None,
    show: Annotated[bool, typer.Option("--print", help="Print the trace as JSON, and play nothing.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Replay a trace through the scheduler's own plan and simpler ones.

    Time is virtual: hours take seconds.
    """
    from scheduler.simulate.compare import compare
    from scheduler.simulate.trace import write_trace

    for trace in [_past(limit, by)] if history else _wanted(traces or [], generate or [], seed):
        if show:
            typer.echo(write_trace(trace), nl=False)
            continue
        found = compare(trace, policy or ()).as_json()
        emit(found) if as_json else _show(found)


def _wanted(traces: list[str], generated: list[str], seed: int) -> list[Trace]:
    from scheduler.simulate.generate import generate
    from scheduler.simulate.shipped import open_trace, shipped

    names = traces if traces or generated else shipped()
    return [open_trace(name) for name in names] + [generate(name, seed) for name in generated]


def _past(limit: int, label: str | None) -> Trace:
    from cli.history import past
    from scheduler.simulate.trace import trace_of

    with connect() as client:
        return trace_of(past(client, limit, label), "the history")


def _show(found: Json) -> None:
    """A heading, and a table with a row for each policy under one for the bound."""
    typer.echo(
        f"{found['trace']}: {found['jobs']} jobs, {found['models']} models, {found['hosts']} hosts. {found['about']}"
    )
    classes = list(dict.fromkeys(name for score in found["policies"] for name in score["waits"]))
    bound = {"policy": "lower bound", "makespan": found["lower_bound"], "over_bound": 1.0}
    show_list([bound, *found["policies"]], _columns(classes), as_json=False, empty="No policies.")
    typer.echo()


def _columns(classes: list[str]) -> list[Column]:
    return [
        Column("POLICY", lambda score: score["policy"]),
        Column("MAKESPAN", lambda score: _seconds(score["makespan"]), right=True),
        Column("OF BOUND", lambda score: f"{score['over_bound']:.2f} ×", right=True),
        *(Column(f"{name.upper()} MEAN, P99", _wait(name), right=True) for name in classes),
        _count("USED", lambda score: f"{score['utilisation']:.0%}"),
        _count("EVICTED", lambda score: str(score["evictions"])),
        _count("RELOADED", lambda score: str(score["reloads"])),
        _count("FAIRNESS", lambda score: f"{score['fairness']:.3f}"),
        _count("OVER", lambda score: str(score["over_budget"])),
        _count("LEFT", lambda score: str(score["stranded"] + score["failed"])),
    ]


def _seconds(count: float) -> str:
    return f"{count:.1f} s" if count < 100 else f"{count:.0f} s"


def _wait(priority: str) -> Callable[[Json], str]:
    def cell(score: Json) -> str:
        waits = score.get("waits", {}).get(priority)
        return f"{_seconds(waits['mean'])} {_seconds(waits['p99'])}" if waits else ""

    return cell


def _count(title: str, cell: Callable[[Json], str]) -> Column:
    """A figure that the bound does not have."""
    return Column(title, lambda score: cell(score) if "waits" in score else "", right=True)
