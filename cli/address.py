"""Where the front door is, and what lets us in."""

from __future__ import annotations

import re

import httpx2

from cli.up import record
from shared.errors import ConfigError
from shared.settings import Settings

#: What a header may carry; all keys are of such letters.
_KEY = re.compile(r"[!-~]+")


def front_door(settings: Settings) -> str:
    """The `url` that was set, else the front door that `cidermill up` runs in this home, else the configured port.

    Raises ConfigError for a `url` that is no address.
    """
    if settings.url is not None:
        return _checked(settings.front_door)
    running = record.read(settings.state_dir)
    if running is not None and running.running:
        return running.url
    return settings.front_door


def credentials(settings: Settings) -> dict[str, str]:
    """The header with the API key, if there is one. Raises ConfigError for what is none, without showing it."""
    if settings.api_key is None:
        return {}
    key = settings.api_key.get_secret_value()
    if _KEY.fullmatch(key) is None:
        raise ConfigError(
            "The API key cannot be sent",
            "it has letters that no key has, such as a blank, the end of a line or an umlaut",
            "correct --api-key, CIDERMILL_API_KEY or api_key in cidermill.toml",
        )
    return {"Authorization": f"Bearer {key}"}


def _checked(url: str) -> str:
    try:
        said = httpx2.URL(url)
        good = said.scheme in {"http", "https"} and said.host and (said.port or 1) < 2**16
    except httpx2.InvalidURL:
        good = False
    if not good:
        raise ConfigError(
            "The address of the front door is none",
            "it is not of the form http://host:8400",
            "correct --url, CIDERMILL_URL or url in cidermill.toml",
        )
    return url
