"""Models of the fleet: pull, find, weigh, verify, remove."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import options
from cli.app import group
from cli.client import connect
from cli.exits import Exit
from cli.models import alias, hub, store
from cli.output import Column, Json, emit, show_facts, show_list
from cli.paths import path_of
from cli.phrases import ago, iso, size
from cli.see import see_through
from cli.terminal import remark

app = group("Models of the fleet.")
for _command in (hub.search, hub.fit, hub.recommend, store.verify, store.scan, store.gc):
    app.command()(_command)
app.add_typer(alias.app, name="alias")

Name = Annotated[str, typer.Argument(metavar="MODEL", help="Its name or reference.")]

_COLUMNS = (
    Column("NAME", lambda model: model["id"]),
    Column("FORMAT", lambda model: model["format"]),
    Column("SIZE", lambda model: size(model["size"]), right=True),
    Column("CONTEXT", lambda model: str(model["context"] or ""), right=True),
    Column("CAN", lambda model: ", ".join(model["capabilities"])),
    Column("HOSTS", lambda model: ", ".join(model["hosts"])),
    Column("READY ON", lambda model: ", ".join(model["ready_on"])),
    Column("USED", lambda model: ago(model["last_used_at"])),
)


@app.command("ls")
def list_models(as_json: options.AsJson = False) -> None:
    """List the models of the catalog."""
    with connect() as client:
        models = client.get("/v1/models", aliases=False)["data"]
    show_list(models, _COLUMNS, as_json=as_json, empty="No models. Install one: cidermill models pull org/name")


@app.command()
def pull(
    reference: Annotated[
        str,
        typer.Argument(
            help="org/name, hf:org/name:file@revision, local:/path, url:https://… or a name of the catalog."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only these files, by pattern; may be repeated.")] = None,
    host: options.Host = None,
    detach: options.Detach = False,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> int:
    """Install a model on a host and show how far it is; a broken download goes on where it stopped."""
    wishes: dict[str, Any] = {"model": reference, "name": name, "include": include, "host": host}
    with connect() as client:
        job = client.post("/v1/models/install", {key: value for key, value in wishes.items() if value})
        if not detach:
            return see_through(client, job["id"], timeout=timeout, as_json=as_json)
    emit(job) if as_json else typer.echo(job["id"])
    return Exit.OK


@app.command()
def info(name: Name, as_json: options.AsJson = False) -> None:
    """Show all that is known of a model."""
    with connect() as client:
        model = client.get(path_of("model", name))
    if as_json:
        emit(model)
        return
    shape = {key: value for key, value in model["shape"].items() if value}
    facts = [
        ("name", model["id"]),
        ("reference", model["reference"]),
        ("revision", model["revision"] or ""),
        ("format", model["format"]),
        ("size", size(model["size"])),
        ("context", f"{model['context']} tokens" if model["context"] else ""),
        ("can", ", ".join(model["capabilities"])),
        ("shape", ", ".join(f"{key} {value}" for key, value in shape.items())),
        ("ready on", ", ".join(model["ready_on"])),
        ("in use by", ", ".join(model["runs"])),
        ("also called", ", ".join(model["same_content"])),
        ("files", "\n".join(_file(one) for one in model["artifacts"])),
        ("installed", "\n".join(_install(one) for one in model["installs"])),
        ("last used", iso(model["last_used_at"])),
    ]
    show_facts(facts)


@app.command()
def rm(
    names: Annotated[list[str], typer.Argument(metavar="MODEL", help="Their names or references.")],
    as_json: options.AsJson = False,
) -> None:
    """Remove models and delete the files that only they use; refused while runs or jobs use them."""
    with connect() as client:
        for name in names:
            removed = client.delete(path_of("model", name))
            emit(removed) if as_json else remark(f"{name} removed")


def _file(artifact: Json) -> str:
    return f"{artifact['name']}  {size(artifact['size'])}  sha256 {(artifact['sha256'] or 'not read yet')[:12]}"


def _install(install: Json) -> str:
    whose = "" if install["source"] == "cidermill" else f"  (kept by {install['source']})"
    checked = f"  verified {ago(install['verified_at'])}" if install["verified_at"] else ""
    return f"{install['host']}  {install['path']}{whose}{checked}"
