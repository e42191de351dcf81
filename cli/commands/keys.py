"""API keys: create, ls, set, revoke."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from cli import key_fields, options
from cli.app import group
from cli.client import connect
from cli.key_fields import KeyFields
from cli.output import Column, Json, emit, show_list
from cli.paths import path_of
from cli.phrases import ago
from cli.terminal import remark
from shared.errors import BadRequest

app = group("API keys.")


class Role(StrEnum):
    """What a key may do; each may do what the ones after it may, but worker, which only lets hosts join."""

    ADMIN = "admin"
    SUBMIT = "submit"
    READ = "read"
    WORKER = "worker"


_COLUMNS = (
    Column("ID", lambda key: key["id"]),
    Column("NAME", lambda key: key["name"]),
    Column("PREFIX", lambda key: key["prefix"], whole=True),
    Column("ROLE", lambda key: key["role"]),
    Column("STATE", key_fields.state),
    Column("MODELS", lambda key: "all" if key["models"] is None else " ".join(key["models"])),
    Column("LIMITS", lambda key: key_fields.phrase(key["limits"])),
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
    model: key_fields.Models = None,
    limit: key_fields.Limits = None,
    priority: key_fields.MaxPriority = None,
    weight: key_fields.Weight = None,
    expires: key_fields.Expires = None,
    as_json: options.AsJson = False,
) -> None:
    """Create a key; it is shown this once. The first one is made where the database is, with --local."""
    fields = KeyFields(model, limit, priority, weight, expires).body()
    if local:
        key = _create_here(name, role, fields)
    else:
        with connect() as client:
            key = client.post("/v1/keys", {"name": name, "role": role, **fields})
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


@app.command("set")
def set_(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key by id or prefix.")],
    role: Annotated[Role | None, typer.Option(help="What it may do.")] = None,
    model: key_fields.Models = None,
    limit: key_fields.Limits = None,
    priority: key_fields.MaxPriority = None,
    weight: key_fields.Weight = None,
    expires: key_fields.Expires = None,
    as_json: options.AsJson = False,
) -> None:
    """Change what a key may do, at once; what is not said stays. Limits and models are replaced as a whole."""
    change = KeyFields(model, limit, priority, weight, expires).body() | ({"role": role} if role else {})
    if not change:
        raise BadRequest("Nothing was said to change", "no option was given", "see: cidermill keys set --help")
    with connect() as client:
        key = client.patch(path_of("key", key_id), change)
    show_list([key], _COLUMNS, as_json=as_json, empty="")


@app.command()
def revoke(
    key_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Keys by id or prefix.")],
    as_json: options.AsJson = False,
) -> None:
    """Revoke keys: they stop working at once."""
    with connect() as client:
        for key_id in key_ids:
            revoked = client.delete(path_of("key", key_id))
            emit(revoked) if as_json else typer.echo(f"{key_id} revoked")


def _create_here(name: str, role: Role, fields: dict[str, Any]) -> Json:
    """The key as the front door would answer it: who can write the database may do everything.

    A front door that is open to others does not start without a key, so the first one cannot come from it.
    """
    from cli.database import open_database
    from shared import audit, queues
    from shared.keys import ANYONE
    from shared.keys import create as create_key
    from shared.schema import upgrade

    weight = fields.pop("weight", None)
    with open_database() as database:
        upgrade(database)
        with database.write() as session:
            row, text = create_key(session, name, role, **fields)
            if weight is not None:
                queues.put(session, f"key:{row.id}", {"weight": weight})
            audit.record(session, ANYONE, "", "keys create --local", row.id)
            return {"id": row.id, "name": row.name, "prefix": row.prefix, "role": row.role, "key": text}
