"""Languages by any of their names."""

from __future__ import annotations

import pytest

from shared.spoken import code_of, name_of


@pytest.mark.parametrize("said", ["de", "DE", " de ", "de-AT", "de_DE", "German", "german"])
def test_a_language_is_known_by_code_region_and_name(said: str) -> None:
    assert code_of(said) == "de"


@pytest.mark.parametrize(("said", "code"), [("Mandarin", "zh"), ("nb", "no"), ("haitian creole", "ht"), ("yue", "yue")])
def test_other_names_are_known(said: str, code: str) -> None:
    assert code_of(said) == code


def test_an_unknown_language_is_told_the_nearest() -> None:
    with pytest.raises(ValueError, match="german"):
        code_of("germann")


def test_every_code_of_the_engine_has_a_name() -> None:
    tokenizer = pytest.importorskip("faster_whisper.tokenizer")
    assert {code_of(code) for code in tokenizer._LANGUAGE_CODES} == set(tokenizer._LANGUAGE_CODES)
    assert name_of("ht") == "haitian creole"
    assert name_of("tlh") == "tlh"
