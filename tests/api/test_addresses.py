"""Addresses with a part too many or too few."""

from __future__ import annotations

import time

import pytest

from tests.api.served import Served
from tests.waiting import soon

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize(
    ("method", "path", "meant", "shape"),
    [
        ("POST", "/v1/v1/chat/completions", "/v1/chat/completions", "openai"),
        ("POST", "/chat/completions", "/v1/chat/completions", "openai"),
        ("POST", "/v1/chat/completions/", "/v1/chat/completions", "openai"),
        ("POST", "/openai/v1/embeddings", "/v1/embeddings", "openai"),
        ("POST", "/v1/v1/messages", "/v1/messages", "anthropic"),
        ("POST", "/v1/api/chat", "/api/chat", "ollama"),
        ("GET", "/tags", "/api/tags", "ollama"),
        ("GET", "/v1//models", "/v1/models", "own"),
    ],
)
def test_a_wrong_base_url_is_told_with_what_was_meant(
    door: Served, method: str, path: str, meant: str, shape: str
) -> None:
    answer = door.client.request(method, path)
    assert answer.status_code == 404
    said = answer.json()
    message = said["error"] if shape == "ollama" else said["error"]["message"]
    assert f"there is {method} {meant}." in message
    assert ("request_id" in said) == (shape == "anthropic")
    assert ("what" in said["error"]) == (shape == "own")


@pytest.mark.parametrize("path", ["/v1/zzz", "/favicon.ico", "/v1/chat/zzz", "/wp-login.php"])
def test_other_addresses_are_nothing(door: Served, path: str) -> None:
    answer = door.get(path)
    assert answer.status_code == 404
    assert "there is GET" not in answer.text


def test_a_list_with_a_slash_is_the_list(door: Served) -> None:
    assert door.get("/v1/models/").json() == door.get("/v1/models").json()
    headers = {"anthropic-version": "2023-06-01"}
    assert door.get("/v1/models/", headers=headers).json() == door.get("/v1/models", headers=headers).json()


def test_an_address_of_very_many_parts_keeps_nobody_waiting(door: Served) -> None:
    before = time.process_time()
    assert door.get("/a" * 20_000).status_code == 404
    assert time.process_time() - before < soon(1.0), "of the processor's time: it may have others to serve"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/files", {"GET", "POST"}),
        ("/v1/files/file_a", {"GET", "DELETE"}),
        ("/v1/models", {"GET", "HEAD"}),
        ("/api/tags", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_is_not_possible_is_told_all_that_are(door: Served, path: str, allowed: set[str]) -> None:
    answer = door.client.request("OPTIONS", path)
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, allowed)
