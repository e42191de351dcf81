"""The entry point of the agent's process: its token, the runtimes it offers, its signals."""

from __future__ import annotations

import os
import signal
from types import FrameType

import structlog
from pydantic import SecretStr

from shared import pauses
from shared.errors import CidermillError, ConfigError
from shared.logs import configure_logs
from shared.runtimes import RuntimeInfo
from shared.settings import Settings
from workers.agent.agent import Agent
from workers.runtimes import discover

log = structlog.get_logger()

_INTERRUPTED = 130


def run(settings: Settings) -> int:
    """Be this host's agent until SIGTERM or Ctrl-C; a second signal ends everything at once.

    Raises CidermillError.
    """
    configure_logs(settings, "agent")
    agent = Agent(settings, host_token(settings))

    def on_signal(_: int, __: FrameType | None) -> None:
        if agent.is_stopping:
            agent.kill()
            os._exit(_INTERRUPTED)
        agent.stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        runtimes = offered(settings)
        pauses.shorten()
        agent.run(runtimes)
    except CidermillError as error:
        log.error("agent ended", error=str(error))
        raise
    return 0


def offered(settings: Settings) -> list[RuntimeInfo]:
    """What this host can run, as the settings allow. Raises ConfigError for a runtime that is not there."""
    found = {name: info for name, runtime in discover().items() if (info := runtime.probe()) is not None}
    if settings.runtimes is None:
        return list(found.values())
    missing = [name for name in settings.runtimes if name not in found]
    if missing:
        raise ConfigError(
            f"This host has no runtime {', '.join(missing)}",
            f"found here: {', '.join(found) or 'none'}",
            "install the missing one, or change the setting `runtimes`",
        )
    return [found[name] for name in settings.runtimes]


def host_token(settings: Settings) -> SecretStr:
    """The token of this host: from the settings, or from the file that joining wrote. Raises ConfigError."""
    if settings.host_token is not None:
        return settings.host_token
    path = settings.token_file
    if not path.exists():
        raise ConfigError(
            "This host has not joined a fleet",
            f"there is no host token in {path}",
            "run `cidermill hosts join NAME` on the front door, then `cidermill agent --join URL --token TOKEN` here",
        )
    return SecretStr(path.read_text(encoding="utf-8").strip())
