"""API keys: create, ls, revoke."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli import options
from cli.app import group
from cli.client import connect
from cli.output import Column, Json, emit, show_list
from cli.phrases import ago
from cli.terminal import remark

app = group("API keys.")


class Role(StrEnum):
    """What a key may do; each may do what the ones after it may."""

    ADMIN = "admin"
    SUBMIT = "submit"
    READ = "read"


def _state(key: Json) -> str:
    return "revoked" if key["revoked_at"] else "active"


_COLUMNS = (
    Column("ID", lambda key: key["id"]),
    Column("NAME", lambda key: key["name"]),
    Column("PREFIX", lambda key: key["prefix"]),
    Column("ROLE", lambda key: key["role"]),
    Column("STATE", _state),
    Column("CREATED", lambda key: ago(key["created_at"])),
    Column("USED", lambda key: ago(key["last_used_at"])),
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what it is for.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.SUBMIT,
    local: Annotated[
        bool, typer.Option("--local", help="Write it into this machine's database, without a front door.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Create a key; it is shown this once. The first one is made where the database is, with --local."""
    if local:
        key = _create_here(name, role)
    else:
        with connect() as client:
            key = client.post("/v1/keys", {"name": name, "role": role})
    if as_json:
        emit(key)
        return
    typer.echo(key["key"])
    remark("Keep it: only its hash is stored. Use it with --api-key or CIDERMILL_API_KEY.")


@app.command("ls")
def list_keys(as_json: options.AsJson = False) -> None:
    """List keys, revoked ones too."""
    with connect() as client:
        keys = client.get("/v1/keys")["data"]
    show_list(keys, _COLUMNS, as_json=as_json, empty="No keys. Create one: cidermill keys create NAME")


@app.command()
def revoke(key_ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Keys by id or prefix.")]) -> None:
    """Revoke keys: they stop working at once."""
    with connect() as client:
        for key_id in key_ids:
            client.delete(f"/v1/keys/{key_id}")
            typer.echo(f"{key_id} revoked")


def _create_here(name: str, role: Role) -> Json:
    """The key as the front door would answer it: who can write the database may do everything.

    A front door that is open to others does not start without a key, so the first one cannot come from it.
    """
    from cli.database import open_database
    from shared.keys import create as create_key
    from shared.schema import upgrade

    with open_database() as database:
        upgrade(database)
        with database.write() as session:
            row, text = create_key(session, name, role)
            return {"id": row.id, "name": row.name, "prefix": row.prefix, "role": row.role, "key": text}
