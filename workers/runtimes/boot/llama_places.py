"""Where a prompt with pictures may be cut: at tokens of its text, and behind each picture. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Tokens of text that are worth a chunk before a picture, and after which one may end within what could be a word.
WORTH = 16
#: Tokens that a picture has at least.
LEAST = 16
#: In place of a token where nothing follows a picture but another.
_ANY = " "
#: Tokens in which a character ends, and bytes in which a text and its tokens come together again.
_CHARACTER, _NEAR = 8, 32


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk may end: so many characters of the prompt, with so many pictures and tokens of text."""

    characters: int
    pictures: int
    tokens: int
    #: What its chunk has besides.
    more: str = ""


def places(segment: str, pieces: Sequence[bytes], before: Place, *, last: bool) -> Iterator[Place]:
    """Those in the text behind so many pictures: right behind the picture, at words' ends, and before the next picture.

    `pieces`: what its tokens stand for; `last`: no picture follows.
    """
    number, end, known = 0, 0, list(_ends(segment, pieces))
    if before.pictures:
        number, end = next(((at, end) for at, end in enumerate(known[:_CHARACTER], 1) if end), (0, 0))
        more = "" if end else _ANY
        yield Place(before.characters + end, before.pictures, before.tokens + number, more)
    for at, here in enumerate(known, 1):
        if here is None or here <= end:
            continue
        far = at - number >= WORTH
        if (far and not last) if here == len(segment) else (far or _between_words(segment, here)):
            number, end = at, here
            yield Place(before.characters + end, before.pictures, before.tokens + number)


def begin(known: Sequence[Place], pictures: int, tokens: float) -> int:
    """The last place with as many pictures and tokens of text, or else the one right behind those pictures."""
    at = 0
    for index, place in enumerate(known):
        if place.pictures > pictures:
            break
        if place.pictures > known[at].pictures or place.tokens <= tokens:
            at = index
    return at


def covered(known: Sequence[Place], pictures: int, tokens: int) -> int:
    """The last place right behind one of the first `pictures` that so many tokens, of text and pictures, may reach."""
    at = 0
    for index, place in enumerate(known):
        behind = place.pictures > known[at].pictures and place.pictures <= pictures
        if behind and place.tokens + place.pictures * LEAST <= tokens:
            at = index
    return at


def following(known: Sequence[Place], at: int, size: int) -> int:
    """The furthest end of a chunk of `size` tokens from a place on, or of the picture that follows; `at` is the end."""
    end = at
    for index in range(at + 1, len(known)):
        if known[index].pictures > known[at].pictures:
            return end if known[end].tokens - known[at].tokens >= WORTH else index
        far = known[index].tokens - known[at].tokens > size
        if far and end > at:
            break
        end = index
        if far:
            break
    return end


def _between_words(text: str, at: int) -> bool:
    """A tokenizer puts the space before a word to the word."""
    return at > 0 and text[at].isspace() and not text[at - 1].isspace()


def _ends(segment: str, pieces: Sequence[bytes]) -> Iterator[int | None]:
    """Characters up to the end of each token; `None` where it ends within one."""
    text, at, whole, characters = segment.encode(errors="replace"), 0, 0, 0
    for piece in pieces:
        at = _behind(text, piece, at)
        if at < len(text) and text[at] & 0xC0 == 0x80:
            yield None
            continue
        characters += len(text[whole:at].decode())
        whole = at
        yield characters


def _behind(text: bytes, piece: bytes, at: int) -> int:
    """Bytes up to the end of a token; some tokenizers put a space before the first, and before what follows some."""
    for plain in (piece, piece.removeprefix(b" ")):
        if plain and text.startswith(plain, at):
            return at + len(plain)
    found = text.find(piece, at, at + len(piece) + _NEAR) if piece else -1
    return at if found < 0 else found + len(piece)
