"""Models of the hub that fit a few words, and what each would be here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from shared.errors import Unavailable
from shared.hub import retry_after
from shared.vocabulary import Format

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

_TIMEOUT = 10.0


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


def search(endpoint: str, token: str | None, words: str, *, limit: int, kind: Format | None = None) -> list[HubModel]:
    """The most downloaded first. Raises Unavailable when the hub cannot be asked."""
    from httpx2 import TransportError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    # `False` keeps the library from looking for a token of its own.
    api = HfApi(endpoint=endpoint, token=token or False)
    try:
        found = list(
            api.list_models(search=words, filter=str(kind) if kind else None, sort="downloads", limit=limit, full=True)
        )
    except HfHubHTTPError as error:
        after = retry_after(error.response.headers.get("Retry-After"))
        why = f"It answered {error.response.status_code}."
        raise Unavailable(f"{endpoint} cannot be searched", why, "try again later", retry_after=after) from None
    except (TransportError, OfflineModeIsEnabled) as error:
        raise Unavailable(
            f"{endpoint} does not answer", str(error) or type(error).__name__, "check the network and HF_ENDPOINT"
        ) from error
    return [_shown(info) for info in found]


def _shown(info: ModelInfo) -> HubModel:
    tags = [str(tag) for tag in info.tags or ()]
    return HubModel(
        id=info.id,
        formats=[kind for kind in (Format.GGUF, Format.SAFETENSORS, Format.CTRANSLATE2) if kind in tags],
        task=info.pipeline_tag,
        licence=_after("license:", tags),
        downloads=info.downloads,
        likes=info.likes,
        gated=_is_gated(info.gated),
        updated_at=info.last_modified.timestamp() if info.last_modified else None,
    )


def _after(prefix: str, tags: list[str]) -> str | None:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), None)


def _is_gated(said: Any) -> bool:
    """`False`, or how: `auto`, `manual`."""
    return bool(said)
