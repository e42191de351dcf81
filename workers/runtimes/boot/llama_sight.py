"""Prompts that show pictures, in chunks: a picture is one by itself, as llama.cpp hears nothing while it sees it.

What tokens a picture becomes cannot be asked for, so a chunk is text and pictures. Behind a picture it has the first
token of what follows, since llama.cpp answers only behind text.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from workers.runtimes.boot.llama_ahead import NOTHING, Prefilled
from workers.runtimes.boot.llama_chunks import PROPERTIES, TOKENS, Chunks, Part, Progress, as_json, cached_first, field
from workers.runtimes.boot.llama_places import LEAST, WORTH, Place, begin, covered, following, places

#: What stands for a picture in a prompt; newer versions make up their own at each start, and tell it.
_MARKER = "<__media__>"


def seen(
    step: int, context: int, prompt: str, shown: Sequence[Any], talk: Chunks, progress: Progress
) -> Generator[Part, bytes | None, Prefilled]:
    """Read the pictures of a prompt into a slot, and its text but for the last `step` tokens.

    `progress` says how many pictures the slot likely has, and which part of the text.
    """
    raw = [data for picture in shown if (data := _raw(picture)) is not None]
    told = field((yield Part(PROPERTIES)), "media_marker")
    marker = told if isinstance(told, str) and told else _MARKER
    segments = prompt.split(marker)
    if len(raw) != len(shown) or len(segments) != len(shown) + 1:
        return NOTHING
    known, characters, tokens = [Place(0, 0, 0)], 0, 0
    for pictures, segment in enumerate(segments):
        asked = {"content": segment, "add_special": False, "parse_special": True, "with_pieces": True}
        pieces = _pieces((yield Part(TOKENS, as_json(asked)))) if segment else []
        known += places(segment, pieces, Place(characters, pictures, tokens), last=pictures == len(shown))
        characters += len(segment) + len(marker)
        tokens += len(pieces)
    progress.total = tokens
    return (yield from _Seeing(step, context, prompt, raw, known).read(talk, progress))


class _Seeing:
    """One prompt while it is read."""

    def __init__(self, step: int, context: int, prompt: str, raw: Sequence[bytes], known: Sequence[Place]) -> None:
        self._step, self._context, self._prompt, self._raw, self._known = step, context, prompt, raw, known
        #: The place up to which it is read, and the tokens that were there.
        self._at = self._held = 0
        #: Tokens that a picture has, as the last one had.
        self._each = LEAST

    def read(self, talk: Chunks, progress: Progress) -> Generator[Part, bytes | None, Prefilled]:
        known, raw = self._known, self._raw
        self._at = begin(known, progress.pictures, progress.share * progress.total + progress.answer)
        progress.pictures, progress.read = known[self._at].pictures, known[self._at].tokens
        least = max(0, progress.read - 2 * self._step) + LEAST * progress.pictures
        while self._fits(progress.total) and (
            len(raw) > known[self._at].pictures or progress.total - known[self._at].tokens > self._step
        ):
            end = following(known, self._at, talk.size)
            if end == self._at:
                break
            begun, progress.sent = talk.before is not None, True
            said = yield talk.part(self._shown(known[end]), least)
            read, cached = talk.heard(said), cached_first(said)
            if begun and cached is not None and cached < least:
                progress.lost = True
                break
            if read is not None:
                if known[end].pictures == known[self._at].pictures:
                    # To send and to decode all pictures takes as long for a few tokens as for many.
                    talk.pace(read.read, read.seconds, max(0.0, progress.wall - read.seconds))
                self._go(end, read.total)
                least = max(0, read.total - WORTH)
                progress.pictures, progress.read, progress.held = known[end].pictures, known[end].tokens, read.total
            elif not begun and cached is not None:
                # It knows less than was thought.
                self._at = covered(known, progress.pictures, cached)
                talk.before, least = cached, 0
                progress.pictures, progress.read, progress.held = (
                    known[self._at].pictures,
                    known[self._at].tokens,
                    cached,
                )
            else:
                break
        return talk.prefilled()

    def _shown(self, place: Place) -> Iterator[bytes]:
        yield b'{"prompt_string":'
        yield as_json(self._prompt[: place.characters] + place.more)
        yield b',"multimodal_data":['
        for number, data in enumerate(self._raw[: place.pictures]):
            yield b"," if number else b""
            yield data
        yield b"]}"

    def _fits(self, text: int) -> bool:
        """Whether there seems to be room for all: what has none is refused before it is read."""
        here = self._known[self._at]
        return self._held + text - here.tokens + (len(self._raw) - here.pictures) * self._each < self._context

    def _go(self, end: int, total: int) -> None:
        before, after = self._known[self._at], self._known[end]
        if self._held and after.pictures > before.pictures:
            self._each = max(LEAST, total - self._held - (after.tokens - before.tokens))
        self._at, self._held = end, total


def _pieces(said: bytes | None) -> list[bytes]:
    """Of each token what it stands for; some are a part of a character, and told as its bytes."""
    told = field(said, "tokens")
    tokens = told if isinstance(told, list) else []
    return [_bytes(token.get("piece")) if isinstance(token, dict) else b"" for token in tokens]


def _bytes(piece: Any) -> bytes:
    if isinstance(piece, str):
        return piece.encode(errors="replace")
    is_bytes = isinstance(piece, list) and all(isinstance(one, int) and 0 <= one < 256 for one in piece)
    return bytes(piece) if is_bytes else b""


def _raw(picture: Any) -> bytes | None:
    """A picture as JSON of base64; `None` when it is none that llama.cpp would find in a prompt."""
    url = picture.get("url") if isinstance(picture, dict) else picture
    head, comma, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    return as_json(data) if comma and head.startswith("data:image/") and head.endswith(";base64") else None
