"""Files that another host of the fleet has: fetched from it, so that the hub is asked once for the whole fleet."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial as bind
from pathlib import Path

import httpx2

from shared.downloads.interrupt import Interrupt
from shared.downloads.meter import Meter
from shared.downloads.offers import Offers
from shared.downloads.partial import Partial
from shared.downloads.patience import Patience, persist
from shared.downloads.phases import DOWNLOADING
from shared.downloads.transfer import Remote, receive
from shared.downloads.watch import Watch
from shared.errors import DiskFull, DownloadFailed, Forbidden, InvalidInput, NotFound
from shared.hub import HubFile
from shared.references import ModelRef
from shared.store.wire import Peer
from shared.units import format_bytes
from shared.vocabulary import Source

#: Seconds; on a LAN who is silent for longer is gone.
_TIMEOUT = httpx2.Timeout(10.0, connect=3.0)
#: A peer that fails is left soon, for there are others, and there is the hub.
_PATIENCE = Patience(tries=2, first=0.2, longest=1.0, longest_asked=10.0)


@dataclass(frozen=True)
class _Leave:
    """To fetch a file of that checksum from a host, by an answer of the front door."""

    peer: Peer
    sha256: str
    edition: int


class Peers:
    """The hosts that have some of the wanted files; none when nobody has."""

    def __init__(
        self,
        watch: Watch,
        reference: ModelRef,
        files: Sequence[HubFile],
        grown: Callable[[Partial], None] = lambda partial: None,
    ) -> None:
        self._watch, self._grown = watch, grown
        self._offers = Offers(watch, reference, files)
        self._given: Counter[str] = Counter()
        #: Hosts that refused a grant which was made for them a moment before.
        self._closed: set[str] = set()
        self._lock = threading.Lock()

    def phase(self, files: Sequence[HubFile]) -> str:
        """What the download does now, for people: `downloading from mini-1` when peers have all that is missing."""
        offers = self._offers.at_first()
        hosts = {offers[file.name].peers[0].host for file in files if file.name in offers}
        everything = bool(files) and all(file.name in offers for file in files)
        return f"{DOWNLOADING} from {', '.join(sorted(hosts))}"[:64] if everything else DOWNLOADING

    def here(self, file: HubFile) -> Path | None:
        """Where this host itself is thought to have that very content."""
        return self._offers.here.get(file.sha256 or "")

    def fill(self, file: HubFile, growing: Partial, meter: Meter, interrupt: Interrupt) -> bool:
        """Fetch what peers give of the file; whether any byte came from them.

        Peers that fail are left one after the other, with a line in the job's log; what is missing then comes from the
        hub. Raises DiskFull and Interrupted only.
        """
        before = growing.position
        edition, offer = self._offers.of(file.name) if before < file.size else (0, None)
        for peer in offer.peers if offer is not None else ():
            if peer.host not in self._closed:
                self._try(_Leave(peer, offer.sha256 if offer else "", edition), file, growing, meter, interrupt)
            if growing.position == file.size:
                break
        return growing.position > before

    def tell(self) -> None:
        """A line for the job's log of who gave how much."""
        for host, count in sorted(self._given.items()):
            self._watch.note(f"{format_bytes(count)} came from {host}")

    def _try(self, leave: _Leave, file: HubFile, growing: Partial, meter: Meter, interrupt: Interrupt) -> None:
        """One host; a grant that it does not accept any more is asked for anew, once."""
        host, start = leave.peer.host, growing.position
        try:
            try:
                self._receive(leave, file, growing, meter, interrupt)
            except Forbidden:
                again = self._offers.anew(file.name, host, leave.edition)
                if again is None:
                    raise
                self._receive(replace(leave, peer=again), file, growing, meter, interrupt)
        except DiskFull:
            raise
        except (DownloadFailed, Forbidden, InvalidInput, NotFound) as error:
            self._watch.note(f"{host} could not give {file.name} ({error.problem.why}), going on elsewhere")
            if isinstance(error, Forbidden):
                self._closed.add(host)
        with self._lock:
            self._given[host] += max(0, growing.position - start)

    def _receive(self, leave: _Leave, file: HubFile, growing: Partial, meter: Meter, interrupt: Interrupt) -> None:
        speed = self._watch.speed.timing(Source.PEER, lambda: growing.position)
        with speed, httpx2.Client(timeout=_TIMEOUT, trust_env=False) as client:
            remote = _remote(leave.peer, leave.sha256, file, self._grown)
            step = bind(receive, client, remote, growing, meter, interrupt)
            persist(step, interrupt, _PATIENCE, lambda: growing.position)


def _remote(peer: Peer, sha256: str, file: HubFile, grown: Callable[[Partial], None]) -> Remote:
    address = f"{peer.url}/v1/blobs/{sha256}"
    return Remote(
        url=address,
        name=file.name,
        size=file.size,
        headers={"Authorization": f"Bearer {peer.grant}"},
        etag=sha256,
        paced=False,
        guard=bind(_guard, address),
        grown=grown,
        forbidden=lambda _: Forbidden(f"{peer.host} refused {file.name}", "it did not accept the grant", "try again"),
    )


def _guard(address: str, url: str) -> None:
    """A peer serves files itself; it has nowhere to send us."""
    if url != address:
        raise InvalidInput("A peer redirects", f"It names {url}.", "bring Cidermill on that host up to date")
