"""The fleet, as the front door sees it: scheduler, Redis, hosts, models."""

from __future__ import annotations

from collections.abc import Iterator

from cli.client import Client
from cli.doctor.finding import Finding, fail, ok, warn
from cli.output import Json
from shared.errors import CidermillError
from shared.settings import Settings

_FIXES = {
    "database": "see that the database runs, then look at the api's log",
    "scheduler": "start one: cidermill scheduler (or cidermill up)",
    "redis": "see that Redis runs and CIDERMILL_REDIS_URL is right; nothing is lost meanwhile",
}


def check_fleet(settings: Settings) -> Iterator[Finding]:
    """The front door and all that it sees; without it the rest cannot be asked."""
    client = Client(settings)
    try:
        health = client.health()
        yield ok("front door", f"{client.url}, version {health['version']}")
        yield from (_part(name, health[name]) for name in _FIXES)
        yield from _hosts(client)
        yield _models(client)
    except CidermillError as error:
        yield fail("front door", f"{error.problem.what}: {error.problem.why}", error.problem.fix)
    finally:
        client.close()


def _part(name: str, part: Json) -> Finding:
    label = "database (api)" if name == "database" else name
    return ok(label, part["says"]) if part["ok"] else fail(label, part["says"], _FIXES[name])


def _hosts(client: Client) -> Iterator[Finding]:
    hosts = client.get("/v1/hosts")["data"]
    for host in hosts:
        name = f"host {host['name']}"
        dead = [one["name"] for one in host["runtimes"] if not one["alive"]]
        if host["state"] != "up":
            yield warn(name, str(host["state"]), "start its agent: cidermill agent")
        elif dead:
            yield warn(name, f"no worker for {', '.join(dead)}", "see the agent's log on that host")
        elif host["guard"] != "open":
            why = host["telemetry"].get("guard_reason") or "its runs use too much"
            yield warn(name, f"its memory guard is {host['guard']}: {why}", "close applications there, or stop runs")
        else:
            yield ok(name, f"up with {', '.join(one['name'] for one in host['runtimes'])}")
    if not any(host["state"] == "up" for host in hosts):
        yield fail("hosts", "none is up, so no job can run", "start an agent: cidermill up, or cidermill agent --join")


def _models(client: Client) -> Finding:
    models = [model["id"] for model in client.get("/v1/models", aliases=False)["data"] if model["format"] != "echo"]
    if not models:
        return warn("models", "none is installed", "install one: cidermill models pull org/name")
    return ok("models", f"{len(models)}: {', '.join(models[:5])}{', …' if len(models) > 5 else ''}")
