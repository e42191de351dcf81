"""What a Hugging Face repository holds: its files, their sizes and checksums. Downloads nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.errors import CidermillError, DownloadFailed, GatedModel, HubOffline, NotFound, Unavailable
from shared.units import Bytes

if TYPE_CHECKING:
    from httpx2 import Response
    from huggingface_hub.errors import HfHubHTTPError

DEFAULT_ENDPOINT = "https://huggingface.co"


# These become paths on disk, so a hub may not put just anything there.
Sha1 = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
        raise ValueError("a file outside of its repository")
    return name


class HubFile(BaseModel):
    """One file of a repository at one commit."""

    model_config = ConfigDict(frozen=True)

    #: Path from the repository's root.
    name: Annotated[str, AfterValidator(_inside)]
    size: Bytes = Field(ge=0)
    #: Of the content, for large files.
    sha256: Sha256 | None = None
    #: Git's own name of the content, for small files.
    blob_id: Sha1 | None = None


class Snapshot(BaseModel):
    """A repository at one commit."""

    model_config = ConfigDict(frozen=True)

    repo: str
    #: What was asked for: a branch, tag or commit.
    revision: str
    commit: Sha1
    files: tuple[HubFile, ...]


class Hub:
    """A hub at an endpoint, asked with a token or without. Imports `huggingface_hub` when it is first asked."""

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, token: str | None = None, timeout: float = 10.0) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._token = token
        self._timeout = timeout

    def snapshot(self, repo: str, revision: str | None = None) -> Snapshot:
        """The repository's files at `revision` (default: its main branch).

        Raises NotFound, GatedModel, Unavailable (try again; `details["retry_after"]` seconds) or DownloadFailed.
        """
        from httpx2 import TransportError
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        # `False` keeps the library from looking for a token of its own.
        api = HfApi(endpoint=self.endpoint, token=self._token or False)
        try:
            info = api.model_info(repo, revision=revision, files_metadata=True, timeout=self._timeout)
            return _snapshot(repo, revision or "main", info)
        except HfHubHTTPError as error:
            raise self._refused(repo, revision, error) from None
        except OfflineModeIsEnabled:
            raise offline(repo) from None
        except TransportError as error:
            raise self._unreachable(error) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DownloadFailed(
                f"{self.endpoint} did not answer as a hub does",
                f"{type(error).__name__} while its answer was read.",
                "check HF_ENDPOINT, and that no proxy answers in the hub's place",
            ) from error

    def address(self, snapshot: Snapshot, file: HubFile) -> str:
        """Where the file's content is; large ones redirect to a signed address that ends soon."""
        return f"{self.endpoint}/{snapshot.repo}/resolve/{snapshot.commit}/{quote(file.name)}"

    def headers(self) -> dict[str, str]:
        """What authorises a request to the hub itself."""
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def forbidden(self, repo: str, response: Response) -> CidermillError:
        """What 401 and 403 for a file mean: a licence to accept, a repository nobody may see, or a poor token."""
        if response.headers.get("X-Error-Code") == "RepoNotFound":
            return self._missing(repo)
        return gated(repo, self.endpoint)

    def _missing(self, repo: str) -> NotFound:
        another = "to one that may see it" if self._token else "to see private ones"
        fix = f"correct the name, or set HF_TOKEN on the host {another}"
        return NotFound(
            f"There is no repository {repo} at {self.endpoint}", "It does not exist, or it is private.", fix
        )

    def _unreachable(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"{self.endpoint} does not answer",
            str(error) or type(error).__name__,
            "check the network and HF_ENDPOINT",
        )

    def _refused(self, repo: str, revision: str | None, error: HfHubHTTPError) -> CidermillError:
        """The library's error as ours; its text is dropped, for it may quote the request."""
        from huggingface_hub.errors import GatedRepoError, RevisionNotFoundError

        status = error.response.status_code
        if isinstance(error, RevisionNotFoundError):
            return NotFound(
                f"{repo} has no revision {revision!r}", "", "name a branch, a tag or a commit of the repository"
            )
        if isinstance(error, GatedRepoError) or status == 403:
            return gated(repo, self.endpoint)
        if status in (401, 404):
            return self._missing(repo)
        if status == 429 or status >= 500:
            after = retry_after(error.response.headers.get("Retry-After"))
            why = "It asks to slow down." if status == 429 else f"It answered {status}."
            return Unavailable(f"{self.endpoint} is too busy", why, "try again later", retry_after=after)
        return DownloadFailed(
            f"{self.endpoint} refused to describe {repo}", f"It answered {status}.", "try again later"
        )


def gated(repo: str, endpoint: str = DEFAULT_ENDPOINT) -> GatedModel:
    """The error of a repository that wants a licence accepted or a better token."""
    return GatedModel(
        f"{repo} is gated",
        "The hub gives it only to those who accepted its licence.",
        f"accept it at {endpoint}/{repo}, then set HF_TOKEN on the host to a token of that account",
    )


def offline(repo: str) -> HubOffline:
    """The error of a host that was told to ask no hub."""
    return HubOffline(
        f"{repo} was not asked for",
        "HF_HUB_OFFLINE keeps this host from every hub.",
        "unset HF_HUB_OFFLINE where the agent is started, or use a local: path",
    )


def retry_after(header: str | None) -> int | None:
    """Whole seconds from a `Retry-After` header, given as seconds or as a date; `None` when there is none."""
    if not header:
        return None
    seconds = _seconds(header)
    return max(0, math.ceil(seconds)) if seconds is not None and math.isfinite(seconds) else None


def _seconds(header: str) -> float | None:
    try:
        return float(header)
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def _snapshot(repo: str, revision: str, info: Any) -> Snapshot:
    files = tuple(
        HubFile(
            name=sibling.rfilename,
            size=Bytes(sibling.size or 0),
            sha256=sibling.lfs.sha256 if sibling.lfs else None,
            blob_id=sibling.blob_id,
        )
        for sibling in info.siblings or ()
    )
    return Snapshot(repo=repo, revision=revision, commit=info.sha, files=files)
