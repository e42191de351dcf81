"""Keys, and what is known of their use: requests, tokens, what admins changed. Times are seconds since 1970."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field

from api.schemas.base import In, Out
from shared.quotas import Limit
from shared.vocabulary import Priority

T = TypeVar("T")

Role = Literal["admin", "submit", "read", "worker"]
KeyModels = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]] | None,
    Field(max_length=1000, description="Names of the models it may use; null: all."),
]
KeyPriority = Annotated[Priority | None, Field(description="The most urgent class its work may have; null: any.")]
KeyLimits = Annotated[
    dict[Limit, Annotated[int, Field(ge=0, lt=2**53)]],
    Field(description=f"What it may use at most: {', '.join(Limit)}. Windows are of the clock, in UTC."),
]
KeyWeight = Annotated[float, Field(gt=0, le=1e6, description="Its part of the fair share; others have 1.")]
KeyExpiry = Annotated[
    float | None, Field(ge=0, le=1e11, description="Seconds since 1970 when it stops working; null: never.")
]


class Listed(Out, Generic[T]):
    """One page of a log, newest first; `?before=<seq of the last entry>` gives the next, until one is empty."""

    object: Literal["list"] = "list"
    data: list[T]


class KeyIn(In):
    name: str = Field(min_length=1, max_length=120)
    role: Role = "submit"
    models: KeyModels = None
    priority: KeyPriority = None
    limits: KeyLimits = Field(default_factory=dict)
    weight: KeyWeight = 1.0
    expires_at: KeyExpiry = None


class KeyChange(In):
    """What is not given stays as it is; null lifts a limit."""

    name: str = Field(default="", min_length=1, max_length=120)
    role: Role = "submit"
    models: KeyModels = None
    priority: KeyPriority = None
    limits: KeyLimits = Field(default_factory=dict)
    weight: KeyWeight = 1.0
    expires_at: KeyExpiry = None


class KeyOut(Out):
    id: str
    object: Literal["key"] = "key"
    name: str
    prefix: str
    role: Role
    models: list[str] | None
    priority: Priority | None
    limits: dict[str, int]
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    revoked_at: float | None


class KeyCreated(KeyOut):
    """`key` is shown this once; only its hash is kept."""

    key: str


class UsageOut(Out):
    """What a key used of a model in one day (UTC): tokens, seconds of audio, seconds, joules (null: not measured)."""

    id: str
    object: Literal["usage"] = "usage"
    day: str
    key: str
    model: str
    requests: int
    prompt: int
    cached: int
    completion: int
    audio: float
    seconds: float
    joules: float | None


class CallOut(Out):
    """One request through the gateway; `content` is what was asked, null unless `log_content` is on."""

    object: Literal["call"] = "call"
    seq: int
    at: float
    request_id: str
    key: str
    model: str
    path: str
    #: `done`, `left` when the client went before the end, or an error's code.
    outcome: str
    prompt: int
    cached: int
    completion: int
    seconds: float
    content: dict[str, Any] | None


class AuditOut(Out):
    """What somebody changed with an admin's rights, or tried to; `outcome` is `done` or an error's code."""

    object: Literal["audit"] = "audit"
    seq: int
    at: float
    key: str
    name: str
    address: str
    action: str
    path: str
    outcome: str
