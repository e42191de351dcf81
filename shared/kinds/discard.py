"""`discard`: delete the files of a model that the catalog no longer knows on a host."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import ClassVar

from pydantic import Field, field_validator

from shared.downloads import leftovers
from shared.kinds.contract import Catalog, Context, Demand, Kind, Result
from shared.references import ModelRef
from shared.store.keeping import Keeping
from shared.store.manifest import places
from shared.store.wire import Shelf
from shared.vocabulary import Capability


class Discard(Kind):
    """Submitted by `models rm` and `models gc`. What any installed model still uses is kept, whatever is named here."""

    name: ClassVar[str] = "discard"
    about: ClassVar[str] = "Delete files of a removed model: submitted by `models rm` and `models gc`, by nobody else."
    internal: ClassVar[bool] = True

    model: str = Field(description="hf:org/name@commit, url:https://… or local:/path.", max_length=2048)
    files: tuple[str, ...] = Field(description="Its files, as the manifest names them.", max_length=4096)
    host: str = Field(description="The host whose copy goes.", max_length=64)
    copy_key: str | None = Field(
        default=None, description="Which copy of a local: model; unset: none is ours.", pattern=r"^[0-9a-f]{32}$"
    )

    @field_validator("files")
    @classmethod
    def _stay_inside(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
                raise ValueError(f"{name!r} is no file of a model")
        return names

    def demand(self, catalog: Catalog) -> Demand:
        return Demand(capability=Capability.STORE, host=self.host)

    def run(self, context: Context) -> Result:
        context.phase("deleting")
        keeping = Keeping(context.store())
        root = keeping.root(ModelRef.parse(self.model), self.copy_key)
        used = _used(context.fleet.shelf())
        mine = [root / name for name in self.files]
        freed = keeping.forget([path for path in mine if path not in used], {path.resolve() for path in used})
        freed += leftovers.sweep(context.store())
        return Result(data={"model": self.model, "host": self.host, "freed": freed})


def _used(shelf: Shelf) -> set[Path]:
    found: set[Path] = set()
    for model in shelf.models:
        found |= set(places(model.path, [file.name for file in model.files]).values())
    return found
