"""Files, as OpenAI's clients know them."""

from __future__ import annotations

from typing import Literal

from api.schemas.base import Out


class FileOut(Out):
    """`bytes`, `filename` and `purpose` are what OpenAI's clients read."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    #: `None`: it stays until it is deleted.
    expires_at: int | None
    filename: str
    purpose: str
    content_type: str
    sha256: str
    job_id: str | None
    status: Literal["processed"] = "processed"
