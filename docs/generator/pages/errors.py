"""`errors.md`: the tree of errors."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import shared.errors
from docs.generator.markdown import code, sentences, table
from shared.errors import CidermillError, ExecutionError

_TOP = """\
# Errors

For whoever reads an error of Cidermill, by eye or by program: every code, what it means, and how it is shown.

{tree}

| where | shape |
|---|---|
| REST | `{{"error": {{code, what, why, fix, details, message, type, param}}}}`, which OpenAI's clients read too |
| `/v1/files…` | the same, and 422 is 400 |
| `/v1/chat/…`, `/v1/completions`, `/v1/embeddings`, `/v1/responses…`, `/v1/audio/…`, `/v1/batches…` \
| OpenAI's `{{"error": {{message, type, param, code}}}}`; 422 is 400 |
| `/v1/messages…`, `/anthropic/…` \
| Anthropic's `{{"type": "error", "error": {{type, message}}, "request_id"}}`; 422 is 400, and 503 is 529 |
| `/api/…` | Ollama's `{{"error": "…"}}`; 422 is 400 |
| command line | `Error:`, `Cause:` and `To fix:` on standard error, and an [exit code](exit-codes.md) |
| a job or a run | its `error` field: `{{code, what, why, fix, retryable, crash, details}}` |

**Retryable**: another attempt of the same job may succeed, so it is tried again while its failures are not used up.
**Crash**: a process died; such attempts are counted apart, and `max_crashes` of them (3, if not set)
fail a job as `crash_loop`.
"""

_BESIDES = """\
Besides: `model_not_found` (404) where a client asks for a model that nobody knows, and `method_not_allowed` (405).
Attempts and runs that got lost have `worker_lost` or `run_lost` in their `error`; both are retryable, and crashes.
"""


def page() -> str:
    doc = inspect.getdoc(shared.errors) or ""
    drawn = "\n".join(line for line in doc.splitlines() if line.startswith("    "))
    head, tail = doc.split("\n\n")[0], doc.split("\n\n")[-1]
    tree = f"{head}\n\n```\n{inspect.cleandoc(drawn)}\n```\n\n{tail}"
    rows = [
        (code(error.code), _status(error), _yes(error.retryable), _yes(error.crash), sentences(error))
        for error in error_classes()
    ]
    return "\n".join(
        [_TOP.format(tree=tree), table(("code", "status", "retryable", "crash", "meaning"), rows), "", _BESIDES]
    )


def error_classes(error: type[CidermillError] = CidermillError) -> Iterator[type[CidermillError]]:
    """Every class of the tree, parents before children."""
    yield error
    for child in error.__subclasses__():
        if child.__module__ == shared.errors.__name__:
            yield from error_classes(child)


def _status(error: type[CidermillError]) -> str:
    """How a job went wrong is data: no answer carries it as its status."""
    return "" if issubclass(error, ExecutionError) else str(error.status)


def _yes(value: bool) -> str:
    return "yes" if value else ""
