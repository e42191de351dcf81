"""Every error a user can meet, drawn once.

    CidermillError                         500
    ├── BadRequest                         400   the request cannot be read or makes no sense
    │   ├── ProtocolMismatch               426   the worker speaks a version of the protocol that we do not
    │   ├── InvalidParameters              422   well-formed, but a field is wrong
    │   ├── UnsupportedEncoding            415   the body is compressed
    │   ├── ContextExceeded                400   the request is longer than the context of the run
    │   └── CannotFit                      422   no host could ever run it
    ├── Unauthorized                       401
    │   └── Forbidden                      403
    ├── NotFound                           404
    ├── Conflict                           409
    │   ├── StaleTransition                409   the row moved on; the caller is fenced off
    │   └── IdempotencyMismatch            409
    ├── PayloadTooLarge                    413
    ├── HeadTooLarge                       431   the request's line and headers are too long
    ├── TooSlow                            408   the request did not come in time
    ├── NoCapacity                         503   try again later
    │   ├── Busy                           429   what could take this has enough to do; it says when to come back
    │   │   └── QuotaExceeded              429   the key has used what it may for now
    │   └── Unavailable                    503   a part we need (database, Redis, front door) is down
    ├── ConfigError                              a setting is wrong: the command ends before it begins
    └── ExecutionError                     a job or a run went wrong; carried as data, not as a status
        ├── InvalidInput                   the job's own input is bad; trying again cannot help
        ├── EngineFailed                   the engine failed at one request; others may succeed
        ├── RunDied → OutOfMemory, UnsupportedModel, PortInUse
        ├── DownloadFailed → GatedModel, DiskFull, ChecksumMismatch, HubOffline
        ├── LeaseLost                      the attempt belongs to nobody any more, another takes its place
        ├── HandedBack                     the attempt ends without fault of the job, which goes on elsewhere
        ├── LoopOfCrashes                  the job's attempts died too often
        ├── DeadlinePassed                 the job had not begun in time
        └── Cancelled

Each says **what** happened, **why**, and **how to fix it**; `Problem` is the same as data.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """An error as data: stored with a job, sent over the wire, printed by the CLI."""

    model_config = ConfigDict(frozen=True)

    code: str
    what: str
    why: str = ""
    fix: str = ""
    #: May a new attempt of the same job succeed?
    retryable: bool = False
    #: Did a process die? Such attempts count as crashes, not failures.
    crash: bool = False
    details: dict[str, Any] = {}

    def sentence(self) -> str:
        """`What: why. To fix: …` on one line."""
        said = ": ".join(part.rstrip(".") for part in (self.what, self.why) if part)
        return f"{said}. To fix: {self.fix}" if self.fix else said


class CidermillError(Exception):
    """Something went wrong inside Cidermill."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False
    crash: ClassVar[bool] = False

    def __init__(self, what: str, why: str = "", fix: str = "", **details: Any) -> None:
        super().__init__(what)
        self.problem = Problem(
            code=self.code,
            what=what,
            why=why,
            fix=fix,
            retryable=self.retryable,
            crash=self.crash,
            details=details,
        )

    def __str__(self) -> str:
        return self.problem.sentence()


class BadRequest(CidermillError):
    """The request cannot be read or makes no sense."""

    status = 400
    code = "bad_request"


class ProtocolMismatch(BadRequest):
    """The worker speaks a version of the protocol that the front door does not."""

    status = 426
    code = "protocol_mismatch"


class InvalidParameters(BadRequest):
    """A field of the request is wrong."""

    status = 422
    code = "invalid_parameters"


class UnsupportedEncoding(BadRequest):
    """The body is compressed."""

    status = 415
    code = "unsupported_encoding"


class ContextExceeded(BadRequest):
    """The request is longer than the context of the run."""

    # OpenAI's word; clients shorten their history when they read it.
    code = "context_length_exceeded"

    @property
    def tokens(self) -> int | None:
        """What the request has, where the engine told that."""
        tokens = self.problem.details.get("tokens")
        return tokens if isinstance(tokens, int) else None


class CannotFit(BadRequest):
    """No host could ever run this."""

    status = 422
    code = "cannot_fit"


class Unauthorized(CidermillError):
    """The caller did not say who it is, or the key is unknown."""

    status = 401
    code = "unauthorized"


class Forbidden(Unauthorized):
    """The caller is known but may not do this."""

    status = 403
    code = "forbidden"


class NotFound(CidermillError):
    """There is no such thing."""

    status = 404
    code = "not_found"


class Conflict(CidermillError):
    """The thing is not in a state that allows this."""

    status = 409
    code = "conflict"


class StaleTransition(Conflict):
    """The row moved on; the caller works on an old attempt, generation or epoch."""

    code = "stale_transition"


class IdempotencyMismatch(Conflict):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_mismatch"


class PayloadTooLarge(CidermillError):
    """The body is larger than the limit."""

    status = 413
    code = "payload_too_large"


class HeadTooLarge(CidermillError):
    """The request's line and headers are longer than the limit."""

    status = 431
    code = "head_too_large"


class TooSlow(CidermillError):
    """The request did not come in time."""

    status = 408
    code = "too_slow"
    retryable = True


class NoCapacity(CidermillError):
    """Nothing can take this now; trying again later may work."""

    status = 503
    code = "no_capacity"
    retryable = True


class Busy(NoCapacity):
    """What could take this has enough to do; `details.retry_after` says in how many seconds to come back."""

    status = 429
    code = "busy"


class QuotaExceeded(Busy):
    """The key has used what it may for now; `details.retry_after` says when it may ask again."""

    code = "rate_limit_exceeded"


class Unavailable(NoCapacity):
    """A part that is needed (database, Redis, front door, run) does not answer."""

    code = "unavailable"


class ConfigError(CidermillError):
    """A setting is wrong."""

    code = "config_error"


class ExecutionError(CidermillError):
    """A job or a run went wrong while it was worked on."""

    code = "execution_error"
    retryable = True


class InvalidInput(ExecutionError):
    """The job's own input is bad; another attempt cannot help."""

    code = "invalid_input"
    retryable = False


class EngineFailed(ExecutionError):
    """The engine failed at one request, or took too long; others may succeed."""

    code = "engine_failed"


class RunDied(ExecutionError):
    """The process that held the model ended."""

    code = "run_died"
    crash = True


class OutOfMemory(RunDied):
    """The model's process ran out of memory."""

    code = "out_of_memory"


class UnsupportedModel(RunDied):
    """The runtime cannot load this model."""

    code = "unsupported_model"
    retryable = False
    crash = False


class PortInUse(RunDied):
    """The port chosen for the run was taken by another process."""

    code = "port_in_use"
    crash = False


class DownloadFailed(ExecutionError):
    """A download broke off; what came so far is kept."""

    code = "download_failed"


class GatedModel(DownloadFailed):
    """The repository wants a token or an accepted licence."""

    code = "gated_model"
    retryable = False


class DiskFull(DownloadFailed):
    """There is not enough room on the disk."""

    code = "disk_full"
    retryable = False


class ChecksumMismatch(DownloadFailed):
    """The bytes that came are not the bytes the hub promised."""

    code = "checksum_mismatch"


class HubOffline(DownloadFailed):
    """The host was told to ask no hub."""

    code = "hub_offline"
    retryable = False


class Cancelled(ExecutionError):
    """The job was cancelled while it ran."""

    code = "cancelled"
    retryable = False


class LeaseLost(ExecutionError):
    """The attempt is no longer this worker's; stop and report nothing."""

    code = "lease_lost"
    retryable = False


class HandedBack(ExecutionError):
    """The worker stops, or the job gives way; the attempt goes back to the queue and is not counted."""

    code = "handed_back"


class DeadlinePassed(ExecutionError):
    """The job had not begun when its deadline passed."""

    code = "deadline_passed"
    retryable = False


class LoopOfCrashes(ExecutionError):
    """The job took its worker or run down too often."""

    code = "crash_loop"
    retryable = False


def revive(problem: Problem) -> CidermillError:
    """The error that a problem once was, of the class its code names."""
    kind = _by_code(CidermillError).get(problem.code, ExecutionError)
    error = kind(problem.what, problem.why, problem.fix)
    error.problem = problem
    return error


def _by_code(kind: type[CidermillError]) -> dict[str, type[CidermillError]]:
    found = {kind.code: kind}
    for child in kind.__subclasses__():
        found |= _by_code(child)
    return found
