"""Structured logs, the same in every process; secrets never reach them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from shared.settings import Settings

_SECRET_WORDS = ("token", "secret", "password", "authorization", "api_key", "redis_url", "database_url")


def _hide_secrets(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = "***"
    return event


def configure_logs(settings: Settings, process: str) -> None:
    """Send structlog and the standard library's logs to stderr in one shape; `process` names who speaks."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_secrets,
    ]
    console = settings.log_format == "console"
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if console:
        # Its own tracebacks show local variables: requests with their keys, in seconds of formatting.
        plain = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    tail: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if not console:
        tail.append(structlog.processors.format_exc_info)
    tail.append(renderer)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=tail))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in ("httpx2", "httpcore2", "httpx", "httpcore", "dramatiq", "huggingface_hub", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(process=process)


@contextmanager
def told_whole() -> Iterator[None]:
    """What the system does to a service goes into its log with where, before the command line says it in short."""
    try:
        yield
    except (OSError, UnicodeError):
        structlog.get_logger(__name__).exception("the service ended by what nobody foresaw")
        raise
