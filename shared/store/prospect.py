"""A model that nobody has yet, as its metadata describes it: nothing but headers is fetched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from shared import gguf_model, transformers_config
from shared.downloads.addresses import is_loopback
from shared.downloads.transfer import TIMEOUT
from shared.downloads.web import web_client
from shared.errors import GatedModel, InvalidInput, InvalidParameters, Unavailable
from shared.gguf import Header, read_header
from shared.gguf_remote import RemoteFile, read_remote
from shared.hub import Hub, HubFile, Snapshot, gated
from shared.hub_choice import choose, groups
from shared.projector import is_projector, vision
from shared.references import ModelRef
from shared.runtimes import InstalledModel, ModelShape, VisionShape
from shared.store.disks import Wanted
from shared.units import MIB, Bytes
from shared.vocabulary import Capability, Format, Provider

_LARGEST_CONFIG = 16 * MIB


@dataclass(frozen=True)
class Prospect:
    """A model that would be, and what would come to a disk for it."""

    #: With its shape; its id and path are empty.
    model: InstalledModel
    wanted: Wanted


def prospect(reference: ModelRef, hub: Hub, *, loopback: bool = False) -> Prospect:
    """What a download of `reference` would install.

    Reads the hub's list of files, and a GGUF header by ranges or a config.json; `loopback` says whether a web address
    may be one of this machine. Raises NotFound, GatedModel, Unavailable, DownloadFailed, InvalidInput;
    InvalidParameters for paths of hosts.
    """
    if reference.provider is Provider.URL:
        model = _web(reference, loopback=loopback)
        return Prospect(model, Wanted(reference, frozenset({(model.name, model.size)})))
    if reference.provider is Provider.LOCAL:
        raise InvalidParameters(
            f"Nothing is known of {reference} before it is installed",
            "it lies on a host, which reads it when it is installed there",
            "install it first: cidermill models pull " + str(reference),
        )
    snapshot = hub.snapshot(reference.repo, reference.revision)
    files = choose(snapshot, reference.file)
    pinned = reference.model_copy(update={"revision": snapshot.commit})
    wanted = Wanted(pinned, frozenset((file.name, file.size) for file in files))
    with httpx2.Client(timeout=TIMEOUT, follow_redirects=True) as client:
        models = groups(files)
        if models:
            return Prospect(_gguf(reference, hub, snapshot, next(iter(models.values())), client), wanted)
        return Prospect(_folder(reference, hub, snapshot, files, client), wanted)


def _web(reference: ModelRef, *, loopback: bool) -> InstalledModel:
    """Of a GGUF file on a web server, of which no other addresses are asked than downloads may ask."""
    with web_client(loopback=loopback and is_loopback(reference.repo)) as client:
        file = RemoteFile(reference.repo, {}, client, reference.name)
        header = read_header(file, reference.name)
        shape, able = gguf_model.shape(header), gguf_model.capabilities(header)
        return _installable(reference, Format.GGUF, file.seek(0, os.SEEK_END), shape, able)


def _gguf(
    reference: ModelRef, hub: Hub, snapshot: Snapshot, parts: Sequence[HubFile], client: httpx2.Client
) -> InstalledModel:
    def header(file: HubFile) -> Header:
        try:
            return read_remote(hub.address(snapshot, file), hub.headers(), client, file.name)
        except GatedModel:
            raise gated(reference.repo, hub.endpoint) from None

    first, weights = header(parts[0]), [file for file in parts if not is_projector(file.name)]
    shape, able = gguf_model.shape(first), gguf_model.capabilities(first)
    beside = parts[-1] if parts[-1] not in weights and Capability.GENERATE in able else None
    if beside is not None and (seen := _vision(header, beside, shape)) is not None:
        shape, able = shape.model_copy(update={"vision": seen}), (*able, Capability.VISION)
        weights.append(beside)
    return _model(reference, Format.GGUF, weights, shape, able)


def _vision(header: Callable[[HubFile], Header], beside: HubFile, shape: ModelShape) -> VisionShape | None:
    """A model whose projector is damaged writes, as it does once it is installed."""
    try:
        return vision(header(beside), shape.hidden)
    except InvalidInput:
        return None


def _folder(
    reference: ModelRef, hub: Hub, snapshot: Snapshot, files: Sequence[HubFile], client: httpx2.Client
) -> InstalledModel:
    weights = [file for file in files if file.name.endswith(".safetensors")]
    if not weights:
        binaries = [file for file in files if file.name == "model.bin"]
        return _model(reference, Format.CTRANSLATE2, binaries, ModelShape(), (Capability.TRANSCRIBE,))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _small_files(folder, hub, snapshot, files, client)
        config = transformers_config.read_json(folder / "config.json")
        able = transformers_config.capabilities(config, folder)
        return _model(reference, Format.SAFETENSORS, weights, transformers_config.shape(config), able)


def _small_files(folder: Path, hub: Hub, snapshot: Snapshot, files: Sequence[HubFile], client: httpx2.Client) -> None:
    """The config itself; of the files whose presence means something only the names."""
    for file in files:
        if file.name == "modules.json":
            (folder / file.name).touch()
        if file.name == "config.json" and file.size <= _LARGEST_CONFIG:
            (folder / file.name).write_bytes(_get(hub, snapshot, file, client))


def _get(hub: Hub, snapshot: Snapshot, file: HubFile, client: httpx2.Client) -> bytes:
    try:
        answer = client.get(hub.address(snapshot, file), headers=hub.headers())
        if answer.status_code in (401, 403):
            raise hub.forbidden(snapshot.repo, answer)
        answer.raise_for_status()
    except httpx2.HTTPError as error:
        raise Unavailable(f"{hub.endpoint} did not give config.json", str(error), "try again later") from error
    return answer.content


def _model(
    reference: ModelRef, kind: Format, weights: Sequence[HubFile], shape: ModelShape, able: tuple[Capability, ...]
) -> InstalledModel:
    return _installable(reference, kind, sum(file.size for file in weights), shape, able)


def _installable(
    reference: ModelRef, kind: Format, size: int, shape: ModelShape, able: tuple[Capability, ...]
) -> InstalledModel:
    return InstalledModel(
        id="",
        name=reference.name,
        format=kind,
        path="",
        size=Bytes(size),
        context=shape.context,
        capabilities=able,
        shape=shape,
    )
