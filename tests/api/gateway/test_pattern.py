"""Patterns of schemas in the words of llama.cpp."""

from __future__ import annotations

import re

import pytest

from api.gateway.characters import ALL, plain, written
from api.gateway.pattern import fitted

_ANY = f"{written(plain(ALL))}*"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"^\d{5}$", "^[0-9]{5}$"),
        (r"^\w{3}$", "^[0-9A-Z_a-z]{3}$"),
        (r"^[\w.-]+$", r"^[\x2D-.0-9A-Z_a-z]+$"),
        (r"^[+\-]?\d+(\.\d{2})?$", r"^[+\x2D]?[0-9]+([.][0-9]{2})?$"),
        (r"^[a\-c]$", r"^[\x2Dac]$"),
        (r"^[a-]$", r"^[\x2Da]$"),
        (r"^[a-\d]$", r"^[\x2D0-9a]$"),
        (r"^[\x41-\u0043]$", "^[A-C]$"),
        (r"^[\^\]]$", r"^[\x5D-\x5E]$"),
        (r"^\D$", rf"^{written(plain(((0, 0x2F), (0x3A, 0x10FFFF))))}$"),
        (r"^[^\D]$", "^[0-9]$"),
        (r"^[^0-9]$", r"^[ -!#-/:-\x5B\x5D-~\x80-\U0010FFFF]$"),
        (r"^[\s\S]*$", f"^{_ANY}$"),
        ("^[0-9]{5}", f"^[0-9]{{5}}{_ANY}$"),
        ("[0-9]{5}$", f"^{_ANY}[0-9]{{5}}$"),
        ("@", f"^{_ANY}@{_ANY}$"),
        ("^ab|cd$", f"^(ab{_ANY}|{_ANY}cd)$"),
        ("^ab$|^cd$", "^(ab|cd)$"),
        (r"^(?:a|(?<b>c)|(?P<d>e))$", "^(a|(c)|(e))$"),
        (r"^a+?b*?c??d{2,3}?$", "^a+b*c?d{2,3}$"),
        (r"^a\.+$", "^a[.]+$"),
        ("^é+$", r"^[\xE9]+$"),
        ("^\U0001f600$", r"^[\U0001F600]$"),
        (r"^\/\-\@$", "^/-@$"),
        ('^"\\\\$', r'^(\\")(\\\\)$'),
        (r"^a\n\t$", r"^a(\\n)(\\t)$"),
        ("^.$", r"^[ -!#-\x5B\x5D-~\x80-\u2027\u202A-\U0010FFFF]$"),
        ("^$", "^$"),
        ("^[0-9]{5}$", "^[0-9]{5}$"),
        ("^a{2,}(b|cd)?$", "^a{2,}(b|cd)?$"),
    ],
)
def test_a_pattern_says_the_same_in_other_words(pattern: str, said: str) -> None:
    assert fitted(pattern) == said


@pytest.mark.parametrize(
    "pattern",
    [
        "^(?=a)b$", "^(?!a)b$", r"^\bfoo$", r"^(a)\1$", r"^\p{L}+$", r"^\cA$", r"^\u{1F600}$", "(^a|b$)", "a^b", "a$b",
        "^*a$", "a**", "^[]a]$", "^[[:alpha:]]$", "^(a$", "^a)$", "^[a$", "^a{,3}$", "a\\", '^["]$',
    ],
)  # fmt: skip
def test_what_no_grammar_says_stays_as_it_is(pattern: str) -> None:
    assert fitted(pattern) == pattern


@pytest.mark.parametrize("pattern", [r"^\d+$", r"[a-f\d]", r"^[^a-c]\S*$", "^x|y$", r"^\.$"])
@pytest.mark.parametrize("text", ["12", "a", "d", "xy", ".", "b c", "é", "x\u2003", ""])
def test_what_the_new_pattern_allows_the_old_one_does_too(pattern: str, text: str) -> None:
    assert bool(re.search(pattern, text)) == bool(re.search(fitted(pattern), text))
