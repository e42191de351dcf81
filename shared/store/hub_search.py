"""Models of the hub that fit a few words, and what each would be here."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.errors import Unavailable
from shared.hub import Hub, retry_after
from shared.vocabulary import Format

if TYPE_CHECKING:
    from httpx2 import Response


class HubModel(BaseModel):
    """A repository of the hub, as its search shows it."""

    model_config = ConfigDict(frozen=True)

    #: What to install: `cidermill models pull ID`.
    id: str
    #: Formats that a runtime of ours can load; empty: it says none.
    formats: list[Format]
    task: str | None = None
    licence: str | None = None
    downloads: int | None = None
    likes: int | None = None
    gated: bool = False
    updated_at: float | None = None


class _Listed(BaseModel):
    """What is read of an entry of the hub's own list."""

    id: str
    tags: list[str] | None = None
    pipeline_tag: str | None = None
    downloads: int | None = None
    likes: int | None = None
    #: `False`, or how: `auto`, `manual`.
    gated: bool | str | None = None
    updated: datetime | None = Field(default=None, alias="lastModified")


_LIST = TypeAdapter(list[_Listed])


def search(
    endpoint: str, token: str | None, words: str, *, limit: int, kind: Format | None = None, timeout: float = 10.0
) -> list[HubModel]:
    """The most downloaded first, asked for once. Raises Unavailable when the hub cannot be asked."""
    from httpx2 import TransportError
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        response = _asked(endpoint, token, words, limit, kind, timeout)
    except (TransportError, OfflineModeIsEnabled) as error:
        raise Unavailable(
            f"{endpoint} does not answer", str(error) or type(error).__name__, "check the network and HF_ENDPOINT"
        ) from error
    if not response.is_success:
        after = retry_after(response.headers.get("Retry-After"))
        why = f"It answered {response.status_code}."
        raise Unavailable(f"{endpoint} cannot be searched", why, "try again later", retry_after=after)
    try:
        return [_shown(entry) for entry in _LIST.validate_json(response.content)[:limit]]
    except ValidationError:
        raise Unavailable(
            f"{endpoint} did not answer as a hub does",
            "its list of models cannot be read",
            "check HF_ENDPOINT, and that no proxy answers in the hub's place",
        ) from None


def _asked(endpoint: str, token: str | None, words: str, limit: int, kind: Format | None, timeout: float) -> Response:
    """By the library's own client, but not its `list_models`: that tries again for minutes, and has no timeout."""
    from huggingface_hub import get_session

    hub = Hub(endpoint, token)
    asked: dict[str, str | int | bool] = {"search": words, "sort": "downloads", "limit": limit, "full": True}
    if kind is not None:
        asked["filter"] = str(kind)
    return get_session().get(f"{hub.endpoint}/api/models", params=asked, headers=hub.headers(), timeout=timeout)


def _shown(entry: _Listed) -> HubModel:
    tags = entry.tags or []
    return HubModel(
        id=entry.id,
        formats=[kind for kind in (Format.GGUF, Format.SAFETENSORS, Format.CTRANSLATE2) if kind in tags],
        task=entry.pipeline_tag,
        licence=_after("license:", tags),
        downloads=entry.downloads,
        likes=entry.likes,
        gated=bool(entry.gated),
        updated_at=entry.updated.timestamp() if entry.updated else None,
    )


def _after(prefix: str, tags: list[str]) -> str | None:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), None)
