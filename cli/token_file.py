"""Where this machine's agent keeps the token that lets it into a fleet."""

from __future__ import annotations

import os
from pathlib import Path

from shared.settings import Settings


def token_path(settings: Settings) -> Path:
    """Where the agent of this machine looks for its token."""
    return settings.state_dir / "agent" / settings.host_name / "token"


def read_token(settings: Settings) -> str | None:
    """The token that was kept, if any."""
    path = token_path(settings)
    return path.read_text().strip() if path.exists() else None


def keep_token(settings: Settings, token: str) -> None:
    """Write the token into a file that only its owner may read."""
    path = token_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
