"""Where this machine's agent keeps the token that lets it into a fleet."""

from __future__ import annotations

import os

from shared.settings import Settings


def read_token(settings: Settings) -> str | None:
    """The token that was kept, if any."""
    path = settings.token_file
    return path.read_text().strip() if path.exists() else None


def keep_token(settings: Settings, token: str) -> None:
    """Write the token into a file that only its owner may read."""
    path = settings.token_file
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
