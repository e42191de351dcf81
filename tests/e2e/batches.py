"""A batch over two hosts that loses one of them and its front door on the way, as OpenAI's clients see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psutil
from sqlalchemy import func, select

from shared.tables import Attempt, Result
from tests.stack import Stack, end
from tests.waiting import eventually

CHAT = "/v1/chat/completions"


def upload(stack: Stack, lines: list[Any], **more: Any) -> dict[str, Any]:
    """Create a batch of these lines."""
    text = "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines)
    sent = stack.http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", text.encode())})
    wanted = {"input_file_id": sent.json()["id"], "endpoint": CHAT, "completion_window": "24h", **more}
    return dict(stack.post("/v1/batches", wanted))


def chat(custom_id: Any, text: str = "hello there", model: str = "echo", **more: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}


def until_over(stack: Stack, batch_id: str, within: float = 120.0) -> dict[str, Any]:
    def over() -> bool:
        return bool(stack.get(f"/v1/batches/{batch_id}")["status"] in ("completed", "failed", "expired", "cancelled"))

    eventually(over, within, rarest=0.25)
    return dict(stack.get(f"/v1/batches/{batch_id}"))


def file_lines(stack: Stack, file_id: str | None) -> list[dict[str, Any]]:
    if file_id is None:
        return []
    return [json.loads(line) for line in stack.http.get(f"/v1/files/{file_id}/content").text.splitlines()]


def kept(stack: Stack, batch: dict[str, Any]) -> int:
    """Lines whose answers are in the database."""
    with stack.database.read() as session:
        count = select(func.count()).select_from(Result).where(Result.job_id.in_(batch["job_ids"]))
        return session.scalar(count) or 0


def hosts_of(stack: Stack, batch: dict[str, Any]) -> set[str]:
    with stack.database.read() as session:
        return set(session.scalars(select(Attempt.host).where(Attempt.job_id.in_(batch["job_ids"]))))


def kill_host(stack: Stack, host: str) -> None:
    """All of its processes at once, as a power cut would."""
    for process in psutil.Process(stack.processes[host].pid).children(recursive=True):
        end(process)
    stack.kill(host)


def answers(stack: Stack, batch: dict[str, Any]) -> dict[tuple[str, int], int]:
    """Which attempt each finished line of each job is from."""
    with stack.database.read() as session:
        query = select(Result.job_id, Result.index, Result.attempt).where(Result.job_id.in_(batch["job_ids"]))
        return {(job, index): attempt for job, index, attempt in session.execute(query)}


def survive(stack: Stack, batch: dict[str, Any], total: int, tell: Callable[[str], None] = lambda said: None) -> Any:
    """Let the batch lose a host half-way and its front door later; the batch once it is over."""

    def begun() -> bool:
        return bool(stack.get(f"/v1/batches/{batch['id']}")["job_ids"])

    eventually(begun, 30.0)
    batch = stack.get(f"/v1/batches/{batch['id']}")
    eventually(lambda: kept(stack, batch) >= total // 2, 600.0, rarest=0.25)
    used = hosts_of(stack, batch)
    tell(f"half is done, on {sorted(used)}")
    before = answers(stack, batch)
    kill_host(stack, "beta")
    eventually(lambda: kept(stack, batch) >= total * 5 // 8, 600.0, rarest=0.25)
    stack.stop("api")
    stack.start("api")
    ended = until_over(stack, batch["id"], 900.0)
    after = answers(stack, batch)
    assert used == {"alpha", "beta"}, used
    assert all(after[place] == attempt for place, attempt in before.items()), "a finished line was asked again"
    return ended
