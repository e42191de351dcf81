"""Lines of a batch that JSON allows and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.batches import lines, rows, split
from tests.api.batches.test_batches import create, errors, until
from tests.api.served import Served
from tests.e2e.batches import CHAT, chat


def test_halves_of_characters_harm_neither_their_batch_nor_the_next(door: Served) -> None:
    odd = create(door, [chat("a\ud800"), chat("b") | {"body": {"model": "\udfff", "messages": []}}])
    begun = until(door, odd, "in_progress")
    assert begun["request_counts"]["total"] == 2
    assert until(door, create(door, [chat("c")]), "in_progress")["request_counts"]["total"] == 1
    door.post(f"/v1/batches/{odd['id']}/cancel")
    assert {line["custom_id"] for line in errors(door, until(door, odd, "cancelled"))} == {"a?", "b"}


def test_a_model_named_by_a_null_is_refused_in_its_line(door: Served) -> None:
    lines = [chat("a"), chat("b") | {"body": {"model": "x\0", "messages": [{"role": "user", "content": "hi"}]}}]
    begun = until(door, create(door, lines), "in_progress")
    door.post(f"/v1/batches/{begun['id']}/cancel")
    by_id = {line["custom_id"]: line for line in errors(door, until(door, begun, "cancelled"))}
    assert "half a character" in by_id["b"]["response"]["body"]["error"]["message"]


def test_a_batch_that_is_never_begun_ends_whatever_its_lines_hold(
    door: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = [json.dumps(chat("a\ud800")).encode(), json.dumps(chat(["b"])).encode(), b"[" * 100_000, b"no JSON"]
    ended = until(door, {"id": _never_begun(door, b"\n".join(odd))}, "cancelled")
    assert [line["custom_id"] for line in errors(door, ended)] == ["a?", None, None, None]


def test_a_batch_that_is_never_begun_ends_at_a_line_that_is_too_long(
    door: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_LONGEST", 1024)
    ended = until(door, {"id": _never_begun(door, json.dumps(chat("a", "x" * 2048)).encode())}, "cancelled")
    assert ended["request_counts"]["total"] == 0


def _never_begun(door: Served, text: bytes) -> str:
    """A batch over this file that was cancelled at once."""
    file = door.client.post("/v1/files", files={"file": ("in.jsonl", text)}).json()["id"]
    with door.database.write() as session:
        batch = rows.add(session, "openai", CHAT, file, owner="", window="24h", seconds=86400.0, details={})
        rows.cancel(session, batch.id, "openai")
        return batch.id


def test_a_line_in_another_encoding_is_no_json(door: Served) -> None:
    """`json` would guess the encoding, and find halves of characters that nothing takes."""
    other = json.dumps(chat("b\ud800"), ensure_ascii=False).encode("utf-16-le", "surrogatepass")
    text = b"\xef\xbb\xbf" + json.dumps(chat("a")).encode() + b"\n" + other
    file = door.client.post("/v1/files", files={"file": ("in.jsonl", text)}).json()["id"]
    made = door.post("/v1/batches", {"input_file_id": file, "endpoint": CHAT}).json()
    begun = until(door, made, "in_progress")
    door.post(f"/v1/batches/{begun['id']}/cancel")
    told = [(line["custom_id"], line["response"] is None) for line in errors(door, until(door, begun, "cancelled"))]
    assert told == [("a", True), (None, False)]


def test_a_line_that_is_nested_too_deep_is_refused_alone(door: Served) -> None:
    deep: dict[str, Any] = {}
    for _ in range(600):
        deep = {"not": deep}
    tool = {"type": "function", "function": {"name": "f", "parameters": deep}}
    begun = until(door, create(door, [chat("a"), chat("b", tools=[tool], tool_choice="required")]), "in_progress")
    door.post(f"/v1/batches/{begun['id']}/cancel")
    by_id = {line["custom_id"]: line for line in errors(door, until(door, begun, "cancelled"))}
    assert "too deep" in by_id["b"]["response"]["body"]["error"]["message"]


def test_a_line_with_a_number_that_nothing_holds_is_refused_alone(door: Served) -> None:
    bodies = [{"model": "echo", "input": "hi"}, {"model": "echo", "input": "hi", "temperature": 10**400}]
    asked = [{"custom_id": str(place), "body": body} for place, body in enumerate(bodies)]
    begun = until(door, create(door, asked, endpoint="/v1/responses"), "in_progress")
    door.post(f"/v1/batches/{begun['id']}/cancel")
    by_id = {line["custom_id"]: line for line in errors(door, until(door, begun, "cancelled"))}
    assert "too large" in by_id["1"]["response"]["body"]["error"]["message"]


def test_a_file_of_wrong_lines_is_not_remembered_line_by_line(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "_MOST_REFUSED", 2)
    failed = until(door, create(door, [chat("a"), *({"custom_id": str(n)} for n in range(3))]), "failed")
    assert "more than 2; line 4" in failed["errors"]["data"][0]["message"]


@pytest.mark.parametrize(
    ("names", "told"), [(["echo"], "echo"), (["Echo"], "Echo"), (["echo", "echo:latest", "library/Echo", "eCHO"], None)]
)
def test_however_many_names_a_model_has_in_lines_their_parts_are_as_many(
    door: Served, names: list[str], told: str | None
) -> None:
    asked = [chat(f"{n}", model=names[n % len(names)]) for n in range(32)]
    begun = until(door, create(door, asked), "in_progress")
    assert (len(begun["job_ids"]), begun["model"], begun["request_counts"]["total"]) == (2, told, 32)


def test_a_file_of_too_many_parts_fails_its_batch(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "_MOST_PARTS", 1)
    failed = until(door, create(door, [chat(f"{n}") for n in range(17)]), "failed")
    assert "make 2, and a batch may have 1" in failed["errors"]["data"][0]["message"]


def test_a_line_that_passes_is_no_deeper_than_everybody_reads(door: Served) -> None:
    deep: Any = {}
    for _ in range(150):
        deep = [deep]
    begun = until(door, create(door, [chat("a"), chat("b", metadata=deep)]), "in_progress")
    door.post(f"/v1/batches/{begun['id']}/cancel")
    by_id = {line["custom_id"]: line for line in errors(door, until(door, begun, "cancelled"))}
    assert "too deep" in by_id["b"]["response"]["body"]["error"]["message"]
