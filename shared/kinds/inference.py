"""Inference: chat, completion or embedding requests, one or many, on a loaded model."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ClassVar, Literal, Self, cast

from pydantic import Field, model_validator

from shared.ask import BatchItem, ask, read_items
from shared.batch import Batch, Tally
from shared.completions import Completion, complete, stream
from shared.errors import ExecutionError, InvalidInput, InvalidParameters
from shared.kinds.contract import Catalog, Context, Demand, Kind, Result
from shared.opening import Opening
from shared.pictures import pictures
from shared.requests import CHAT, EMBEDDING, EngineRequest, read_request
from shared.runtimes import Endpoint, RunSpec
from shared.sight import check_sight
from shared.units import KIB
from shared.vocabulary import Capability

_MOST_SLOTS = 256
#: A single response up to this many bytes goes into the job; a larger one becomes a file.
_INLINE_LIMIT = 256 * KIB
#: Bytes of a result file that stay in memory; more goes to disk.
_SPOOL = 1024 * KIB
_EMIT_SECONDS = 0.06


class Inference(Kind):
    """Exactly one of `prompt`, `requests` and `file` says what to ask."""

    name: ClassVar[str] = "inference"
    about: ClassVar[str] = "Chat, completion or embedding requests, one or many, on a model."
    reads: ClassVar[tuple[str, ...]] = ("file",)

    model: str = Field(min_length=1, description="Name or reference of an installed model.")
    prompt: str | None = Field(None, description="One chat with this user message.")
    requests: list[dict[str, Any]] | None = Field(
        None,
        min_length=1,
        max_length=10_000,
        description="Bodies with messages, prompt or input and any sampling fields; or OpenAI batch lines.",
    )
    file: str | None = Field(None, description="Id of a JSONL file: one body or OpenAI batch line per line.")
    asks: Literal[Capability.GENERATE, Capability.EMBED] | None = Field(
        None, description="What the lines of the file ask for; default: what the model can."
    )
    defaults: dict[str, Any] = Field({}, description="Fields for every request that does not set them itself.")
    opening: Opening | None = Field(None, description="What chats begin with.")
    runtime: str | None = Field(None, description="Only this runtime; default: any that can.")
    host: str | None = Field(None, description="Only this host; default: any that fits.")
    spec: RunSpec = Field(RunSpec(), description="How to load the model, if it must be loaded.")
    stream: bool | None = Field(
        None, description="Show the answer while it grows; default: when it is a single one. Never for many."
    )
    timeout: float = Field(600.0, gt=0, le=86_400, description="Seconds that one request may take.")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        given = [name for name in ("prompt", "requests", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of prompt, requests and file, not {' and '.join(given) or 'none'}")
        if len({request.capability for request in self._inline()}) > 1:
            raise ValueError("one job asks for answers or for embeddings, not both: submit two jobs")
        return self

    def demand(self, catalog: Catalog) -> Demand:
        """One slot per request; as many as a run has for a file. Raises NotFound, InvalidParameters."""
        inline = self._inline()
        capability = inline[0].capability if inline else self._of_file(catalog)
        for shown in (one.body["messages"] for one in inline if one.path == CHAT):
            if any(True for _ in pictures(shown)):
                check_sight(self.model, catalog.model(self.model), shown)
        return Demand(
            capability=capability,
            model=self.model,
            runtime=self.runtime,
            host=self.host,
            spec=self.spec,
            slots=min(len(inline), _MOST_SLOTS) or _MOST_SLOTS,
            # Half an answer is worth nothing, half a batch is.
            preemptible=len(inline) != 1,
        )

    def run(self, context: Context) -> Result:
        """Ask everything that no earlier attempt has asked."""
        endpoint = context.endpoint
        if endpoint is None:
            raise ExecutionError("The job has no run to ask", "it was started without one", "retry the job")
        context.phase("generating")
        inline = self._inline()
        if len(inline) == 1:
            return self._one(context, endpoint, inline[0])
        if self.file is None:
            items = [BatchItem(index, request, request.custom_id) for index, request in enumerate(inline)]
            return self._many(context, endpoint, items, len(items))
        with context.files.open(self.file) as lines:
            total = sum(1 for line in lines if line.strip())
            lines.seek(0)
            return self._many(context, endpoint, read_items(lines, self.defaults, self.opening), total)

    def _inline(self) -> list[EngineRequest]:
        """The requests that are in the parameters, defaults filled in; none for a file."""
        if self.prompt is not None:
            chat = {"messages": [{"role": "user", "content": self.prompt}]}
            return [read_request(chat, self.defaults, self.opening)]
        read: list[EngineRequest] = []
        for index, written in enumerate(self.requests or ()):
            try:
                read.append(read_request(written, self.defaults, self.opening))
            except ValueError as error:
                raise ValueError(f"requests[{index}]: {error}") from error
        return read

    def _of_file(self, catalog: Catalog) -> Capability:
        """Lines are not read at submit, so the model says what they ask for."""
        if not catalog.file_size(cast(str, self.file)):
            raise InvalidParameters("The file is empty", "it has no line to ask", "upload a JSONL file", file=self.file)
        if self.asks is not None:
            return self.asks
        able = catalog.model(self.model).capabilities
        return Capability.EMBED if able and Capability.GENERATE not in able else Capability.GENERATE

    def _one(self, context: Context, endpoint: Endpoint, request: EngineRequest) -> Result:
        shown = request.body.get("stream", True) if self.stream is None else self.stream
        if shown and request.path != EMBEDDING:
            ticker = _Ticker(context, request.body.get("max_tokens"))
            completion = stream(endpoint, request, ticker.add, timeout=self.timeout, check=ticker.check)
            ticker.flush()
        else:
            completion = complete(endpoint, request, timeout=self.timeout, check=context.raise_if_cancelled)
        return Result(data=_counts(_tally(completion), completion.seconds) | _whole(context, completion))

    def _many(self, context: Context, endpoint: Endpoint, items: Iterable[BatchItem], total: int) -> Result:
        if not total:
            raise InvalidInput("The file holds no requests", "all its lines are blank", "upload a JSONL file")
        batch = Batch[BatchItem](
            context, endpoint, total, lambda item, check: ask(endpoint, item, self.timeout, context.attempt, check)
        )
        batch.run(items)
        context.phase("writing")
        with tempfile.SpooledTemporaryFile(_SPOOL) as lines:
            batch.write(lines)
            lines.seek(0)
            name = f"{context.job_id}.jsonl"
            output = context.files.create(name, cast(BinaryIO, lines), "application/jsonl")
        rate = batch.mine.completion_tokens / batch.seconds
        counts = _counts(batch.tally, batch.seconds) | {"tokens_per_second": round(rate, 2)}
        return Result(data=counts | {"output_file": output})


@dataclass
class _Ticker:
    """Streamed text on its way to those who watch: in small batches, so that a token is not a message."""

    context: Context
    expected: float | None
    pieces: int = 0
    held: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    told: float = 0.0

    def add(self, text: str) -> None:
        self.pieces += 1
        self.held.append(text)
        if time.monotonic() - self.told > _EMIT_SECONDS:
            self.flush()
            self.context.raise_if_cancelled()

    def check(self) -> None:
        self.flush()
        self.context.raise_if_cancelled()

    def flush(self) -> None:
        if not self.held:
            return
        self.told = time.monotonic()
        self.context.emit("".join(self.held))
        self.held.clear()
        elapsed = self.told - self.started
        self.context.progress(self.pieces, self.expected, "tokens", self.pieces / elapsed if elapsed else None)


def _tally(completion: Completion) -> Tally:
    tally = Tally()
    tally.add({"usage": completion.usage})
    return tally


def _counts(tally: Tally, seconds: float) -> dict[str, Any]:
    return {
        "items": tally.items,
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "prompt_tokens": tally.prompt_tokens,
        "cached_tokens": tally.cached_tokens,
        "completion_tokens": tally.completion_tokens,
        "seconds": round(seconds, 6),
        "tokens_per_second": round(tally.completion_tokens / seconds, 2),
    }


def _whole(context: Context, completion: Completion) -> dict[str, Any]:
    """The response itself when it is small, else a file with it."""
    ends = {"finish_reason": completion.finish_reason}
    content = json.dumps(completion.response, ensure_ascii=False).encode()
    if len(content) <= _INLINE_LIMIT:
        return ends | {"text": completion.text, "response": completion.response}
    return ends | {"output_file": context.files.create(f"{context.job_id}.json", content, "application/json")}
