"""`download`: put a model on a host, whole and checked, or register one that is there already."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from pydantic import ConfigDict, Field, field_validator, model_validator

from shared.downloads import from_disk, from_fleet, from_hub, from_web, leftovers
from shared.downloads.patience import Patience
from shared.downloads.watch import Watch
from shared.errors import CidermillError, InvalidParameters, NotFound
from shared.hub import DEFAULT_ENDPOINT, Hub
from shared.hub_choice import choose
from shared.kinds.contract import Catalog, Context, Demand, Kind, Result
from shared.protocol import InstallRecord
from shared.references import ModelRef
from shared.units import Bytes, format_bytes
from shared.vocabulary import Capability, Provider

#: Seconds a submit waits for the hub to tell a size.
_SUBMIT_TIMEOUT = 3.0


class Download(Kind):
    """Where the model comes from, and which of its files are wanted."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    name: ClassVar[str] = "download"
    about: ClassVar[str] = "Put a model on a host: from the Hugging Face hub, a web address, or a path on it."
    patience: ClassVar[Patience] = Patience()

    model: str = Field(description="hf:org/name[:file][@revision], url:https://… or local:/path.", max_length=2048)
    display_name: str | None = Field(
        default=None,
        alias="name",
        description="What to call it; unset: org/name, or the file's name.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$",
    )
    include: tuple[str, ...] = Field(default=(), description="Files of the repository, by name or pattern.")
    exclude: tuple[str, ...] = Field(default=(), description="Files to leave out, by name or pattern.")
    revision: str | None = Field(default=None, description="Branch, tag or commit of the repository.")
    sha256: str | None = Field(default=None, description="Checksum of a url: file.", pattern=r"^[0-9a-fA-F]{64}$")
    digest: str | None = Field(
        default=None,
        description="Digest of a local: model's content; other hosts give it when what lies at the path is another.",
        pattern=r"^[0-9a-f]{64}$",
    )
    host: str | None = Field(default=None, description="Only on this host.")

    @field_validator("sha256")
    @classmethod
    def _lower(cls, value: str | None) -> str | None:
        return value.lower() if value else value

    @model_validator(mode="after")
    def _fits_together(self) -> Download:
        try:
            reference = self.reference()
        except InvalidParameters as error:
            raise ValueError(str(error)) from error
        if reference.provider is not Provider.HF and (self.include or self.exclude or self.revision):
            raise ValueError("include, exclude and revision are for repositories of the hub")
        if reference.provider is not Provider.URL and self.sha256:
            raise ValueError("sha256 is for url: models; the hub has checksums of its own")
        if reference.provider is not Provider.LOCAL and self.digest:
            raise ValueError("digest is for local: models; others are known by their revision or checksum")
        return self

    def reference(self) -> ModelRef:
        """The model, with the revision that was asked for."""
        reference = ModelRef.parse(self.model)
        if self.revision is None or reference.provider is not Provider.HF:
            return reference
        return ModelRef.parse(f"{reference.model_copy(update={'revision': None})}@{self.revision}")

    def demand(self, catalog: Catalog) -> Demand:
        """A place at the store of a host, and disk as far as the hub or the catalog tells the size at once."""
        published = self._to_come(catalog)
        disk = published if published is not None else self._known(catalog)
        return Demand(capability=Capability.STORE, host=self.host, disk=disk)

    def run(self, context: Context) -> Result:
        reference = self.reference()
        with Watch(context) as watch:
            installs = self._install(reference, watch)
            # After it, so that a download which was taken up late finds its own bytes.
            if freed := leftovers.sweep(context.store()):
                watch.note(f"{format_bytes(freed)} of downloads that nobody went on with for 30 days are removed")
        return Result(data=_summary(reference, installs), installs=installs)

    def _install(self, reference: ModelRef, watch: Watch) -> list[InstallRecord]:
        if reference.provider is Provider.LOCAL:
            return self._local(reference, watch)
        if reference.provider is Provider.URL:
            return from_web.fetch(reference, self.display_name, self.sha256, watch, self.patience)
        selection = from_hub.Selection(self.include, self.exclude)
        return from_hub.fetch(reference, self.display_name, selection, watch, self.patience)

    def _local(self, reference: ModelRef, watch: Watch) -> list[InstallRecord]:
        """Registered where it lies when it is on this host; else copied from one that has it."""
        if os.path.lexists(reference.repo):
            here = from_disk.register(reference, self.display_name, self.digest, watch)
            if here is not None:
                return [here]
            watch.note(f"what lies at {reference.repo} on this host is another model")
        model = from_fleet.of_content(self.digest, from_fleet.known(reference, watch))
        if model is None:
            raise from_fleet.unknown(reference)
        return from_fleet.copy(reference, self.display_name, model, watch)

    def _known(self, catalog: Catalog) -> Bytes:
        """The size of a model that is known from there; 0 for a path of whatever content: it is registered there."""
        reference = self.reference()
        if reference.provider is Provider.LOCAL and self.digest is None:
            return Bytes(0)
        try:
            return catalog.model(str(reference)).size
        except NotFound:
            return Bytes(0)

    def _to_come(self, catalog: Catalog) -> Bytes | None:
        """Bytes that the host it is for lacks of what the hub has.

        `None` when nobody says: the host checks again, and only it may have a token for the repository.
        """
        reference = self.reference()
        if reference.provider is not Provider.HF:
            return None
        hub = Hub(os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT, os.environ.get("HF_TOKEN"), _SUBMIT_TIMEOUT)
        try:
            with catalog.asking():
                snapshot = hub.snapshot(reference.repo, reference.revision)
            files = choose(snapshot, reference.file, self.include, self.exclude)
        except CidermillError:
            return None
        here = catalog.on_disk(self.host, reference.repo, snapshot.commit) if self.host is not None else ()
        return Bytes(sum(file.size for file in files if (file.name, file.size) not in here))


def _summary(reference: ModelRef, installs: list[InstallRecord]) -> dict[str, Any]:
    return {
        "model": str(reference),
        "names": [record.name for record in installs],
        "revision": installs[0].revision,
        "size": sum(record.size for record in installs),
        "files": sum(len(record.files) for record in installs),
    }
