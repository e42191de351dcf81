"""What jobs used: each piece that they keep as it is kept, and a whole that has no pieces once it has ended well.

A batch that is cancelled, or whose time is over, has used what its answers took; so has one that is tried again, and
that goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.gateway.pieces import usage_of
from shared.protocol import Item
from shared.tables import Job, Result
from shared.told import amount, count
from shared.usage import Part, Spent, total


def of_pieces(items: Iterable[Item]) -> Spent:
    """What these pieces took; one that failed, or that is no answer, took nothing."""
    return sum((_of_piece(item.data) for item in items), Spent())


def of_jobs(session: Session, pieces: Mapping[str, Spent], ended: Collection[str]) -> dict[Part, Spent]:
    """What is to be charged: `pieces` of jobs by their ids, and jobs that `ended` well."""
    columns = (Job.id, Job.owner, Job.model, Job.result)
    rows = session.execute(select(*columns).where(Job.id.in_({*pieces, *ended}))).all()
    # As soon as one piece has it the others are not read.
    counted = select(Result.index).where(Result.job_id == Job.id, _HAS_USAGE).exists()
    apart = set(session.scalars(select(Job.id).where(Job.id.in_(ended), counted)))
    charges: list[dict[Part, Spent]] = []
    for job_id, owner, model, result in rows:
        if not model:
            continue
        charges.append({Part(owner, model): pieces.get(job_id, Spent())})
        if job_id in ended and result:
            charges.append({Part(owner, model): _of_result(result, by_piece=job_id in apart)})
    return {part: spent for part, spent in total(*charges).items() if spent != Spent()}


_HAS_USAGE = Result.data["usage"].as_string().is_not(None)


def _of_piece(data: Any) -> Spent:
    told = data.get("usage") if isinstance(data, dict) else None
    if not isinstance(told, dict):
        return Spent()
    used = usage_of(told)
    return Spent(1, used.prompt, used.cached, used.completion, used.audio, amount(data.get("seconds")) or 0.0)


def _of_result(result: Mapping[str, Any], *, by_piece: bool) -> Spent:
    """What a job's result says it took; of one that was charged piece by piece, only what its pieces do not tell."""
    joules = amount(result.get("joules"))
    if by_piece:
        return Spent(joules=joules)
    return Spent(
        requests=count(result.get("items")) or 1,
        prompt=count(result.get("prompt_tokens")),
        cached=count(result.get("cached_tokens")),
        completion=count(result.get("completion_tokens")),
        audio=amount(result.get("duration")) or 0.0,
        seconds=amount(result.get("seconds")) or 0.0,
        joules=joules,
    )
