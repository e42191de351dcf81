"""The worker protocol from the host's side: typed calls to the front door."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import httpx2
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import PydanticSerializationError

from shared import protocol
from shared.errors import (
    BadRequest,
    CidermillError,
    NotFound,
    Problem,
    ProtocolMismatch,
    StaleTransition,
    Unauthorized,
    Unavailable,
)
from shared.store.wire import Entered, Found, Shelf, Sourced, Sources, Verified
from shared.trust import TRUST_IT, distrust, trust
from shared.units import MIB

Answer = TypeVar("Answer", bound=BaseModel)
T = TypeVar("T")

_CHUNK = 1 << 20
#: Seconds to connect.
_CONNECT = 3.0
_ERRORS: dict[int, type[CidermillError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: StaleTransition,
    422: BadRequest,
    426: BadRequest,
}


class FrontDoor:
    """Calls under `/worker/v1`, safe to share between threads.

    Every call raises `Unavailable` when the front door cannot be reached or says 5xx, so that callers tell "later"
    from "never": `Unauthorized` for a wrong token, `StaleTransition` when another agent speaks for this host,
    `ProtocolMismatch` when its answer cannot be read, `BadRequest` when what is said cannot be written.
    """

    def __init__(self, url: str, token: SecretStr, trusted: Path | None = None, timeout: float = 10.0) -> None:
        """`trusted`: a PEM file of certificates that vouch for the front door's. Raises ConfigError."""
        self.url = url.rstrip("/")
        self._patience = timeout
        self._http = httpx2.Client(
            base_url=f"{self.url}/worker/v1",
            headers={
                "Authorization": f"Bearer {token.get_secret_value()}",
                protocol.HEADER: str(protocol.VERSION),
            },
            timeout=httpx2.Timeout(timeout, connect=_CONNECT),
            limits=httpx2.Limits(max_keepalive_connections=16),
            trust_env=False,
            verify=trust(trusted),
        )

    def register(self, message: protocol.Register) -> protocol.Registered:
        return self._post("/register", message, protocol.Registered)

    def sync(self, message: protocol.Sync) -> protocol.Synced:
        return self._post("/sync", message, protocol.Synced)

    def claim(self, message: protocol.Claim) -> protocol.Claimed:
        return self._post("/claim", message, protocol.Claimed)

    def finish(self, message: protocol.Finish) -> protocol.Finished:
        return self._post("/finish", message, protocol.Finished)

    def items(self, message: protocol.Items) -> protocol.Accepted:
        return self._post("/items", message, protocol.Accepted)

    def recall(self, message: protocol.Recall) -> protocol.Recalled:
        """Some of what earlier attempts finished. Raises StaleTransition when fenced off."""
        return self._post("/items/recall", message, protocol.Recalled)

    def output(self, message: protocol.Output) -> protocol.Accepted:
        return self._post("/output", message, protocol.Accepted)

    def tend(self, message: protocol.Tend) -> protocol.RunOrder:
        return self._post("/runs/tend", message, protocol.RunOrder)

    def report(self, message: protocol.RunReport) -> protocol.Accepted:
        return self._post("/runs/report", message, protocol.Accepted)

    def acquire(self, message: protocol.Acquire) -> protocol.Acquired:
        return self._post("/runs/acquire", message, protocol.Acquired)

    def release(self, message: protocol.Release) -> protocol.Accepted:
        return self._post("/runs/release", message, protocol.Accepted)

    def shelf(self) -> Shelf:
        """The models that the front door knows to lie on this host."""
        with self._reachable():
            response = self._http.get("/models/shelf")
        return _read(Shelf, response)

    def sources(self, message: Sources) -> Sourced:
        """Hosts that have the files this one lacks."""
        return self._post("/models/sources", message, Sourced)

    def found(self, message: Found) -> Entered:
        """Models that other programs keep here."""
        return self._post("/models/found", message, Entered)

    def verified(self, message: Verified) -> protocol.Accepted:
        """What the files of a model really hold. Raises StaleTransition when fenced off."""
        return self._post("/models/verified", message, protocol.Accepted)

    def download(self, file_id: str, into: IO[bytes]) -> None:
        """Stream a stored file into `into`. Raises NotFound."""
        with self._reachable(), self._http.stream("GET", f"/files/{file_id}", timeout=60.0) as response:
            if response.status_code != 200:
                response.read()
                raise _error(response)
            for chunk in response.iter_bytes(_CHUNK):
                into.write(chunk)

    def upload(
        self, attempt: protocol.AttemptRef, worker: str, name: str, content_type: str, content: IO[bytes]
    ) -> str:
        """Store a file that belongs to an attempt and return its id. Raises StaleTransition when fenced off."""
        with self._reachable():
            response = self._http.post(
                "/files",
                params={"job_id": attempt.job_id, "attempt": attempt.attempt, "worker": worker, "name": name},
                headers={"Content-Type": content_type},
                content=_chunks(content),
                timeout=60.0,
            )
        return _read(protocol.FileCreated, response).id

    def close(self) -> None:
        self._http.close()

    def _post(self, path: str, message: BaseModel, answer: type[Answer]) -> Answer:
        written = _written(message)
        # What is large takes its time to be read there, and would be sent again for ever.
        patience = httpx2.Timeout(self._patience + len(written) / MIB, connect=_CONNECT)
        headers = {"Content-Type": "application/json"}
        with self._reachable():
            response = self._http.post(path, content=written, headers=headers, timeout=patience)
        return _read(answer, response)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            if (why := distrust(error)) is not None:
                raise Unavailable(f"What answers at {self.url} may not be the front door", why, TRUST_IT) from error
            raise Unavailable(
                f"The front door at {self.url} does not answer",
                type(error).__name__,
                "start it with `cidermill up` or `cidermill api`, or check the address",
            ) from error
        except httpx2.DecodingError as error:
            raise _unreadable(str(error)) from error


def patiently(call: Callable[[], T], give_up: Callable[[], Any], first: float = 0.1, limit: float = 5.0) -> T:
    """Repeat `call` while the front door is unavailable, with back-off and jitter.

    `give_up` is asked before each new try and raises to end the waiting.
    """
    delay = first
    while True:
        try:
            return call()
        except Unavailable:
            give_up()
            time.sleep(random.uniform(delay / 2, delay))
            delay = min(limit, delay * 2)


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK):
        yield chunk


def _written(message: BaseModel) -> str:
    try:
        return message.model_dump_json(exclude_none=True)
    except PydanticSerializationError as error:
        raise BadRequest(
            "This cannot be told to the front door",
            "a text in it holds half a character, or its lists and objects are nested too deep",
            "write characters whole, and JSON flatter",
        ) from error


def _read(answer: type[Answer], response: httpx2.Response) -> Answer:
    if response.status_code >= 300:
        raise _error(response)
    try:
        return answer.model_validate_json(response.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        # Pydantic's own words would put what was answered into the log.
        raise _unreadable(f"{place}: {first['msg']}" if place else first["msg"]) from None


def _unreadable(why: str) -> ProtocolMismatch:
    return ProtocolMismatch(
        "The answer of the front door cannot be read",
        why,
        "update Cidermill so that this host and the front door agree, or look for what stands between them",
    )


def _error(response: httpx2.Response) -> CidermillError:
    """The front door's own words, as the error they were."""
    status = response.status_code
    kind = Unavailable if status >= 500 or status == 429 else _ERRORS.get(status, BadRequest)
    try:
        body = response.json()["error"]
        problem = Problem.model_validate({"code": kind.code, "what": f"HTTP {status}", **body})
    except (ValueError, KeyError, TypeError):
        return kind(f"The front door answered HTTP {status}", "its answer could not be read", "look at its log")
    return kind(problem.what, problem.why, problem.fix)
