"""What submitted jobs call their model: any name that the gateway knows, an alias's host and defaults with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from api.gateway import model_names
from api.gateway.defaults import CONTEXT, OPENING, fields, filled
from api.gateway.model_names import Found
from shared.errors import InvalidParameters, NotFound
from shared.jobs.intake import Submission
from shared.kinds import kinds
from shared.kinds.download import Download
from shared.kinds.inference import Inference


def resolved(session: Session, submissions: Iterable[Submission], default: str | None) -> list[Submission]:
    """The same under the catalog's names; what names no model is asked of `default`, a name by the settings.

    A name that nobody knows stays: whoever checks the parameters says why it is wrong.
    """
    known: dict[str, Found | None] = {}

    def find(name: str) -> Found | None:
        if name not in known:
            try:
                known[name] = model_names.find(session, name, default)
            except (NotFound, InvalidParameters):
                known[name] = None
        return known[name]

    return [_resolved(each, name, find(name)) if (name := _name(each, default)) else each for each in submissions]


def _name(submission: Submission, default: str | None) -> str | None:
    """What it calls its model; `None` when it asks none, or installs one."""
    kind = kinds().get(submission.kind)
    if kind is None or kind is Download or "model" not in kind.model_fields:
        return None
    name = submission.params.get("model", model_names.DEFAULT if default is not None else None)
    return name if isinstance(name, str) else None


def _resolved(submission: Submission, name: str, found: Found | None) -> Submission:
    if found is None:
        return submission
    params: dict[str, Any] = {**submission.params, "model": found.model.name}
    known = kinds()[submission.kind].model_fields
    if found.host is not None and "host" in known:
        params.setdefault("host", found.host)
    unsaid = fields(found.defaults)
    given = params.get("defaults", {})
    if unsaid and "defaults" in known and isinstance(given, dict):
        params["defaults"] = unsaid | given
    _load(params, known, found)
    if submission.kind == Inference.name:
        _instruct(params, found)
    return replace(submission, params=params, called=name)


def _load(params: dict[str, Any], known: Collection[str], found: Found) -> None:
    """The alias's context, where the job says nothing of one."""
    spec = params.get("spec", {})
    if CONTEXT in found.defaults and "spec" in known and isinstance(spec, dict) and spec.get(CONTEXT) is None:
        params["spec"] = {**spec, CONTEXT: found.defaults[CONTEXT]}


def _instruct(params: dict[str, Any], found: Found) -> None:
    """What the alias begins chats with; those of a file are begun when they are read."""
    said = {name: found.defaults[name] for name in OPENING if found.defaults.get(name)}
    if not said:
        return
    prompt, requests = params.get("prompt"), params.get("requests")
    if isinstance(prompt, str) and requests is None:
        del params["prompt"]
        params["requests"] = [filled({"messages": [{"role": "user", "content": prompt}]}, said)]
    elif isinstance(requests, list):
        params["requests"] = [_instructed(each, said) for each in requests]
    else:
        params.setdefault("opening", said)


def _instructed(request: Any, said: dict[str, Any]) -> Any:
    """A body, or an OpenAI batch line with one in it."""
    if not isinstance(request, dict):
        return request
    if isinstance(body := request.get("body"), dict):
        return {**request, "body": filled(body, said)}
    return filled(request, said)
