"""Settings, and where each of them comes from."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from cli import options
from cli.app import group
from cli.output import Column, Json, emit, show_list
from shared.errors import NotFound
from shared.nearest import did_you_mean
from shared.settings import Settings, config_files, load_settings

app = group("Settings.")

_COLUMNS = (
    Column("SETTING", lambda setting: setting["name"]),
    Column("VALUE", lambda setting: "" if setting["value"] is None else str(setting["value"])),
    Column("FROM", lambda setting: setting["source"]),
)


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(help="Only this setting.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Show every setting, its value and where it comes from; secrets stay hidden."""
    settings = load_settings()
    names = list(Settings.model_fields)
    if name is not None and name not in names:
        raise NotFound(
            f"There is no setting {name!r}", did_you_mean(name, names), "see them all: cidermill config show"
        )
    rows = [_row(settings, one) for one in names if name in (None, one)]
    show_list(rows, _COLUMNS, as_json=as_json, empty="")


@app.command()
def path(as_json: options.AsJson = False) -> None:
    """Print the files and folders in use; a file that is not there is marked."""
    settings = load_settings()
    places: list[tuple[str, Path]] = [("settings", file) for file in reversed(config_files())]
    places += [("state", settings.state_dir), ("data", settings.data_dir)]
    for what, place in places:
        if as_json:
            emit({"what": what, "path": str(place.absolute()), "exists": place.exists()})
        else:
            typer.echo(f"{what:9}{place.absolute()}{'' if place.exists() else '  (not there)'}")


def _row(settings: Settings, name: str) -> Json:
    value: Any = getattr(settings, name)
    shown = "***" if isinstance(value, SecretStr) else str(value) if isinstance(value, Path) else value
    return {"name": name, "value": shown, "source": _source(name)}


def _source(name: str) -> str:
    """The strongest place that names it."""
    variable = f"CIDERMILL_{name.upper()}"
    if os.environ.get(variable):
        return variable
    for file in reversed(config_files()):
        if file.exists() and name in tomllib.loads(file.read_text()):
            return str(file)
    return "default"
