"""Two hosts with caches of their own: the second fetches from the first, not from the hub."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.units import format_bytes
from tests.handmade import gguf
from tests.hub import Fault, HubServer, running_hub
from tests.local_models import only_on
from tests.models import random_llama, smollm2, whisper_tiny
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.model, pytest.mark.timeout(180)]

_HOSTS = ("alpha", "beta")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with running_hub() as hub:
        tiny = Path(random_llama(tmp_path / "tiny").path)
        hub.add("org/tiny", {file.name: file.read_bytes() for file in tiny.iterdir()})
        hub.add("org/smol", {"smol.Q4_1.gguf": Path(smollm2().path).read_bytes(), "README.md": b"# Smol"})
        yield hub


@pytest.fixture
def stack(tmp_path: Path, hub: HubServer) -> Iterator[Stack]:
    own = {
        host: {"HF_HUB_CACHE": str(tmp_path / host / "hub"), "CIDERMILL_HOME": str(tmp_path / host)} for host in _HOSTS
    }
    environment = {"HF_ENDPOINT": hub.url, "CIDERMILL_DRAIN_SECONDS": "1"}
    options: dict[str, Any] = {"runtimes": '["store"]', "environment": environment, "own_environment": own}
    with running(tmp_path / "mill", hosts=_HOSTS, **options) as stack:
        yield stack


def _files(folder: Path) -> dict[str, bytes]:
    snapshots = folder.glob("models--*/snapshots/*/*")
    return {path.name: path.read_bytes() for path in snapshots}


def _install(stack: Stack, model: str, host: str) -> str:
    return str(stack.post("/v1/models/install", {"model": model, "host": host})["id"])


def _content(hub: HubServer) -> list[str]:
    """The files that were asked of the hub."""
    return [seen.path for seen in hub.content_requests() if "/resolve/" in seen.path or "/cdn/" in seen.path]


def _there(stack: Stack, name: str) -> dict[str, str]:
    """Where the model lies, by host."""
    return {install["host"]: install["path"] for install in stack.get(f"/v1/models/{name}")["installs"]}


def _gguf_file(folder: Path) -> Path:
    folder.mkdir()
    return Path(shutil.copy(smollm2().path, folder / "mine.gguf"))


def _safetensors_folder(folder: Path) -> Path:
    return Path(random_llama(folder / "babble").path)


def _gguf_parts(folder: Path) -> Path:
    folder.mkdir()
    for number in (3, 2, 1):
        part = folder / f"mine-{number:05}-of-00003.gguf"
        part.write_bytes(gguf(data=1 << 20) + random.Random(number).randbytes(1 << 20))
    return part


def _embedding_folder(folder: Path) -> Path:
    """With files in a folder of their own."""
    made = Path(random_llama(folder / "meaning").path)
    (made / "modules.json").write_text("[]")
    (made / "1_Pooling").mkdir()
    (made / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    return made


def _ctranslate2_folder(folder: Path) -> Path:
    return Path(shutil.copytree(whisper_tiny().path, folder / "ears"))


def _contents(path: Path) -> dict[str, bytes]:
    """Of a folder, or of the folder that a file lies in."""
    folder = path.parent if path.is_file() else path
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _coming(folder: Path) -> int:
    """Bytes of what is on its way there."""
    return sum(path.stat().st_size for path in folder.rglob("*.partial"))


def _log(stack: Stack, job_id: str) -> str:
    return stack.http.get(f"/v1/jobs/{job_id}/logs").text


def test_the_second_install_costs_the_hub_no_file_bytes(stack: Stack, hub: HubServer, tmp_path: Path) -> None:
    assert stack.wait(_install(stack, "org/tiny", "alpha"))["state"] == "succeeded"
    asked, sent = _content(hub), hub.sent
    job = stack.wait(_install(stack, "org/tiny", "beta"))
    assert job["state"] == "succeeded", job
    assert (_content(hub), hub.sent) == (asked, sent)
    assert "came from alpha" in _log(stack, job["id"])
    assert _files(tmp_path / "beta" / "hub") == _files(tmp_path / "alpha" / "hub")
    model = stack.get("/v1/models/org/tiny")
    assert model["hosts"] == ["alpha", "beta"]


def test_a_peer_that_dies_midway_is_replaced_by_the_hub(stack: Stack, hub: HubServer, tmp_path: Path) -> None:
    assert stack.wait(_install(stack, "org/smol", "alpha"))["state"] == "succeeded"
    sent = hub.sent
    partial = tmp_path / "beta" / "hub" / "models--org--smol" / "blobs"
    job_id = _install(stack, "org/smol", "beta")
    eventually(lambda: any(f.stat().st_size > 1 << 20 for f in partial.glob("*.incomplete")), 30)
    stack.kill("alpha")
    job = stack.wait(job_id)
    assert job["state"] == "succeeded", job
    assert _files(tmp_path / "beta" / "hub") == _files(tmp_path / "alpha" / "hub")
    assert 0 < hub.sent - sent < len(Path(smollm2().path).read_bytes())


def test_an_install_completes_from_a_host_while_the_hub_is_away(stack: Stack, hub: HubServer, tmp_path: Path) -> None:
    assert stack.wait(_install(stack, "org/tiny", "alpha"))["state"] == "succeeded"
    sent = hub.sent
    hub.info_faults.extend([Fault(status=503)] * 100)
    hub.always = Fault(status=503)
    job = stack.wait(_install(stack, "org/tiny", "beta"))
    assert job["state"] == "succeeded", job
    assert hub.sent == sent
    assert "which the catalog knows" in _log(stack, job["id"])
    assert _files(tmp_path / "beta" / "hub") == _files(tmp_path / "alpha" / "hub")
    assert stack.get("/v1/models/org/tiny")["hosts"] == ["alpha", "beta"]


def test_a_web_address_is_asked_once_for_the_fleet(stack: Stack, hub: HubServer) -> None:
    hub.files["smol.gguf"] = (Path(smollm2().path).read_bytes(), '"v1"')
    address = f"url:{hub.url}/files/smol.gguf"
    assert stack.wait(_install(stack, address, "alpha"))["state"] == "succeeded"
    asked = hub.content_requests()
    job = stack.wait(_install(stack, "smol", "beta"))
    assert job["state"] == "succeeded", job
    assert hub.content_requests() == asked
    assert "came from alpha" in _log(stack, job["id"])
    model = stack.get("/v1/models/smol")
    assert (model["hosts"], model["reference"]) == (["alpha", "beta"], address)


def test_the_web_gives_what_no_host_can(stack: Stack, hub: HubServer) -> None:
    hub.files["smol.gguf"] = (Path(smollm2().path).read_bytes(), '"v1"')
    assert stack.wait(_install(stack, f"url:{hub.url}/files/smol.gguf", "alpha"))["state"] == "succeeded"
    Path(_there(stack, "smol")["alpha"]).unlink()
    asked = len(hub.content_requests())
    job = stack.wait(_install(stack, "smol", "beta"))
    assert job["state"] == "succeeded", job
    assert len(hub.content_requests()) > asked
    assert "fetching it from the web" in _log(stack, job["id"])


@pytest.mark.parametrize("make", [_gguf_file, _gguf_parts, _safetensors_folder, _embedding_folder, _ctranslate2_folder])
def test_a_local_model_is_copied_checked_and_deleted(
    make: Callable[[Path], Path], stack: Stack, tmp_path: Path
) -> None:
    original = make(tmp_path / "disk")
    stack.wait(_install(stack, f"local:{original}", "alpha"))
    [name] = [model["id"] for model in stack.get("/v1/models")["data"] if model["id"] != "echo"]
    only_on(stack, "alpha", original)
    job = stack.wait(stack.submit("download", model=name, host="beta"))
    assert job["state"] == "succeeded", job
    there = {host: Path(path) for host, path in _there(stack, name).items()}
    assert there["beta"].is_relative_to(tmp_path / "beta" / "data" / "models" / "copies")
    copied, held = _contents(there["beta"]), _contents(there["alpha"])
    assert copied == {file: held[file] for file in copied}
    assert len(copied) == len(stack.get(f"/v1/models/{name}")["artifacts"])
    checked = stack.wait(stack.submit("verify", model=name, host="beta"))
    assert checked["result"]["damaged"] == []
    stack.http.delete(f"/v1/models/{name}").raise_for_status()
    eventually(lambda: not (tmp_path / "beta" / "data" / "models" / "copies").exists(), 30)
    assert _contents(there["alpha"]) == held


def test_a_copy_goes_on_where_a_killed_worker_left_it(stack: Stack, tmp_path: Path) -> None:
    original = tmp_path / "disk" / "large.gguf"
    original.parent.mkdir()
    original.write_bytes(gguf() + random.Random(1).randbytes(1_000_003) * 300)
    assert stack.wait(_install(stack, f"local:{original}", "alpha"))["state"] == "succeeded"
    held = only_on(stack, "alpha", original)
    copies = tmp_path / "beta" / "data" / "models" / "copies"
    job_id = stack.submit("download", model="large", host="beta")
    eventually(lambda: _coming(copies) > 10_000_000, 30)
    stack.kill_worker("store", "beta")
    kept = _coming(copies)
    job = stack.wait(job_id, 90)
    assert job["state"] == "succeeded", job
    assert (job["attempt"], Path(_there(stack, "large")["beta"]).read_bytes() == held.read_bytes()) == (2, True)
    assert 0 < kept < held.stat().st_size
    assert f"{format_bytes(held.stat().st_size - kept)} came from alpha" in _log(stack, job_id)


def test_what_changed_on_a_hosts_disk_is_never_taken_for_what_it_was(stack: Stack, tmp_path: Path) -> None:
    original = _gguf_file(tmp_path / "disk")
    assert stack.wait(_install(stack, f"local:{original}", "alpha"))["state"] == "succeeded"
    held = only_on(stack, "alpha", original)
    changed = bytearray(held.read_bytes())
    changed[-1] ^= 1
    held.write_bytes(changed)
    job = stack.wait(stack.submit("download", model="mine", host="beta"))
    assert (job["state"], job["error"]["code"]) == ("failed", "checksum_mismatch"), job
    assert _there(stack, "mine").keys() == {"alpha"}
    assert not list((tmp_path / "beta" / "data" / "models").rglob("mine.gguf"))


def test_a_local_model_without_a_host_that_has_it_fails_and_says_why(stack: Stack, tmp_path: Path) -> None:
    job = stack.wait(_install(stack, f"local:{tmp_path / 'nowhere'}", "beta"))
    assert (job["state"], job["error"]["code"]) == ("failed", "invalid_input")
    assert "no other host" in job["error"]["why"]


def test_what_other_programs_keep_is_known_when_an_agent_has_started(tmp_path: Path) -> None:
    home = tmp_path / "home"
    file = home / ".cache" / "llama.cpp" / "smol.gguf"
    file.parent.mkdir(parents=True)
    file.symlink_to(smollm2().path)
    own = {"alpha": {"HOME": str(home), "CIDERMILL_FIND_MODELS": "true", "HF_HUB_CACHE": str(tmp_path / "hub")}}
    unset = {"XDG_CACHE_HOME": "", "LLAMA_CACHE": "", "OLLAMA_MODELS": ""}
    with running(tmp_path / "mill", runtimes='["store"]', environment=unset, own_environment=own) as stack:
        eventually(lambda: [model["id"] for model in stack.get("/v1/models")["data"]] == ["echo", "smol"])
        [install] = stack.get("/v1/models/smol")["installs"]
        assert (install["source"], install["path"]) == ("llama.cpp", str(file))
