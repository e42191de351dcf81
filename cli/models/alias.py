"""Other names of models: `models alias ls`, `models alias add`, `models alias rm`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli import options
from cli.app import group
from cli.client import connect
from cli.output import Column, Json, emit, show_list
from cli.paths import path_of
from cli.terminal import remark
from shared.errors import InvalidParameters

app = group("Other names of models.")

Name = Annotated[str, typer.Argument(metavar="ALIAS", help="What clients call it.")]

_COLUMNS = (
    Column("ALIAS", lambda alias: alias["name"]),
    Column("MODEL", lambda alias: alias["model"]),
    Column("HOST", lambda alias: alias["host"] or ""),
    Column("DEFAULTS", lambda alias: _defaults(alias)),
)


@app.command("ls")
def list_aliases(as_json: options.AsJson = False) -> None:
    """List all aliases."""
    with connect() as client:
        found = client.get("/v1/models/aliases")["data"]
    show_list(found, _COLUMNS, as_json=as_json, empty="No aliases. Make one: cidermill models alias add NAME MODEL")


@app.command()
def add(
    name: Name,
    model: Annotated[str, typer.Argument(help="The model's name, or model@host for one host's only.")],
    system: Annotated[str | None, typer.Option(help="System message of chats that have none.")] = None,
    context: Annotated[int | None, typer.Option(min=16, metavar="TOKENS", help="Context to load it with.")] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="Default of a request's field.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Let a name mean a model, with defaults for what requests leave out."""
    wishes: dict[str, Any] = {"model": model, "system": system, "context": context}
    body = {key: value for key, value in wishes.items() if value is not None}
    with connect() as client:
        made = client.put(path_of("alias", name), {**body, "parameters": dict(map(_pair, param or []))})
    emit(made) if as_json else remark(f"{made['name']} is {made['model']}")


@app.command()
def rm(
    names: Annotated[list[str], typer.Argument(metavar="ALIAS", help="Which to forget; models stay.")],
    as_json: options.AsJson = False,
) -> None:
    """Forget aliases."""
    with connect() as client:
        for name in names:
            forgotten = client.delete(path_of("alias", name))
            emit(forgotten) if as_json else remark(f"{name} forgotten")


def _pair(text: str) -> tuple[str, Any]:
    """`temperature=0.2` as a name and a JSON value; what is no JSON is a text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidParameters(f"--param {text!r} is wrong", "it has no name or no value", "write NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _defaults(alias: Json) -> str:
    own = {"system": alias["system"], "messages": len(alias["messages"]) or None, "context": alias["context"]}
    said = {**{key: value for key, value in own.items() if value is not None}, **alias["parameters"]}
    return ", ".join(f"{key}={value}" for key, value in said.items())
