"""What OpenAI's own client does with files and batches: `python openai_batches.py URL`."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from openai import BadRequestError, NotFoundError, OpenAI
from openai.types import Batch, FileObject

client = OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", timeout=120)
ENDPOINT = "/v1/chat/completions"
HOUR: Any = {"anchor": "created_at", "seconds": 3600}
SLOW = {"echo": {"latency_ms": 600_000}}


def line(custom_id: str, model: str = "echo", **more: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": f"say {custom_id}"}], **more}
    return {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body}


def begun(*lines: dict[str, Any], window: str = "24h") -> Batch:
    text = "".join(json.dumps(each) + "\n" for each in lines)
    file = client.files.create(file=("in.jsonl", text.encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=ENDPOINT, completion_window=window, output_expires_after=HOUR
    )


def until(batch: Batch, *states: str) -> Batch:
    deadline = time.monotonic() + 120
    while batch.status not in states:
        assert time.monotonic() < deadline, batch
        time.sleep(0.1)
        batch = client.batches.retrieve(batch.id)
    return batch


def said(file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    lines = [json.loads(text) for text in client.files.content(file_id).text.splitlines()]
    return {each["custom_id"]: each for each in lines}


# Files.
stored = client.files.create(file=("a.jsonl", json.dumps(line("a")).encode()), purpose="batch")
FileObject.model_validate(stored.model_dump(), strict=False)
assert client.files.retrieve(stored.id).bytes == stored.bytes
assert json.loads(client.files.content(stored.id).text)["custom_id"] == "a"
assert stored.id in [file.id for file in client.files.list(limit=1)], "the list ends, page by page"
assert client.files.delete(stored.id).deleted
expiring = client.files.create(file=("a.txt", b"a"), purpose="user_data", expires_after=HOUR)
assert expiring.expires_at == expiring.created_at + 3600
try:
    client.files.create(file=b"a", purpose="user_data", expires_after={"anchor": "created_at", "seconds": 60})
except BadRequestError as error:
    refused = error.param
else:
    raise AssertionError("a minute was long enough")
assert refused == "expires_after.seconds"
try:
    client.files.retrieve(stored.id)
except NotFoundError:
    pass
else:
    raise AssertionError("a deleted file was found")

# Answers and errors, each in their own file.
batch = until(begun(*(line(f"n{n}") for n in range(20)), line("bad", model="nobody")), "completed", "failed")
Batch.model_validate(batch.model_dump(), strict=False)
assert batch.request_counts is not None
counts = batch.request_counts
assert (batch.status, counts.total, counts.completed, counts.failed) == ("completed", 21, 20, 1)
answers, errors = said(batch.output_file_id), said(batch.error_file_id)
assert list(answers) == [f"n{n}" for n in range(20)]
assert answers["n7"]["response"]["body"]["choices"][0]["message"]["content"] == "say n7"
assert errors["bad"]["response"]["status_code"] == 404
assert errors["bad"]["response"]["body"]["error"]["code"] == "model_not_found"
written = client.files.retrieve(batch.output_file_id or "")
assert written.expires_at == written.created_at + 3600

# Cancelled on the way: what was answered is there, the rest says why it was not.
batch = until(begun(line("quick"), *(line(f"slow{n}", **SLOW) for n in range(300))), "in_progress")
assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
batch = until(batch, "cancelled")
assert batch.cancelled_at is not None
assert said(batch.error_file_id)["slow299"]["error"]["code"] == "batch_cancelled"

# Out of time.
batch = until(begun(*(line(f"late{n}", **SLOW) for n in range(3)), window="2s"), "expired")
assert batch.expired_at is not None
assert said(batch.error_file_id)["late0"]["error"]["code"] == "batch_expired"

# Not a batch at all.
batch = until(begun(line("twice"), line("twice")), "failed")
assert batch.errors is not None
assert batch.errors.data is not None
assert batch.errors.data[0].code == "duplicate_custom_id"
try:
    client.batches.create(input_file_id=stored.id, endpoint="/v1/nothing", completion_window="24h")
except BadRequestError:
    pass
else:
    raise AssertionError("an endpoint that is not there was taken")

everything = [each.id for each in client.batches.list(limit=1)]
assert len(everything) == len(set(everything)) >= 4, "the list ends, and has each once"
