"""What Anthropic's own client does with batches of messages: `python anthropic_batches.py URL`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any

from anthropic import Anthropic
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse

client = Anthropic(base_url=sys.argv[1], api_key="none", timeout=120)
SLOW = {"echo": {"latency_ms": 600_000}}


def asked(custom_id: str, model: str = "echo", **more: Any) -> Any:
    messages = [{"role": "user", "content": f"say {custom_id}"}]
    return {"custom_id": custom_id, "params": {"model": model, "max_tokens": 9, "messages": messages, **more}}


def ended(batch: MessageBatch) -> MessageBatch:
    deadline = time.monotonic() + 120
    while batch.processing_status != "ended":
        assert time.monotonic() < deadline, batch
        time.sleep(0.1)
        batch = client.messages.batches.retrieve(batch.id)
    return batch


def answers(batch: MessageBatch) -> dict[str, MessageBatchIndividualResponse]:
    return {each.custom_id: each for each in client.messages.batches.results(batch.id)}


# Answers and errors.
begun = client.messages.batches.create(
    requests=[*(asked(f"n{n}") for n in range(20)), asked("bad", model="nobody")],
)
mixed = ended(begun)
MessageBatch.model_validate(mixed.model_dump(), strict=False)
assert (mixed.request_counts.succeeded, mixed.request_counts.errored) == (20, 1), mixed
assert mixed.ended_at is not None
assert mixed.ended_at < mixed.expires_at
found = answers(mixed)
assert list(found)[:20] == [f"n{n}" for n in range(20)]
good, bad = found["n7"].result, found["bad"].result
assert good.type == "succeeded"
assert good.message.content[0].type == "text"
assert good.message.content[0].text == "say n7"
assert bad.type == "errored"
assert bad.error.error.type == "not_found_error"

# Cancelled on the way.
slow = client.messages.batches.create(requests=[asked(f"slow{n}", **SLOW) for n in range(40)])
assert slow.request_counts.processing == 40
assert client.messages.batches.cancel(slow.id).processing_status in ("canceling", "ended")
slow = ended(slow)
assert slow.cancel_initiated_at is not None
assert slow.request_counts.canceled == 40, slow
assert Counter(each.result.type for each in answers(slow).values()) == {"canceled": 40}

# Page by page, both ways.
everything = [each.id for each in client.messages.batches.list(limit=1)]
assert everything == [slow.id, mixed.id]
assert [each.id for each in client.messages.batches.list(limit=1, before_id=mixed.id)] == [slow.id]
assert client.messages.batches.delete(mixed.id).type == "message_batch_deleted"
assert [each.id for each in client.messages.batches.list()] == [slow.id]
