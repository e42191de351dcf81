"""Models on the hosts' disks: `models gc`, `models scan`, `models verify`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import options
from cli.client import Client, connect
from cli.exits import Exit
from cli.follow import follow
from cli.output import Column, Json, emit, show_list
from cli.paths import path_of
from cli.phrases import ago, size
from cli.terminal import remark

Name = Annotated[str, typer.Argument(metavar="MODEL", help="Its name or reference.")]

_SWEPT = (
    Column("MODEL", lambda line: line["model"]),
    Column("HOST", lambda line: line["host"], whole=True),
    Column("SIZE", lambda line: size(line["size"]), right=True),
    Column("FREES", lambda line: size(line["frees"]), right=True),
    Column("USED", lambda line: ago(line["last_used_at"])),
    Column("VERDICT", lambda line: f"{line['verdict']}: {line['reason']}"),
)


def gc(
    older_than: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="Models not used for so long.")
    ] = None,
    keep: Annotated[str | None, typer.Option(metavar="SIZE", help="Until models take no more on each host.")] = None,
    free: Annotated[str | None, typer.Option(metavar="SIZE", help="Until so much of each disk is free.")] = None,
    host: options.OnlyHost = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; without, only say what would be deleted.")] = False,
    as_json: options.AsJson = False,
) -> int:
    """Delete models that nobody needs; by default those not used for 30 days."""
    wishes: dict[str, Any] = {"older_than_days": older_than, "keep_bytes": keep, "free_bytes": free, "host": host}
    body = {name: value for name, value in wishes.items() if value is not None}
    with connect() as client:
        swept = client.post("/v1/models/gc", {**body, "dry_run": not yes})
        done = _await(client, swept["jobs"], quiet=as_json)[0]
    if as_json:
        emit(swept)
        return done
    lines = [{**line, "verdict": word} for word, part in _PARTS for line in swept[part]]
    show_list(lines, _SWEPT, as_json=False, empty="No models are installed.")
    remark(_swept(swept))
    return done


def scan(host: options.OnlyHost = None, as_json: options.AsJson = False) -> int:
    """Find models that other programs keep on the hosts, and enter them in the catalog where they are."""
    with connect() as client:
        code, jobs = _await(client, client.post("/v1/models/scan", {"host": host})["jobs"], quiet=as_json)
    for job in jobs:
        result = job["result"] or {"models": [], "skipped": 0}
        if as_json:
            emit(job)
            continue
        skipped = f", {result['skipped']} skipped (see cidermill jobs logs {job['id']})" if result["skipped"] else ""
        typer.echo(f"{job['params']['host']}: {', '.join(result['models']) or 'nothing found'}{skipped}")
    return code


def verify(name: Name, host: options.OnlyHost = None, as_json: options.AsJson = False) -> int:
    """Read all files of an installed model again and compare them with their checksums."""
    with connect() as client:
        submitted = client.post(path_of("model", name, "verify"), {"host": host})["jobs"]
        code, jobs = _await(client, submitted, quiet=as_json)
    for job in jobs:
        emit(job) if as_json else typer.echo(_verdict(job))
    damaged = any((job["result"] or {}).get("damaged") for job in jobs)
    return Exit.FAILED if damaged else code


def _await(client: Client, jobs: list[str], *, quiet: bool) -> tuple[int, list[Json]]:
    """The exit code of jobs once they are over, and the jobs."""
    if not jobs:
        return Exit.OK, []
    followed = follow(client, jobs, quiet=quiet)
    return followed.code, [followed.jobs[job] for job in jobs if job in followed.jobs]


def _swept(swept: Json) -> str:
    if not swept["removed"]:
        return "Nothing is to be deleted"
    if swept["dry_run"]:
        return f"Nothing was deleted: {size(swept['frees'])} would be free. To do it, add --yes"
    return f"{size(swept['frees'])} freed"


def _verdict(job: Json) -> str:
    result = job["result"]
    host = job["params"]["host"]
    if not result:
        return f"{host}: {job['state']}"
    if result["damaged"]:
        mend = f"cidermill models pull {job['params']['model']} --host {host}"
        return f"{host}: damaged: {', '.join(result['damaged'])}; mend it: {mend}"
    files = result["files"]
    return f"{host}: {files} file{'s are' if files != 1 else ' is'} right"


_PARTS = (("goes", "removed"), ("stays", "kept"))
