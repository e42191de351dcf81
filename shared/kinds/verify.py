"""`verify`: read every file of an installed model and compare it with its manifest."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field

from shared.downloads.digest import feed, sha256
from shared.downloads.meter import Meter
from shared.downloads.watch import Watch
from shared.errors import InvalidInput
from shared.kinds.contract import Catalog, Context, Demand, Kind, Result
from shared.store.keeping import Keeping
from shared.store.manifest import places
from shared.store.wire import ShelfFile, ShelfModel
from shared.vocabulary import Capability


class Verify(Kind):
    """Which model, and on which host."""

    name: ClassVar[str] = "verify"
    about: ClassVar[str] = "Read every file of an installed model and compare it with its checksum."

    model: str = Field(description="Name or reference of an installed model.", max_length=2048)
    host: str = Field(description="The host whose copy is read.", max_length=64)

    def settle(self, catalog: Catalog) -> Self:
        return self.model_copy(update={"model": catalog.model(self.model).name})

    def demand(self, catalog: Catalog) -> Demand:
        return Demand(capability=Capability.STORE, host=self.host)

    def run(self, context: Context) -> Result:
        model = self._find(context.fleet.shelf().models)
        where = places(model.path, [file.name for file in model.files])
        context.phase("reading")
        meter = Meter(sum(file.size for file in model.files))
        with Watch(context) as watch:
            read = [watch.one(partial(_read, file, where[file.name], meter, watch), meter) for file in model.files]
        damaged = [was.name for was, now in zip(model.files, read, strict=True) if _differs(was, now)]
        if damaged and model.source == "cidermill":
            Keeping(context.store()).forget([where[name] for name in damaged])
        context.fleet.verified(model.model_id, [file for file in read if file.sha256], damaged)
        for name in damaged:
            context.log(f"{name} is not what it should be")
        return Result(data={"model": model.name, "host": self.host, "files": len(read), "damaged": damaged})

    def _find(self, models: list[ShelfModel]) -> ShelfModel:
        found = next((model for model in models if model.name == self.model), None)
        if found is None:
            raise InvalidInput(
                f"{self.model} is not on {self.host}",
                "it was removed since, or never installed there",
                f"install it: cidermill models pull {self.model} --host {self.host}",
            )
        return found


def _read(file: ShelfFile, path: Path, meter: Meter, watch: Watch) -> ShelfFile:
    """The file as it is now; without a checksum when it is gone."""

    def tick(count: int) -> None:
        watch.interrupt.check()
        meter.received(count)

    if not path.is_file():
        return ShelfFile(name=file.name, size=0)
    return ShelfFile(name=file.name, size=path.stat().st_size, sha256=feed(sha256(), path, tick).hexdigest())


def _differs(was: ShelfFile, now: ShelfFile) -> bool:
    return now.sha256 is None or now.size != was.size or was.sha256 not in (None, now.sha256)
