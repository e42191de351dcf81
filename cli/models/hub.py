"""Models before they are here: `models search`, `models fit`, `models recommend`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import options
from cli.client import connect
from cli.output import Column, Json, emit, show_list
from cli.phrases import ago, size
from shared.vocabulary import Format

_FITS = {
    "now": "now",
    "after_eviction": "after eviction",
    "later": "later",
    "no_disk": "no disk",
    "never": "never",
    None: "nowhere",
}

_FOUND = (
    Column("MODEL", lambda model: model["id"]),
    Column("FORMATS", lambda model: ", ".join(model["formats"])),
    Column("TASK", lambda model: model["task"] or ""),
    Column("LICENCE", lambda model: (model["licence"] or "") + (" (gated)" if model["gated"] else "")),
    Column("DOWNLOADS", lambda model: "" if model["downloads"] is None else str(model["downloads"]), right=True),
    Column("UPDATED", lambda model: ago(model["updated_at"])),
)
_HOSTS = (
    Column("HOST", lambda host: host["host"]),
    Column("RUNTIME", lambda host: host["runtime"]),
    Column("FITS", lambda host: _FITS[host["fits"]]),
    Column("NEEDS", lambda host: size(host["needs"]), right=True),
    Column("FREE", lambda host: size(host["free"]), right=True),
    Column("CONTEXT", lambda host: f"{host['context']} x {host['slots']}", right=True),
    Column("AT MOST", lambda host: _at_most(host), right=True),
    Column("DISK", lambda host: _disk(host)),
    Column("WHY", lambda host: host["sentence"]),
)
_RECOMMENDED = (
    Column("MODEL", lambda model: model["title"]),
    Column("FOR", lambda model: model["use"]),
    Column("SIZE", lambda model: size(model["size"]), right=True),
    Column("NEEDS", lambda model: size(model["needs"]), right=True),
    Column("FITS", lambda model: _FITS[model["fits"]]),
    Column("HOST", lambda model: model["host"] or ""),
    Column("LICENCE", lambda model: model["licence"]),
    Column("PULL", lambda model: model["model"], whole=True),
)


def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD", help="Words of the model's name.")],
    kind: Annotated[Format | None, typer.Option("--format", help="Only models of this format.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 20,
    as_json: options.AsJson = False,
) -> None:
    """Search the hub for models, the most downloaded first."""
    with connect() as client:
        found = client.get("/v1/models/search", q=" ".join(words), limit=limit, format=kind)["data"]
    show_list(found, _FOUND, as_json=as_json, empty="The hub knows no such model. Try fewer or other words.")


def fit(
    model: Annotated[str, typer.Argument(help="An installed model, or org/name of one to install.")],
    context: Annotated[int | None, typer.Option(min=16, metavar="TOKENS", help="Context of each slot.")] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Requests side by side.")] = None,
    host: options.OnlyHost = None,
    as_json: options.AsJson = False,
) -> None:
    """Tell on which hosts a model would run, and how large, before anything is downloaded."""
    with connect() as client:
        found = client.get("/v1/models/fit", model=model, context=context, slots=slots, host=host)
    if as_json:
        emit(found)
        return
    show_list(found["hosts"], _HOSTS, as_json=False, empty=f"No living host loads {found['format']} models.")


def recommend(
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Memory for models, such as 8GiB; default: what the hosts have.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """List small models of free licences, the largest that fit first."""
    with connect() as client:
        found = client.get("/v1/models/recommended", memory=memory)["data"]
    show_list(found, _RECOMMENDED, as_json=as_json, empty="None.")


def _disk(host: Json) -> str:
    """What is still to come of what downloads may take there."""
    disk = host["disk"]
    if disk is None or not disk["need"]:
        return "there" if host["installed"] else ""
    left = max(0, disk["free"] - disk["reserve"] - disk["promised"])
    return f"{size(disk['need'])} of {size(left)}"


def _at_most(host: Json) -> str:
    return "" if host["largest_context"] is None else str(host["largest_context"])
