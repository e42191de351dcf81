"""Prompts that show pictures, in chunks: a picture is one by itself, as llama.cpp hears nothing while it sees it.

What tokens a picture becomes cannot be asked for, so a chunk is text and pictures. Behind a picture it has the first
token of what follows, since llama.cpp answers only behind text.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from workers.runtimes.boot.llama_ahead import NOTHING, Prefilled
from workers.runtimes.boot.llama_chunks import PROPERTIES, TOKENS, Chunks, Part, Progress, as_json, cached_first, field

#: What stands for a picture in a prompt; newer versions make up their own at each start, and tell it.
_MARKER = "<__media__>"
#: Tokens of text that are worth a chunk before a picture, and after which one may end within what could be a word.
_WORTH = 16
#: In place of a token where nothing follows a picture but another.
_ANY = " "


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a chunk may end: so many characters of the prompt, with so many pictures and tokens of text."""

    characters: int
    pictures: int
    tokens: int
    #: What its chunk has besides.
    more: str = ""


def seen(
    step: int, prompt: str, shown: Sequence[Any], talk: Chunks, progress: Progress
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
    places, characters, tokens = [_Place(0, 0, 0)], 0, 0
    for pictures, segment in enumerate(segments):
        asked = {"content": segment, "add_special": False, "parse_special": True, "with_pieces": True}
        pieces = _pieces((yield Part(TOKENS, as_json(asked)))) if segment else []
        places += _places(segment, pieces, _Place(characters, pictures, tokens), pictures == len(shown))
        characters += len(segment) + len(marker)
        tokens += len(pieces)
    progress.total = tokens
    return (yield from _read(step, prompt, raw, places, talk, progress))


def _read(
    step: int, prompt: str, raw: Sequence[bytes], places: Sequence[_Place], talk: Chunks, progress: Progress
) -> Generator[Part, bytes | None, Prefilled]:
    at = _begin(places, progress)
    known = max(0, places[at].tokens - 2 * step)
    while len(raw) > places[at].pictures or progress.total - places[at].tokens > step:
        end = _next(places, at, talk.size)
        if end == at:
            break
        place, progress.sent = places[end], True
        text, data = as_json(prompt[: place.characters] + place.more), b",".join(raw[: place.pictures])
        shown = b'{"prompt_string":' + text + b',"multimodal_data":[' + data + b"]}"
        begun, said = talk.before is not None, (yield talk.part(shown, known))
        read, cached = talk.heard(said), cached_first(said)
        if begun and cached is not None and cached < known:
            progress.lost = True
            break
        if read is not None:
            if place.pictures == places[at].pictures:
                talk.pace(read.read, read.seconds)
            at, known = end, max(0, read.total - _WORTH)
            progress.pictures, progress.held = place.pictures, read.total
        elif not begun and cached is not None:
            # It knows less than was thought.
            talk.before, at, known = cached, 0, 0
        else:
            break
    return talk.prefilled()


def _places(segment: str, pieces: Sequence[str], before: _Place, last: bool) -> Iterator[_Place]:
    """Where chunks may end in the text behind so many pictures: first right behind the picture, then at words' ends,
    and before the next picture.
    """
    ends, latest = list(_ends(segment, pieces)), 0
    if before.pictures:
        first = ends[0] if ends else 0
        more = "" if first else _ANY
        yield _Place(before.characters + first, before.pictures, before.tokens + bool(first), more)
        latest = 1
    for number, end in enumerate(ends, 1):
        over = end == len(segment)
        far = number - latest >= _WORTH
        if (far and not last) if over else (far or _between_words(segment, end)) and number > latest:
            latest = number
            yield _Place(before.characters + end, before.pictures, before.tokens + number)


def _between_words(text: str, at: int) -> bool:
    """A tokenizer puts the space before a word to the word."""
    return at > 0 and text[at].isspace() and not text[at - 1].isspace()


def _ends(segment: str, pieces: Sequence[str]) -> Iterator[int]:
    """Characters up to the end of each token, as far as tokens are the text."""
    end = 0
    for piece in pieces:
        # Some tokenizers put a space before all.
        plain = piece if end or segment.startswith(piece) else piece.removeprefix(" ")
        if not segment.startswith(plain, end):
            return
        end += len(plain)
        yield end


def _begin(places: Sequence[_Place], progress: Progress) -> int:
    """The last place that the slot likely has."""
    tokens, at = progress.share * places[-1].tokens + progress.answer, 0
    for index, place in enumerate(places):
        if place.pictures > progress.pictures:
            break
        if place.pictures > places[at].pictures or place.tokens <= tokens:
            at = index
    return at


def _next(places: Sequence[_Place], at: int, size: int) -> int:
    """The furthest end of a chunk of `size` tokens from a place on, or of the picture that follows."""
    end = at
    for index in range(at + 1, len(places)):
        if places[index].pictures > places[at].pictures:
            return end if places[end].tokens - places[at].tokens >= _WORTH else index
        far = places[index].tokens - places[at].tokens > size
        if far and end > at:
            break
        end = index
        if far:
            break
    return end


def _pieces(said: bytes | None) -> list[str]:
    """Of each token its text; of those that are a part of a character nothing, which no text begins with."""
    told = field(said, "tokens")
    pieces = [
        token.get("piece") if isinstance(token, dict) else None for token in (told if isinstance(told, list) else ())
    ]
    return [piece if isinstance(piece, str) else "\0" for piece in pieces]


def _raw(picture: Any) -> bytes | None:
    """A picture as JSON of base64; `None` when it is none that llama.cpp would find in a prompt."""
    url = picture.get("url") if isinstance(picture, dict) else picture
    head, comma, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    return as_json(data) if comma and head.startswith("data:image/") and head.endswith(";base64") else None
