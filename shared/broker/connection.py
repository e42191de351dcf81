"""Connections to Redis, with one timeout for everything and no retry of their own."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.errors import ConfigError


def connect(url: str, timeout: float) -> redis.Redis:
    """A client that gives up on connecting, or on an answer, after `timeout` seconds.

    It never retries: who asks knows better whether to wait, to fail or to leave it to the next tick.
    Raises ConfigError when `url` is not a Redis URL; the URL, which may hold a password, is not repeated.
    """
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
    except ValueError:
        raise ConfigError(
            "The Redis URL cannot be read",
            "it is not of the form redis://:password@host:port/0",
            "correct CIDERMILL_REDIS_URL; percent-encode special characters in the password",
        ) from None


def address(client: redis.Redis) -> str:
    """Where `client` connects to, without credentials: `host:port` or a socket's path."""
    parameters = client.connection_pool.connection_kwargs
    return str(parameters.get("path") or f"{parameters.get('host')}:{parameters.get('port')}")
