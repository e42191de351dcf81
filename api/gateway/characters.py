"""Sets of characters, as ranges of their numbers: what a pattern allows at one place.

A character that JSON writes with a backslash is in none that is written: a grammar would let it stand there as it is,
and end the text or break it.
"""

from __future__ import annotations

from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]

_LAST = 0x10FFFF
#: Control characters, the quote and the backslash.
_ESCAPED: Ranges = ((0x00, 0x1F), (0x22, 0x22), (0x5C, 0x5C), (0x7F, 0x7F))
#: Those that mean something else in a class.
_MARKS = "[]^-"


def one(character: str) -> Ranges:
    return ((ord(character), ord(character)),)


def outside(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """All others, in order."""
    others, place = [], 0
    for low, high in sorted(ranges):
        if low > place:
            others.append((place, low - 1))
        place = max(place, high + 1)
    if place <= _LAST:
        others.append((place, _LAST))
    return tuple(others)


def plain(ranges: Ranges) -> Ranges:
    """Those of them that JSON writes as they are."""
    return outside(outside(ranges) + _ESCAPED)


def written(ranges: Ranges) -> str:
    """As a class."""
    return f"[{''.join(_shown(low) if low == high else f'{_shown(low)}-{_shown(high)}' for low, high in ranges)}]"


def _shown(number: int) -> str:
    if 0x20 <= number < 0x7F and (character := chr(number)) not in _MARKS:
        return character
    if number <= 0xFF:
        return f"\\x{number:02X}"
    return f"\\u{number:04X}" if number <= 0xFFFF else f"\\U{number:08X}"


DIGITS = ((0x30, 0x39),)
WORD = (*DIGITS, (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
SPACES = (
    (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F),
    (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
)  # fmt: skip
#: What a dot stands for: all but the ends of lines.
DOT = outside(((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)))
ALL = outside(())
