"""A GET that goes on where the last one stopped.

    with opened(path, target, sha256, interrupt) as growing:
        persist(partial(receive, client, remote, growing, meter, interrupt), interrupt, patience, …)
        growing.complete(target, expected)

`Remote` says what the bytes must be and whom to trust; nothing here knows whether a hub, a web server or another host
of the fleet sends them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

from shared.downloads.interrupt import Interrupt
from shared.downloads.meter import Meter
from shared.downloads.partial import Partial
from shared.errors import CidermillError, DownloadFailed, GatedModel, InvalidInput, NotFound
from shared.hub import retry_after
from shared.units import GIB, format_bytes

#: Seconds; a connection that is silent for longer counts as dropped.
TIMEOUT = httpx2.Timeout(30.0, connect=10.0)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_BUSY = frozenset({408, 425, 429})
#: Bytes of one answer; the hub's delivery network sends no more than 50 GB at once.
_PART = 32 * GIB


@dataclass(frozen=True)
class Remote:
    """Where the bytes of a file come from."""

    url: str
    #: The file's name, for people.
    name: str
    #: Bytes it must have; `None` when nobody said.
    size: int | None = None
    #: Sent to the first address only, never to where it redirects.
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    #: A strong ETag or a date the bytes so far belong to; without one they are trusted as they are.
    validator: str | None = None
    #: The content's name at its source (sha256 or Git's); an answer that names another one is refused.
    etag: str | None = None
    #: Bytes asked for at once, when the size is known.
    part: int = _PART
    #: Whether it comes from outside of the fleet, where rates are limited.
    paced: bool = True
    #: May this address be asked? Raises InvalidInput.
    guard: Callable[[str], None] = lambda url: None
    #: Sees the headers of the final answer before any byte is kept. May raise.
    accept: Callable[[httpx2.Response], None] = lambda response: None
    #: Sees the file after each piece. May raise.
    grown: Callable[[Partial], None] = lambda partial: None
    #: What 401 and 403 of the first address mean.
    forbidden: Callable[[httpx2.Response], CidermillError] = lambda response: GatedModel("The server refused the file")


def receive(client: httpx2.Client, remote: Remote, partial: Partial, meter: Meter, interrupt: Interrupt) -> None:
    """Append what is missing to `partial`; one try, paced by the meter's throttle.

    Raises DownloadFailed when the connection broke (try again), NotFound, GatedModel, InvalidInput, DiskFull,
    Interrupted.
    """
    while remote.size is None or partial.position < remote.size:
        end = min(remote.size, partial.position + remote.part) if remote.size is not None else None
        try:
            with _asked(client, remote, partial.position, end) as response, interrupt.guarding(response):
                _judge(response, remote)
                if _is_whole(response, partial):
                    return
                _recognise(response, remote)
                _measure(response, remote)
                remote.accept(response)
                _align(response, remote, partial, meter)
                _pour(response, remote, partial, meter, interrupt)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            interrupt.check()
            raise dropped(remote, str(error) or type(error).__name__) from error
        interrupt.check()
        if end is None:
            return
        if partial.position < end:
            raise dropped(remote, f"the answer ended at {partial.position} of {remote.size} bytes")


def _pour(response: httpx2.Response, remote: Remote, partial: Partial, meter: Meter, interrupt: Interrupt) -> None:
    for piece in response.iter_raw():
        interrupt.check()
        append(piece, remote, partial, meter)
        if remote.paced:
            meter.pace(len(piece), interrupt)


@contextlib.contextmanager
def _asked(client: httpx2.Client, remote: Remote, position: int, end: int | None) -> Iterator[httpx2.Response]:
    """The answer after redirects, each of which the guard has seen."""
    url = httpx2.URL(remote.url)
    headers = {"Accept-Encoding": "identity", **_range(remote, position, end)}
    for _ in range(_MOST_REDIRECTS + 1):
        remote.guard(str(url))
        own = remote.headers if _same_origin(str(url), remote.url) else {}
        with client.stream("GET", url, headers={**headers, **own}, follow_redirects=False) as response:
            if response.status_code not in _REDIRECTS:
                yield response
                return
            _recognise(response, remote)
            url = url.join(response.headers.get("Location", ""))
    raise InvalidInput(
        f"{remote.name} redirects in circles", f"More than {_MOST_REDIRECTS} times.", "correct the address"
    )


def _range(remote: Remote, position: int, end: int | None) -> dict[str, str]:
    """No range at all when everything is wanted: not every server has them."""
    is_last = end in (None, remote.size)
    if not position and is_last:
        return {}
    condition = {"If-Range": remote.validator} if remote.validator and position else {}
    return {"Range": f"bytes={position}-{'' if is_last or end is None else end - 1}", **condition}


def _judge(response: httpx2.Response, remote: Remote) -> None:
    """Raises what the status means, unless bytes follow."""
    status = response.status_code
    if status in (200, 206, 416):
        return
    if status in (401, 403) and _same_origin(str(response.url), remote.url):
        raise remote.forbidden(response)
    if status in (401, 403):
        raise dropped(remote, f"the address it was redirected to answered {status}, as when it is used too late")
    if status in (404, 410):
        raise NotFound(f"There is no {remote.name}", f"The server answered {status}.", "correct the name")
    if status in _BUSY or status >= 500:
        asked = retry_after(response.headers.get("Retry-After"))
        raise DownloadFailed(
            f"The download of {remote.name} was put off",
            f"The server answered {status}",
            "try again later",
            retry_after=asked,
        )
    raise InvalidInput(f"{remote.name} was refused", f"The server answered {status}.", "correct the address")


def _recognise(response: httpx2.Response, remote: Remote) -> None:
    """Raises DownloadFailed when the source says that it has other content than is wanted: never mix the two.

    Only the first address names contents; a delivery network has ETags of its own.
    """
    said = response.headers.get("X-Linked-ETag")
    if said is None and _same_origin(str(response.url), remote.url):
        said = response.headers.get("ETag")
    if remote.etag is None or said is None or said.removeprefix("W/").strip('"') == remote.etag:
        return
    raise DownloadFailed(
        f"{remote.name} is not what it was",
        f"Its source now has {said.strip(chr(34))[:64]} where {remote.etag} was promised.",
        "retry the job: it asks anew what the repository holds",
    )


def _measure(response: httpx2.Response, remote: Remote) -> None:
    """Raises DownloadFailed when the answer speaks of another size: a sign-in page, or a damaged copy on the way."""
    is_part = response.status_code == 206
    said = response.headers.get("Content-Range", "").rpartition("/")[2] if is_part else _length(response)
    if remote.size is not None and said.isdigit() and int(said) != remote.size:
        raise dropped(remote, f"the server has {said} bytes where {remote.size} were promised")


def _length(response: httpx2.Response) -> str:
    """As announced; a body that is packed has another length than its content."""
    packed = response.headers.get("Content-Encoding", "identity") != "identity"
    return "" if packed else str(response.headers.get("Content-Length", ""))


def _is_whole(response: httpx2.Response, partial: Partial) -> bool:
    """Whether nothing is left to send: the answer to a range that starts at the end."""
    whole = f"bytes */{partial.position}"
    return response.status_code == 416 and response.headers.get("Content-Range") == whole


def _align(response: httpx2.Response, remote: Remote, partial: Partial, meter: Meter) -> None:
    """Throw away what came so far when the answer does not go on exactly there."""
    start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if response.status_code == 206 and start == str(partial.position):
        return
    if partial.position:
        meter.found(-partial.position)
        partial.clear()
    if response.status_code != 200:
        raise dropped(remote, "the server could not go on where it stopped")


def append(piece: bytes, remote: Remote, partial: Partial, meter: Meter) -> None:
    """Keep a piece. Raises DownloadFailed when it is more than was promised, DiskFull."""
    if remote.size is not None and partial.position + len(piece) > remote.size:
        meter.found(-partial.position)
        partial.clear()
        raise dropped(remote, f"more than the promised {format_bytes(remote.size)} came")
    partial.write(piece)
    meter.received(len(piece))
    remote.grown(partial)


def _same_origin(one: str, other: str) -> bool:
    left, right = urlsplit(one), urlsplit(other)
    return (left.scheme, left.hostname, left.port) == (right.scheme, right.hostname, right.port)


def dropped(remote: Remote, why: str) -> DownloadFailed:
    """The error of a try that ended early; what came is kept."""
    return DownloadFailed(
        f"The download of {remote.name} broke off",
        why[:1].upper() + why[1:],
        "retry the job: it goes on where it stopped",
    )
