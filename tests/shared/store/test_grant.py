"""Grants: only the right file, from the right host, in time, and signed by who may."""

from __future__ import annotations

import pytest

from shared.errors import Forbidden
from shared.store import grant
from shared.store.grant import Grant
from shared.token_digest import digest

TOKEN = "ch_of_the_serving_host"
KEY = grant.own_secret(TOKEN)
FILE, OTHER = "a" * 64, "b" * 64
GRANT = Grant(model="m" * 64, sha256=FILE, from_host="mini", to_host="studio", expires=1000.0)


def check(token: str, key: bytes = KEY, sha256: str = FILE, host: str = "mini", now: float = 900.0) -> Grant:
    return grant.check(key, token, sha256=sha256, host=host, now=now)


def test_the_host_finds_the_key_that_the_front_door_signs_with() -> None:
    assert grant.secret(digest(TOKEN)) == KEY


def test_a_signed_grant_is_read_back() -> None:
    assert check(grant.sign(KEY, GRANT)) == GRANT


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": OTHER},
        {"host": "studio"},
        {"now": 10_000.0},
        {"key": grant.own_secret("ch_of_another_host")},
    ],
)
def test_a_grant_for_anything_else_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Forbidden):
        check(grant.sign(KEY, GRANT), **wrong)  # type: ignore[arg-type]


def test_a_host_that_joined_anew_accepts_no_older_grants() -> None:
    with pytest.raises(Forbidden):
        check(grant.sign(KEY, GRANT), key=grant.own_secret(TOKEN + "-again"))


@pytest.mark.parametrize("token", ["", ".", "x.y", "é.é", grant.sign(KEY, GRANT)[:-2], "A" + grant.sign(KEY, GRANT)])
def test_what_was_tampered_with_is_refused(token: str) -> None:
    with pytest.raises(Forbidden):
        check(token)


def test_a_signature_over_nonsense_is_refused() -> None:
    body = grant._encode(b"not json")
    with pytest.raises(Forbidden):
        check(f"{body}.{grant._encode(grant._mac(KEY, body))}")
