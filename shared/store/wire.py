"""What hosts and the front door say about models on disk; part of the worker protocol.

| call | request → answer |
|---|---|
| GET /models/shelf | → Shelf |
| POST /models/sources | Sources → Sourced |
| POST /models/found | Found → Entered |
| POST /models/verified | Verified → Accepted |
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from shared.protocol import AttemptRef, InstallRecord


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ShelfFile(_Message):
    name: str
    size: int
    #: Hex; `None` when nobody has read the file yet.
    sha256: str | None = None


class ShelfModel(_Message):
    """A model on the asking host's disk."""

    model_id: str
    name: str
    path: str
    #: `cidermill`, or the program whose store it lies in.
    source: str
    files: list[ShelfFile] = []


class Shelf(_Message):
    """All models that the front door knows to lie on the asking host."""

    models: list[ShelfModel]


class WantedFile(_Message):
    """A file that a host lacks."""

    name: str
    size: int
    #: `None` for small files, of which the hub tells another checksum.
    sha256: str | None = None


class Sources(_Message):
    """Who has these files? Those of unknown checksum are found by repository, commit and name.

    Without files: what do models from there consist of?
    """

    provider: str
    repo: str
    revision: str | None = None
    files: list[WantedFile] = Field(max_length=4096)


class Peer(_Message):
    """A host that serves the file, and the leave to fetch it."""

    host: str
    url: str
    grant: str


class SourcedFile(_Message):
    name: str
    sha256: str
    #: The least loaded first.
    peers: list[Peer]


class KnownModel(_Message):
    """What a model consists of, as the catalog knows it."""

    name: str
    revision: str | None = None
    #: Each with its checksum.
    files: list[ShelfFile]
    #: The file that a runtime loads; `None`: their folder.
    loaded: str | None = None


class HereFile(_Message):
    """A wanted content that lies on the asking host itself, under another name."""

    sha256: str
    path: str


class Sourced(_Message):
    """Files that hosts of the fleet have; those not named here come from where they are published."""

    files: list[SourcedFile] = []
    here: list[HereFile] = []
    #: Asked without files: the models from there.
    models: list[KnownModel] = []


class Found(_Message):
    """Models that other programs keep on this host. Those of the searched programs not named here are gone."""

    searched: list[str]
    models: list[InstallRecord]


class Entered(_Message):
    """Names under which the catalog knows them, in order."""

    names: list[str]


class Verified(AttemptRef):
    """What the files of a model really hold."""

    worker: str
    model_id: str
    #: As they are on disk.
    files: list[ShelfFile]
    #: Names of files whose content is not what it should be, or that are gone.
    damaged: list[str] = Field(default_factory=list)
