"""A pattern of a JSON schema, in the words that llama.cpp makes a grammar of.

It passes over each pattern that it does not understand, and the text may be anything then. It knows only patterns from
the beginning of the text (`^`) to its end (`$`), and neither `\\d`, `\\w` and `\\s` nor most other escapes. What no
grammar says (looking ahead or back, `\\b`, an anchor within a group) stays as it is.

Source: ECMA-262, "Patterns", which JSON Schema takes them from; llama.cpp's `json-schema-to-grammar.cpp`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from api.gateway.characters import ALL, DIGITS, DOT, SPACES, WORD, Ranges, one, outside, plain, written

_TOKEN = re.compile(
    r"""(?P<set>\[(?:\\.|[^\\\]])+\])
    |(?P<escape>\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.))
    |(?P<open>\((?:\?:|\?P?<[A-Za-z_]\w*>)?(?!\?))
    |(?P<count>(?P<times>[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??)
    |(?P<mark>[)|^$.])
    |(?P<character>[^\\\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_MEMBER = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)|.", re.DOTALL)
_SETS = {"d": DIGITS, "w": WORD, "s": SPACES, "D": outside(DIGITS), "W": outside(WORD), "S": outside(SPACES)}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
#: Characters that llama.cpp reads as they are, also before a count.
_LITERAL = re.compile(r"""[A-Za-z0-9 !#%&',/:;<=>@_`~-]""")


class _Unsayable(Exception):
    """No grammar says it."""


def fitted(pattern: str) -> str:
    """Says the same, or is the pattern itself."""
    try:
        ways = list(_Ways(pattern).all())
    except _Unsayable:
        return pattern
    return f"^{ways[0]}$" if len(ways) == 1 else f"^({'|'.join(ways)})$"


class _Ways:
    """Reads a pattern once, way by way: what stands between its outermost `|`."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._depth = 0
        self._begin()

    def all(self) -> Iterator[str]:
        place = 0
        while place < len(self._pattern):
            token = _TOKEN.match(self._pattern, place)
            if token is None:
                raise _Unsayable
            place = token.end()
            if token[0] == "|" and not self._depth:
                yield self._way()
                self._begin()
            else:
                self._feed(token)
        if self._depth:
            raise _Unsayable
        yield self._way()

    def _begin(self) -> None:
        self._parts: list[str] = []
        #: Whether the way begins where the text begins, and ends where it ends.
        self._first = self._last = False
        #: Whether a count may follow.
        self._countable = False

    def _way(self) -> str:
        rest = f"{written(plain(ALL))}*"
        return ("" if self._first else rest) + "".join(self._parts) + ("" if self._last else rest)

    def _feed(self, token: re.Match[str]) -> None:
        if self._last or (token["count"] and not self._countable):
            raise _Unsayable
        match token.lastgroup:
            case "set":
                self._add(_chosen(_members(token[0])))
            case "escape":
                self._add(_escaped(token[0]))
            case "open":
                self._depth += 1
                self._add("(", countable=False)
            case "mark":
                self._mark(token[0])
            case "character":
                self._add(_character(token[0]))
            case _:
                self._add(token["times"], countable=False)

    def _mark(self, mark: str) -> None:
        match mark:
            case ".":
                self._add(_chosen(DOT))
            case "|":
                self._add("|", countable=False)
            case ")" if self._depth:
                self._depth -= 1
                self._add(")")
            case "^" if not (self._depth or self._parts or self._first):
                self._first = True
            case "$" if not self._depth:
                self._last = True
            case _:
                raise _Unsayable

    def _add(self, part: str, *, countable: bool = True) -> None:
        self._parts.append(part)
        self._countable = countable


def _escaped(text: str) -> str:
    meant = _meant(text)
    return _character(meant) if isinstance(meant, str) else _chosen(meant)


def _meant(text: str) -> str | Ranges:
    """A character, or a set by its letter."""
    if len(text) == 1:
        return text
    name = text[1]
    if len(text) > len("\\d"):
        return chr(int(text[2:], 16))
    if name in _SETS:
        return _SETS[name]
    if name.isalnum() and name not in _CONTROLS:
        raise _Unsayable
    return _CONTROLS.get(name, name)


def _members(text: str) -> Ranges:
    """Of a class: characters, sets, and ranges from one character to another."""
    inverted = text.startswith("[^")
    rest = _MEMBER.findall(text[1 + inverted : -1])
    if not rest or "[:" in text:
        raise _Unsayable
    ranges: list[tuple[int, int]] = []
    while rest:
        low = _meant(rest.pop(0))
        high = _meant(rest[1]) if rest[:1] == ["-"] and len(rest) > 1 else None
        if isinstance(low, str) and isinstance(high, str):
            ranges.append((ord(low), ord(high)))
            del rest[:2]
        else:
            ranges += one(low) if isinstance(low, str) else low
    return outside(ranges) if inverted else tuple(ranges)


def _chosen(ranges: Ranges) -> str:
    if not (left := plain(ranges)):
        raise _Unsayable
    return written(left)


def _character(character: str) -> str:
    if _LITERAL.fullmatch(character):
        return character
    if plain(one(character)):
        return written(one(character))
    # As JSON writes it; a backslash is a backslash only after another one.
    return f"({json.dumps(character)[1:-1].replace(chr(92), chr(92) * 2)})"
