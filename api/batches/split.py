"""Reads a batch's file and splits it into parts, so that every run and host of the fleet can work on it.

A part is a file of lines for one model, whatever they call it. Its lines are what an `inference` job reads, with the
caller's own line beside them, from which the answer is written in the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from api.batches.contract import Dialect
from api.batches.lines import lines, parsed
from api.batches.piles import Pile, Piles
from api.gateway.defaults import filled
from api.gateway.exchange import TRANSCRIPTION, TRANSLATION
from api.gateway.model_names import Found
from shared.errors import CidermillError, Forbidden, InvalidParameters, NotFound, Problem
from shared.files import NO_LIMIT, FileStore, Stored
from shared.nesting import TooDeep, flat
from shared.tables import File
from shared.vocabulary import Capability

#: Parts that a model's lines become at most, unless those would be longer than `_LONGEST`. More parts spread better
#: over a fleet; fewer waste less, since slots run empty at the end of each.
_PARTS = 16
_SHORTEST, _LONGEST = 16, 500
#: The same of recordings, each of which is work for minutes.
_FEWEST, _MOST = 1, 100
#: Parts of a batch, whose jobs are queued in one transaction, which others wait for.
_MOST_PARTS = 2000
#: Lines that are refused one by one, and remembered until all are read; a file of more is refused whole.
_MOST_REFUSED = 50_000
#: Mistakes that are told; a broken file has as many as it has lines.
_MOST_MISTAKES = 100

#: What a caller's name for a model means; raises NotFound, InvalidParameters, Forbidden.
FindModel = Callable[[str], Found]
#: Raises NotFound for a file that is not there, or is not the caller's.
FindFile = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Draft:
    """A part before its job: bytes in the store that nobody knows yet."""

    pile: Pile
    #: Of the pile, where the part begins.
    first: int
    lines: int
    stored: Stored

    @property
    def recordings(self) -> list[dict[str, Any]]:
        return self.pile.recordings[self.first : self.first + self.lines]


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that no job will be asked."""

    number: int
    custom_id: str | None
    problem: Problem
    status: int


@dataclass(slots=True)
class Split:
    """What came of reading a file; `mistakes` fail the whole batch."""

    total: int = 0
    parts: list[Draft] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    #: The refused lines as the error file will have them, once they are kept.
    stored: Stored | None = None
    mistakes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def all_stored(self) -> list[Stored]:
        parts = [draft.stored for draft in self.parts]
        return parts if self.stored is None else [self.stored, *parts]

    def discard(self, store: FileStore) -> None:
        """Forget every byte."""
        for stored in self.all_stored:
            store.remove(stored.id)


def part_size(total: int, *, recordings: bool = False) -> int:
    """Lines of a part."""
    least, most = (_FEWEST, _MOST) if recordings else (_SHORTEST, _LONGEST)
    return min(max(-(-total // _PARTS), least), most)


class Splitter:
    """Splits one file into `split`, which is told at once what is stored."""

    def __init__(
        self, split: Split, store: FileStore, dialect: Dialect, endpoint: str, find: FindModel, find_file: FindFile
    ) -> None:
        self._split, self._store, self._dialect, self._endpoint = split, store, dialect, endpoint
        self._find, self._find_file = find, find_file
        self._found: dict[str, Found | CidermillError] = {}
        self._seen: dict[str, int] = {}

    def split(self, file: File, total: int) -> None:
        """A file of so many lines.

        Raises NotFound when its bytes are gone, NoCapacity, InvalidParameters for a file that is no JSONL.
        """
        split = self._split
        split.total = total
        with Piles() as piles:
            for number, line in lines(self._store, file.id, file.size):
                self._line(piles, number, line)
            if not split.mistakes:
                self._cut(piles, part_size(total, recordings=self._endpoint in (TRANSCRIPTION, TRANSLATION)))
        # Where each line has its result, a file of nothing but bad lines has results, too.
        if not split.parts and not split.mistakes and not (self._dialect.together and split.refused):
            bad = [mistake(each.number, each.problem.code, each.problem.sentence()) for each in split.refused]
            split.mistakes = bad[:_MOST_MISTAKES] or [mistake(None, "empty_file", "the file has no line")]

    def _line(self, piles: Piles, number: int, line: bytes) -> None:
        custom_id: str | None = None
        try:
            written = parsed(line)
            given = written.get("custom_id") if isinstance(written, dict) else None
            custom_id = given if isinstance(given, str) else None
            asked = self._dialect.read(written, self._endpoint)
            if self._doubled(number, asked.custom_id):
                return
            found = self._model(asked.exchange.model)
            if asked.exchange.capability == Capability.TRANSCRIBE:
                self._find_file(asked.exchange.body["file"])
            body = filled(asked.exchange.body, found.defaults)
            work = {"custom_id": asked.custom_id, "url": asked.exchange.path, "body": body, "asked": written}
            ready = json.dumps(flat(work), ensure_ascii=False).encode(errors="replace")
        except CidermillError as error:
            self._refuse(number, custom_id, error)
        except (OverflowError, RecursionError, TooDeep):
            why = "a number in it is too large, or its lists and objects are nested too deep"
            self._refuse(number, custom_id, InvalidParameters("The line cannot be passed on", why, "write it flatter"))
        else:
            piles.add(asked.exchange, found, body, ready + b"\n")

    def _refuse(self, number: int, custom_id: str | None, error: CidermillError) -> None:
        if len(self._split.refused) == _MOST_REFUSED:
            why = f"more than {_MOST_REFUSED:,}; line {number}: {error.problem.why}"
            raise InvalidParameters("Too many lines of the file are wrong", why, "correct them, or split the file")
        self._split.refused.append(Refused(number, custom_id, error.problem, error.status))

    def _doubled(self, number: int, custom_id: str) -> bool:
        first = self._seen.setdefault(custom_id, number)
        if first != number and len(self._split.mistakes) < _MOST_MISTAKES:
            why = f"the custom_id {custom_id!r} was on line {first} already"
            self._split.mistakes.append(mistake(number, "duplicate_custom_id", why))
        return first != number

    def _model(self, name: str) -> Found:
        if name not in self._found:
            try:
                self._found[name] = self._find(name)
            except (NotFound, InvalidParameters, Forbidden) as error:
                self._found[name] = error
        found = self._found[name]
        if isinstance(found, CidermillError):
            # Else it would remember each line that it was raised for.
            raise found.with_traceback(None)
        return found

    def _cut(self, piles: Piles, size: int) -> None:
        """Parts of so many lines. Raises InvalidParameters for too many."""
        cuts = [(pile, first) for pile in piles for first in range(0, len(pile.places), size)]
        if len(cuts) > _MOST_PARTS:
            why = f"its lines and models make {len(cuts):,}, and a batch may have {_MOST_PARTS:,}"
            raise InvalidParameters("The file becomes too many jobs", why, "split it into several batches")
        for pile, first in cuts:
            self._split.parts.append(self._part(piles, pile, first, size))

    def _part(self, piles: Piles, pile: Pile, first: int, size: int) -> Draft:
        sink = self._store.sink(NO_LIMIT)
        try:
            for line in piles.lines(pile, first, size):
                sink.write(line)
        except BaseException:
            sink.discard()
            raise
        return Draft(pile, first, min(size, len(pile.places) - first), sink.keep())


def mistake(line: int | None, code: str, message: str) -> dict[str, Any]:
    """Why a batch failed, as OpenAI's clients read it."""
    return {"code": code, "line": line, "message": message, "param": None}
