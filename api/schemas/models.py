"""Models, as a client finds them and as their files lie on hosts."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.base import Out
from shared.runtimes import ModelShape
from shared.store.manifest import Artifact
from shared.vocabulary import Capability, Format, Priority, Provider


class InstallIn(BaseModel):
    """A model to download: the parameters of a `download` job, with its priority."""

    model_config = ConfigDict(extra="allow", frozen=True)

    model: str = Field(description="A reference: org/name, hf:org/name:file@revision, local:/path or url:https://…")
    priority: Priority = Priority.NORMAL


class InstallOut(Out):
    """A model on a host's disk."""

    host: str
    path: str
    size: int
    #: Who put it there: `cidermill`, or the program whose store it was found in.
    source: str
    installed_at: float
    last_used_at: float | None
    #: When all its files were last read and found right.
    verified_at: float | None


class ModelOut(Out):
    """`id` is the name to use in requests; `object`, `created` and `owned_by` are what OpenAI's clients read."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    #: The model that this name means; `null`: it is the model's own.
    alias_of: str | None = None
    model_id: str
    reference: str
    provider: Provider
    repo: str
    file: str | None
    revision: str | None
    format: Format
    size: int
    context: int | None
    capabilities: list[Capability]
    hosts: list[str]
    #: Hosts where a run of it is ready.
    ready_on: list[str]
    last_used_at: float | None
    #: Of the content: models with the same one are the same bytes under two names.
    digest: str | None


class ModelDetail(ModelOut):
    shape: ModelShape
    #: The manifest.
    artifacts: list[Artifact] = Field(default=[])
    #: Other names of the same content.
    same_content: list[str] = Field(default=[])
    #: Runs that have it loaded, or are about to.
    runs: list[str] = Field(default=[])
    installs: list[InstallOut] = Field(default=[])
