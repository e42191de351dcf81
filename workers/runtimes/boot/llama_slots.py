"""Who has which slot of llama.cpp.

llama.cpp gives a slot to whatever prompt comes: one that is read in chunks would lose its own between two of them. So
every request names its slot, and here is known which are free.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Any

from shared.pictures import replaced
from shared.requests import CHAT
from workers.runtimes.boot.llama_chunks import Progress

#: Bytes of a prompt that tell how much of it a slot knows.
_MOST = 4_000_000
#: Bytes that prompts have in common at least for one to take the slot of another: each chat has some.
_WORTH = 256
#: What a chat's prompt begins with, as far as it is not the messages.
_BEFORE_MESSAGES = ("tools", "functions", "chat_template_kwargs")
_PEOPLE, _JOBS = 0, 1
#: Bytes that a picture has in a prompt, with all that JSON has around it; its name is a part of them.
NAME = len('{"type": "image_url", "image_url": "picture:"}, ') + 64
_PICTURE = re.compile(rb'"picture:[0-9a-f]{64}"')


@dataclass(slots=True, eq=False)
class Slot:
    """One of llama.cpp's, and what its cache has."""

    index: int
    #: The prompt that it read last, as bytes of the request.
    prompt: bytes = b""
    #: Tokens of that prompt, and of it with the answer.
    tokens: int = 0
    total: int = 0
    #: When it was given to anybody, as a number that grows; 0: never.
    given: int = 0

    def knows(self, prompt: bytes) -> int:
        """Tokens that a prompt begins with which are likely in its cache."""
        if self.prompt and prompt.startswith(self.prompt):
            return self.total
        return self.tokens * _common(self.prompt, prompt) // max(1, len(self.prompt))

    def likely(self, prompt: bytes) -> Progress:
        """How much of a prompt is likely in its cache."""
        common, names = _common(self.prompt, prompt), shown(prompt)
        pictures = sum(end <= common for end in names)
        answer = self.total - self.tokens if common and common == len(self.prompt) else 0
        # The rest of it is text.
        share = (common - pictures * NAME) / max(1, len(prompt) - len(names) * NAME)
        tokens = self.knows(prompt)
        return Progress(tokens, pictures=pictures, share=share, answer=answer, held=tokens)

    def holds(self, prompt: bytes, tokens: int, total: int) -> None:
        """Its cache has this much of a prompt now, and with the answer."""
        self.prompt, self.tokens, self.total = prompt, tokens, total


def identity(path: str, body: Mapping[str, Any]) -> bytes:
    """Bytes of a prompt: a conversation that goes on begins with those of its last turn.

    Pictures have names in it, by what they show.
    """
    if path != CHAT:
        return _json(body.get("prompt"))[:-1][:_MOST]
    before = {name: body[name] for name in _BEFORE_MESSAGES if body.get(name)}
    return (_json(before) + _json(replaced(body.get("messages"), _name))[:-1])[:_MOST]


def shown(prompt: bytes) -> list[int]:
    """Where the name of each picture ends in such bytes."""
    return [found.end() for found in _PICTURE.finditer(prompt)]


def beginning(prompt: bytes, progress: Progress) -> bytes:
    """What was read of a prompt with pictures: up to the last of them, and of the text behind it as far as it seems."""
    names = shown(prompt)
    share = progress.read / max(1, progress.total)
    end = int(share * (len(prompt) - len(names) * NAME)) + progress.pictures * NAME
    least = names[: progress.pictures][-1] if progress.pictures and names else 0
    most = names[progress.pictures] - NAME if progress.pictures < len(names) else len(prompt)
    return prompt[: max(least, min(end, most))]


def best(free: Sequence[Slot], prompt: bytes) -> Slot:
    """The slot whose conversation goes on; else an unused one, one that knows half of it, or the one unused longest."""
    warm = max(free, key=lambda slot: _common(slot.prompt, prompt))
    common = _common(warm.prompt, prompt)
    if warm.prompt and common == len(warm.prompt):
        return warm
    oldest = min(free, key=lambda slot: slot.given)
    return warm if oldest.given and common >= _WORTH and 2 * common > len(prompt) else oldest


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """In the line for slots."""

    priority: int
    number: int
    width: int
    prompt: bytes
    turn: asyncio.Future[list[Slot]]


class Slots:
    """Gives slots to requests: to people before jobs, and else to who came first."""

    def __init__(self, slots: int) -> None:
        self._every = [Slot(index) for index in range(slots)]
        self._free = list(self._every)
        self._line: list[_Place] = []
        self._numbers = count(1)

    @asynccontextmanager
    async def taken(self, prompt: bytes, width: int, *, urgent: bool) -> AsyncIterator[Slot]:
        """A slot that is good for a prompt, of `width` that are taken for as many answers; waits for them."""
        slots = await self._turn(prompt, min(width, len(self._every)), _PEOPLE if urgent else _JOBS)
        try:
            yield slots[0]
        finally:
            self._give_back(slots)

    def forget(self) -> None:
        """Before several answers begin: which slots llama.cpp takes for them, it does not tell."""
        for slot in self._every:
            slot.holds(b"", 0, 0)

    async def _turn(self, prompt: bytes, width: int, priority: int) -> list[Slot]:
        if not self._line and len(self._free) >= width:
            return self._take(prompt, width)
        turn: asyncio.Future[list[Slot]] = asyncio.get_running_loop().create_future()
        place = _Place(priority, next(self._numbers), width, prompt, turn)
        self._line.append(place)
        self._line.sort(key=lambda one: (one.priority, one.number))
        self._give_back([])
        try:
            return await turn
        except asyncio.CancelledError:
            if place in self._line:
                self._line.remove(place)
            self._give_back([] if turn.cancelled() or not turn.done() else turn.result())
            raise

    def _take(self, prompt: bytes, width: int) -> list[Slot]:
        self._free.remove(first := best(self._free, prompt))
        # For further answers llama.cpp takes the first that are free.
        others = sorted(self._free, key=lambda slot: slot.index)[: width - 1]
        for slot in (first, *others):
            slot.given = next(self._numbers)
        self._free = [slot for slot in self._free if slot not in others]
        return [first, *others]

    def _give_back(self, slots: list[Slot]) -> None:
        self._free += slots
        # Of who has just left, the place is still there.
        self._line = [place for place in self._line if not place.turn.done()]
        while self._line and len(self._free) >= self._line[0].width:
            first = self._line.pop(0)
            first.turn.set_result(self._take(first.prompt, first.width))


def _common(one: bytes, other: bytes) -> int:
    """Bytes that both begin with."""
    low, high = 0, min(len(one), len(other))
    this, that = memoryview(one), memoryview(other)
    while low < high:
        middle = (low + high + 1) // 2
        if this[low:middle] == that[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _name(picture: Any) -> str:
    return f"picture:{sha256(_json(picture)).hexdigest()}"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")
