"""Files of the hub's Xet store: found by the hub's answer, streamed from where the last try stopped.

`huggingface_hub` writes such a file through `hf_xet` to a path and begins anew each time; the ordered streams of
`hf_xet` take a first byte, hand the bytes to us, and stop when told. Their buffers are bounded here: the library's
defaults hold up to 1.5 GB.
"""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import httpx2

from shared.downloads.interrupt import Interrupt
from shared.downloads.meter import Meter
from shared.downloads.partial import Partial
from shared.downloads.transfer import Remote, append, dropped
from shared.units import MIB

#: Bytes below which a plain request is over before Xet has begun.
SMALLEST = 16 * MIB
#: Bytes fetched at once, and held at most: with them the whole process stays below 150 MB.
_FETCH, _BUFFER = 2 * MIB, 8 * MIB
#: One stream at a time: it fetches its pieces side by side already.
_TURN = threading.Lock()
#: Seconds between looks at the interrupt while other files stream.
_LOOK = 0.2
_LIMITS: dict[str, Any] = {
    "reconstruction.min_reconstruction_fetch_size": _FETCH,
    "reconstruction.max_reconstruction_fetch_size": _FETCH,
    "reconstruction.min_prefetch_buffer": _BUFFER,
    "reconstruction.download_buffer_size": _BUFFER,
    "reconstruction.download_buffer_perfile_size": _BUFFER // 4,
    "reconstruction.download_buffer_limit": _BUFFER,
    "client.ac_max_download_concurrency": 8,
    # We try again ourselves: cancellable, and by plain HTTP when need be.
    "client.retry_max_attempts": 1,
    "telemetry.enabled": False,
}


@dataclass(frozen=True)
class XetFile:
    """What the hub says of a file that its Xet store has."""

    hash: str
    #: Where the hub gives short-lived tokens for it.
    token_url: str = field(repr=False)


def locate(client: httpx2.Client, remote: Remote) -> XetFile | None:
    """The file in the Xet store, when the hub has it there; one request, and a failed one means no.

    `HF_HUB_DISABLE_XET` turns it off, as everywhere.
    """
    from huggingface_hub import constants

    too_small = remote.size is None or remote.size < SMALLEST
    if constants.HF_HUB_DISABLE_XET or too_small or find_spec("hf_xet") is None:
        return None
    try:
        response = client.head(remote.url, headers=remote.headers, follow_redirects=False)
    except httpx2.TransportError:
        return None
    name, token_url = response.headers.get("X-Xet-Hash"), response.links.get("xet-auth", {}).get("url")
    # Our token goes to the hub alone.
    if not name or not token_url or urlsplit(token_url)[:2] != urlsplit(remote.url)[:2]:
        return None
    return XetFile(name, token_url)


def receive_xet(xet: XetFile, remote: Remote, partial: Partial, meter: Meter, interrupt: Interrupt) -> None:
    """Append what is missing to `partial`; one try. Raises DownloadFailed, DiskFull, Interrupted."""
    while not _TURN.acquire(timeout=_LOOK):
        interrupt.check()
    try:
        library, session = _session(os.getpid())
        group = session.new_download_stream_group(token_refresh_url=xet.token_url, token_refresh_headers=remote.headers)
        stream = group.download_stream(library.XetFileInfo(xet.hash, remote.size), start=partial.position or None)
        with interrupt.ending(stream.cancel):
            for piece in stream:
                interrupt.check()
                append(piece, remote, partial, meter)
                meter.pace(len(piece), interrupt)
    except (OSError, RuntimeError, ValueError) as error:
        interrupt.check()
        # Its text may quote a signed address.
        raise dropped(remote, f"the Xet store failed with {type(error).__name__}") from None
    finally:
        _TURN.release()
    interrupt.check()
    if partial.position != remote.size:
        raise dropped(remote, f"the Xet store ended at {partial.position} of {remote.size} bytes")


@functools.lru_cache(maxsize=1)
def _session(process: int) -> tuple[Any, Any]:
    """The library, which has no types, and one session for the process: its threads do not survive a fork."""
    library = import_module("hf_xet")
    return library, library.XetSession(library.XetConfig().with_config(_LIMITS))
