"""The token of this machine's own agent, made when there is none that works."""

from __future__ import annotations

from sqlalchemy import select

from cli.token_file import keep_token, read_token
from shared.db import Database
from shared.hosts import join
from shared.settings import Settings
from shared.tables import Host
from shared.token_digest import digest


def host_token(database: Database, settings: Settings) -> str:
    """The token the database knows this host by.

    It is made in the database and not over HTTP, so that no API key is needed and the agent needs no one to invite it.
    """
    if settings.host_token is not None:
        return settings.host_token.get_secret_value()
    kept = read_token(settings)
    with database.write() as session:
        host = session.scalar(select(Host).where(Host.name == settings.host_name))
        if kept and host is not None and host.token_digest == digest(kept):
            return kept
        token = join(session, settings.host_name, settings.labels)
    keep_token(settings, token)
    return token
