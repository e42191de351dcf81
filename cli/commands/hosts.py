"""Machines of the fleet: memory, labels, taints, drain, join."""

from __future__ import annotations

import socket
from typing import Annotated
from urllib.parse import urlsplit

import typer

from cli import options, quarantine
from cli.app import group
from cli.client import connect
from cli.output import Column, Json, emit, show_facts, show_list
from cli.params import labels
from cli.paths import path_of
from cli.phrases import ago, bound, drift, iso, size
from cli.terminal import remark
from shared.settings import LOOPBACK

app = group("Machines of the fleet.")
app.add_typer(quarantine.app, name="quarantine")

Name = Annotated[str, typer.Argument(metavar="HOST", help="Its name.")]


def _state(host: Json) -> str:
    for mark in ("maintenance", "draining", "cordoned"):
        if host[mark]:
            return f"{host['state']}, {mark}"
    if host["guard"] != "open":
        return f"{host['state']}, memory {host['guard']}"
    return f"{host['state']}, reserved" if host["reserved_by"] else str(host["state"])


_COLUMNS = (
    Column("NAME", lambda host: host["name"]),
    Column("STATE", _state),
    Column("HELD", lambda host: size(host["memory_held"]), right=True),
    Column("BUDGET", lambda host: size(host["budget"]), right=True),
    Column("DISK FREE", lambda host: size(host["disk_free"]), right=True),
    Column("RUNTIMES", lambda host: ", ".join(one["name"] for one in host["runtimes"] if one["alive"])),
    Column("LABELS", lambda host: ", ".join(f"{key}={value}" for key, value in host["labels"].items())),
    Column("SEEN", lambda host: "" if host["state"] == "up" else ago(host["seen_until"])),
)


@app.command("ls")
def list_hosts(as_json: options.AsJson = False) -> None:
    """List hosts with their memory."""
    with connect() as client:
        hosts = client.get("/v1/hosts")["data"]
    show_list(hosts, _COLUMNS, as_json=as_json, empty="No hosts. Invite one: cidermill hosts join NAME")


@app.command()
def show(name: Name, as_json: options.AsJson = False) -> None:
    """Show all that is known of a host."""
    with connect() as client:
        host = client.get(path_of("host", name))
    if as_json:
        emit(host)
        return
    telemetry = {
        key: value for key, value in host["telemetry"].items() if value not in (None, "") and key not in _SHOWN_ABOVE
    }
    facts = [
        ("name", host["name"]),
        ("state", _state(host)),
        ("platform", host["platform"] or ""),
        ("version", host["version"] or ""),
        ("memory", f"{size(host['memory_held'])} held of {size(host['budget'])}; {size(host['memory_total'])} in all"),
        ("measured", drift(host)),
        ("ceiling", _ceiling(host)),
        ("guard", _guard(host)),
        ("disk free", _disk(host)),
        ("runtimes", "\n".join(_runtime(one) for one in host["runtimes"])),
        ("runs", "\n".join(f"{run['id']} {run['model']} {run['state']}" for run in host["runs"])),
        ("telemetry", ", ".join(f"{key.replace('_', ' ')} {_said(key, value)}" for key, value in telemetry.items())),
        ("maintenance", host["maintenance"] or ""),
        ("labels", ", ".join(f"{key}={value}" for key, value in host["labels"].items())),
        ("taints", ", ".join(host["taints"])),
        ("registered", iso(host["registered_at"])),
    ]
    show_facts(facts)


@app.command()
def join(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the new host.")],
    label: options.Labels = None,
    as_json: options.AsJson = False,
) -> None:
    """Make the token with which another machine joins; it is shown this once."""
    with connect() as client:
        joined = client.post("/v1/hosts/join", {"name": name, "labels": labels(label)})
        url = client.url
    if as_json:
        emit(joined)
        return
    typer.echo(joined["token"])
    remark(f"On that machine: cidermill agent --name {name} --join {_from_elsewhere(url)} --token {joined['token']}")


@app.command()
def drain(name: Name, as_json: options.AsJson = False) -> None:
    """Give a host no new work and stop its idle runs; what runs there ends in peace."""
    _tell(name, "drain", as_json=as_json)


@app.command()
def undrain(name: Name, as_json: options.AsJson = False) -> None:
    """Give a drained or cordoned host work again."""
    _tell(name, "uncordon", as_json=as_json)


def _from_elsewhere(url: str) -> str:
    """The front door as another machine calls it: loopback would be that machine itself."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK:
        return url
    return f"{parts.scheme}://{socket.gethostname()}:{parts.port or 80}"


Marks = Annotated[list[str], typer.Argument(metavar="MARK", help="KEY=VALUE sets one, KEY- takes it away.")]


@app.command()
def label(name: Name, marks: Marks, as_json: options.AsJson = False) -> None:
    """Set or take away labels, by which jobs select hosts."""
    gone, kept = _read_marks(marks)
    with connect() as client:
        host = client.patch(path_of("host", name), {"labels": dict.fromkeys(gone) | labels(kept)})
    said = ", ".join(f"{key}={value}" for key, value in host["labels"].items())
    _show(host, said or f"{name} has no labels", as_json=as_json)


@app.command()
def taint(name: Name, marks: Marks, as_json: options.AsJson = False) -> None:
    """Set or take away taints: work that does not tolerate them stays away."""
    gone, kept = _read_marks(marks)
    with connect() as client:
        have = client.get(path_of("host", name))["taints"]
        stay = [one for one in have if one not in gone and one.partition("=")[0] not in gone]
        host = client.patch(path_of("host", name), {"taints": [*stay, *kept]})
    _show(host, ", ".join(host["taints"]) or f"{name} has no taints", as_json=as_json)


@app.command()
def maintenance(
    name: Name,
    reason: Annotated[str | None, typer.Option(help="Why; waiting jobs are told.")] = None,
    off: Annotated[bool, typer.Option("--off", help="End it.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Drain a host for a reason; with --off it takes work again."""
    if off:
        _tell(name, "uncordon", as_json=as_json)
        return
    _tell(name, "maintenance", {"reason": reason or "maintenance"}, as_json=as_json)


def _read_marks(marks: list[str]) -> tuple[list[str], list[str]]:
    """Those to take away, without their sign, and those to set."""
    return [mark[:-1] for mark in marks if mark.endswith("-")], [mark for mark in marks if not mark.endswith("-")]


def _tell(name: str, what: str, body: Json | None = None, *, as_json: bool) -> None:
    with connect() as client:
        host = client.post(path_of("host", name, what), body)
    _show(host, f"{host['name']} {_state(host)}", as_json=as_json)


def _show(host: Json, said: str, *, as_json: bool) -> None:
    emit(host) if as_json else typer.echo(said)


_SHOWN_ABOVE = {"ceiling", "ceiling_bound", "runs_memory", "guard_reason", "disk_free", "disk_reserve"}


#: What telemetry has in bytes.
_BYTES = ("memory_", "swap_", "disk_")


def _said(key: str, value: object) -> str:
    if isinstance(value, float | int) and key.startswith(_BYTES):
        return size(value)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _ceiling(host: Json) -> str:
    if host["ceiling"] is None:
        return ""
    why = bound(host["telemetry"].get("ceiling_bound"))
    return f"{size(host['ceiling'])}: {why}" if why else size(host["ceiling"])


def _disk(host: Json) -> str:
    reserve = host["telemetry"].get("disk_reserve")
    return size(host["disk_free"]) + (f", of which {size(reserve)} stay free" if reserve is not None else "")


def _guard(host: Json) -> str:
    reason = host["telemetry"].get("guard_reason")
    return f"{host['guard']}: {reason}" if reason else str(host["guard"])


def _runtime(one: Json) -> str:
    can = ", ".join(one["capabilities"])
    return f"{one['name']} {one['version']} ({can}){'' if one['alive'] else ', no worker'}"
