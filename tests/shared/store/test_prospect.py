"""What a model would be, from a few bytes of its metadata."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.errors import GatedModel, InvalidInput, InvalidParameters, NotFound, Unavailable
from shared.hub import Hub
from shared.references import ModelRef
from shared.runtimes import InstalledModel
from shared.store.prospect import prospect
from shared.units import MIB
from shared.vocabulary import Capability, Format
from tests.handmade import LLAMA, gguf, projector, safetensors
from tests.hub import TOKEN, Fault, HubServer, running_hub

WEIGHTS = gguf(data=4 * MIB)
BERT = gguf({key.replace("llama", "bert"): value for key, value in LLAMA.items()} | {"general.architecture": "bert"})
CONFIG = b'{"model_type": "llama", "num_hidden_layers": 4, "hidden_size": 64, "num_attention_heads": 8}'


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running_hub() as hub:
        yield hub


def seen(hub: HubServer, reference: str, token: str | None = None, *, loopback: bool = True) -> InstalledModel:
    return prospect(ModelRef.parse(reference), Hub(hub.url, token), loopback=loopback).model


def test_a_gguf_of_the_hub_is_known_by_its_header(hub: HubServer) -> None:
    hub.add("org/name", {"m.gguf": WEIGHTS})
    found = seen(hub, "org/name")
    assert (found.format, found.size, found.context) == (Format.GGUF, len(WEIGHTS), LLAMA["llama.context_length"])
    assert found.capabilities == (Capability.GENERATE,)
    assert hub.sent <= MIB


def test_what_comes_with_a_projector_is_known_to_see(hub: HubServer) -> None:
    beside = projector(LLAMA["llama.embedding_length"])
    hub.add("org/name", {"m.gguf": WEIGHTS, "mmproj-F16.gguf": beside})
    found = seen(hub, "org/name")
    assert (found.size, found.capabilities) == (len(WEIGHTS) + len(beside), (Capability.GENERATE, Capability.VISION))
    assert found.shape.vision is not None


@pytest.mark.parametrize(
    ("weights", "beside", "able"),
    [
        (WEIGHTS, projector(7), Capability.GENERATE),
        (WEIGHTS, b"GGUF and nothing else", Capability.GENERATE),
        (BERT, projector(LLAMA["llama.embedding_length"]), Capability.EMBED),
    ],
    ids=["another width", "damaged", "embeds"],
)
def test_a_projector_that_no_model_sees_with_is_not_counted(
    hub: HubServer, weights: bytes, beside: bytes, able: Capability
) -> None:
    hub.add("org/other", {"m.gguf": weights, "mmproj-F16.gguf": beside})
    found = seen(hub, "org/other")
    assert (found.size, found.capabilities, found.shape.vision) == (len(weights), (able,), None)


def test_a_folder_of_the_hub_is_known_by_its_configuration(hub: HubServer) -> None:
    hub.add("org/name", {"model.safetensors": safetensors(MIB), "config.json": CONFIG})
    found = seen(hub, "org/name")
    assert (found.format, found.shape.layers) == (Format.SAFETENSORS, 4)
    assert hub.sent <= len(CONFIG)


def test_what_would_come_to_a_disk_is_every_file_of_it(hub: HubServer) -> None:
    files = {"model.safetensors": safetensors(MIB), "config.json": CONFIG, "tokenizer.json": b"{}"}
    commit = hub.add("org/name", {**files, "README.md": b"# Name"}).commit
    wanted = prospect(ModelRef.parse("org/name"), Hub(hub.url)).wanted
    assert wanted.files == {(name, len(content)) for name, content in files.items()}
    assert wanted.reference == ModelRef.parse(f"org/name@{commit}")


def test_a_file_on_a_web_server_is_known_by_its_header(hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS, None)
    found = seen(hub, f"url:{hub.url}/files/m.gguf")
    assert (found.format, found.size, found.shape.layers) == (Format.GGUF, len(WEIGHTS), LLAMA["llama.block_count"])
    assert hub.sent <= MIB


@pytest.mark.parametrize("files", [{"m.gguf": WEIGHTS}, {"model.safetensors": safetensors(), "config.json": CONFIG}])
def test_a_gated_model_says_where_its_licence_is(hub: HubServer, files: dict[str, bytes]) -> None:
    hub.add("org/name", files, gated=True)
    with pytest.raises(GatedModel) as caught:
        seen(hub, "org/name")
    assert f"{hub.url}/org/name" in caught.value.problem.fix
    assert seen(hub, "org/name", TOKEN).size > 0


def test_nobody_finds_out_what_answers_on_the_machine_of_the_front_door(hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS, None)
    with pytest.raises(InvalidInput, match=r"Nothing may be downloaded from 127\.0\.0\.1"):
        seen(hub, f"url:{hub.url}/files/m.gguf", loopback=False)
    assert hub.seen == []


def test_an_address_that_a_file_redirects_to_is_held_against_the_same_rules(hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS, None)
    hub.faults.append(Fault(status=302, headers={"Location": "http://10.0.0.1/m.gguf"}))
    with pytest.raises(InvalidInput, match=r"Nothing may be downloaded from 10\.0\.0\.1"):
        seen(hub, f"url:{hub.url}/files/m.gguf")


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("org/none", NotFound),
        ("local:/models/m.gguf", InvalidParameters),
        ("url:http://127.0.0.1:9/m.gguf", Unavailable),
    ],
)
def test_what_cannot_be_seen_says_why(hub: HubServer, reference: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        seen(hub, reference)


def test_a_page_instead_of_a_file_is_no_model(hub: HubServer) -> None:
    hub.files["m.gguf"] = (b"<html>sign in</html>", None)
    with pytest.raises(InvalidInput):
        seen(hub, f"url:{hub.url}/files/m.gguf")
