"""The lines of a batch's file by what can answer them, until parts are cut from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any, Self

from api.gateway.defaults import loaded
from api.gateway.exchange import Exchange
from api.gateway.model_names import Found
from shared.errors import NoCapacity
from shared.runtimes import RunSpec
from shared.units import KIB
from shared.vocabulary import Capability

#: Bytes that stay in memory; more goes to this machine's disk.
_SPOOL = 1024 * KIB


@dataclass(slots=True)
class Pile:
    """Lines that one job could work through, were they not too many."""

    found: Found
    capability: Capability
    spec: RunSpec
    #: The model as its first line calls it.
    called: str
    #: Do all others call it so, too?
    alike: bool = True
    #: Where each line begins, and how many bytes it has.
    places: list[tuple[int, int]] = field(default_factory=list)
    #: What recordings it asks for, and how.
    recordings: list[dict[str, Any]] = field(default_factory=list)


class Piles:
    """All lines lie in one file, so that any number of models needs no more files open at once."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_SPOOL)  # noqa: SIM115
        self._piles: dict[tuple[str | None, ...], Pile] = {}
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What found no room is not needed either, and would be written now.
        with suppress(OSError):
            self._file.close()

    def __iter__(self) -> Iterator[Pile]:
        return iter(self._piles.values())

    def add(self, exchange: Exchange, found: Found, body: dict[str, Any], line: bytes) -> None:
        """A line that asks `found` for `body`. Raises NoCapacity when the disk is full."""
        pile = self._of(exchange, found)
        pile.alike = pile.alike and exchange.model == pile.called
        if exchange.capability == Capability.TRANSCRIBE:
            pile.recordings.append(body)
        try:
            self._file.write(line)
        except OSError as error:
            raise _no_room(error) from error
        pile.places.append((self._end, len(line)))
        self._end += len(line)

    def lines(self, pile: Pile, first: int, number: int) -> Iterator[bytes]:
        """So many lines of a pile, in order; fewer at its end. Raises NoCapacity."""
        for start, length in pile.places[first : first + number]:
            try:
                self._file.seek(start)
                line = self._file.read(length)
            except OSError as error:
                raise _no_room(error) from error
            yield line

    def _of(self, exchange: Exchange, found: Found) -> Pile:
        """However a line calls its model; what an alias has its lines say is written into them."""
        spec = loaded(exchange.spec, found.defaults)
        key = (found.model.id, found.host, exchange.capability, spec.model_dump_json(exclude_unset=True))
        if key not in self._piles:
            self._piles[key] = Pile(found, exchange.capability, spec, exchange.model)
        return self._piles[key]


def _no_room(error: OSError) -> NoCapacity:
    return NoCapacity(
        "The lines of the batch cannot be sorted",
        f"the front door's folder for temporary files said: {error.strerror or error}",
        "free some space there, then try again",
    )
