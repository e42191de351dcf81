"""Which hosts offer the files of a download, and their leave to fetch them: asked anew before that is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.downloads.watch import Watch
from shared.hub import HubFile
from shared.references import ModelRef
from shared.store.grant import LIFETIME
from shared.store.wire import Peer, Sourced, SourcedFile, Sources, WantedFile

#: Seconds after which the front door is asked again: a large model comes for longer than a grant lasts, and hosts that
#: have it come and go.
FRESH = LIFETIME / 2


class Offers:
    """Made by the thread that talks to the front door; asked by all that bring files."""

    def __init__(
        self, watch: Watch, reference: ModelRef, files: Sequence[HubFile], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._watch, self._clock = watch, clock
        wanted = [WantedFile(name=file.name, size=file.size, sha256=file.sha256) for file in files]
        self._ask = Sources(provider=reference.provider, repo=reference.repo, revision=reference.revision, files=wanted)
        self._lock = threading.Lock()
        #: Counts the answers, so that of several who were refused one asks again.
        self._edition = 0
        first = self._asked() if wanted else Sourced()
        #: Where contents lie on this host itself, by SHA-256.
        self.here = {file.sha256: Path(file.path) for file in first.here}
        self._take(_by_name(first))

    def at_first(self) -> dict[str, SourcedFile]:
        """By name, as the front door answered last; asks nobody."""
        return dict(self._known)

    def of(self, name: str) -> tuple[int, SourcedFile | None]:
        """Who has the file, and which answer says so. Raises Interrupted."""
        with self._lock:
            if self._known and self._clock() >= self._stale_at:
                self._renew()
            return self._edition, self._known.get(name)

    def anew(self, name: str, host: str, edition: int) -> Peer | None:
        """That host's leave for the file, newer than that of an answer; `None`: it has none. Raises Interrupted."""
        with self._lock:
            if edition == self._edition:
                self._renew()
            known = self._known.get(name)
            return next((peer for peer in known.peers if peer.host == host), None) if known is not None else None

    def _renew(self) -> None:
        """By the thread that may; nothing changes when the front door names nobody, as when it is away."""
        answer = self._watch.ask(self._asked)
        self._take(_by_name(answer) or self._known)

    def _take(self, answer: dict[str, SourcedFile]) -> None:
        self._known = answer
        self._edition += 1
        self._stale_at = self._clock() + FRESH

    def _asked(self) -> Sourced:
        return self._watch.context.fleet.sources(self._ask)


def _by_name(answer: Sourced) -> dict[str, SourcedFile]:
    return {file.name: file for file in answer.files}
