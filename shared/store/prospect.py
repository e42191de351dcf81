"""A model that nobody has yet, as its metadata describes it: nothing but headers is fetched."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx2

from shared import gguf_model, transformers_config
from shared.downloads.transfer import TIMEOUT
from shared.errors import InvalidParameters, Unavailable
from shared.gguf_remote import read_remote
from shared.hub import Hub, HubFile, Snapshot
from shared.hub_choice import choose, groups
from shared.references import ModelRef
from shared.runtimes import InstalledModel, ModelShape
from shared.units import MIB, Bytes
from shared.vocabulary import Capability, Format, Provider

_LARGEST_CONFIG = 16 * MIB


def prospect(reference: ModelRef, hub: Hub) -> InstalledModel:
    """What a download of `reference` would install, with its shape; its id and path are empty.

    Reads the hub's list of files, and a GGUF header by ranges or a config.json. Raises NotFound, GatedModel,
    Unavailable, DownloadFailed, InvalidInput; InvalidParameters for models that are on no hub.
    """
    if reference.provider is not Provider.HF:
        raise InvalidParameters(
            f"Nothing is known of {reference} before it is installed",
            "only repositories of the hub tell what they hold",
            "install it first: cidermill models pull " + str(reference),
        )
    snapshot = hub.snapshot(reference.repo, reference.revision)
    files = choose(snapshot, reference.file)
    with httpx2.Client(timeout=TIMEOUT, follow_redirects=True) as client:
        models = groups(files)
        if models:
            return _gguf(reference, hub, snapshot, next(iter(models.values())), client)
        return _folder(reference, hub, snapshot, files, client)


def _gguf(
    reference: ModelRef, hub: Hub, snapshot: Snapshot, parts: Sequence[HubFile], client: httpx2.Client
) -> InstalledModel:
    header = read_remote(hub.address(snapshot, parts[0]), hub.headers(), client, parts[0].name)
    return _model(reference, Format.GGUF, parts, gguf_model.shape(header), gguf_model.capabilities(header))


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
            (folder / file.name).write_bytes(_get(hub, hub.address(snapshot, file), client))


def _get(hub: Hub, url: str, client: httpx2.Client) -> bytes:
    try:
        answer = client.get(url, headers=hub.headers())
        answer.raise_for_status()
    except httpx2.HTTPError as error:
        raise Unavailable(f"{hub.endpoint} did not give config.json", str(error), "try again later") from error
    return answer.content


def _model(
    reference: ModelRef, kind: Format, weights: Sequence[HubFile], shape: ModelShape, able: tuple[Capability, ...]
) -> InstalledModel:
    return InstalledModel(
        id="",
        name=reference.name,
        format=kind,
        path="",
        size=Bytes(sum(file.size for file in weights)),
        context=shape.context,
        capabilities=able,
        shape=shape,
    )
