"""Two hosts with caches of their own: the second fetches from the first, not from the hub.

One fleet serves all tests but those that end a part of it, so each has models of its own, alike in nothing: what a host
has under another name is not fetched.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared.tables import Host
from shared.units import format_bytes
from tests.handmade import gguf
from tests.hub import Fault, HubServer, running_hub
from tests.local_models import ORIGINALS, only_on
from tests.models import random_llama, smollm2
from tests.relay import Mishap, Relay, relaying
from tests.stack import Stack, running
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.model]

_HOSTS = ("alpha", "beta")


@contextmanager
def _fleet(folder: Path, hub: HubServer) -> Iterator[Stack]:
    """Hosts that share nothing but the machine; what host `x` has is below `folder/x`."""
    own = {host: {"HF_HUB_CACHE": str(folder / host / "hub"), "CIDERMILL_HOME": str(folder / host)} for host in _HOSTS}
    environment = {"HF_ENDPOINT": hub.url, "CIDERMILL_DRAIN_SECONDS": "1"}
    options: dict[str, Any] = {"runtimes": '["store"]', "environment": environment, "own_environment": own}
    with running(folder / "mill", hosts=_HOSTS, **options) as stack:
        yield stack


@pytest.fixture(scope="module")
def one_hub() -> Iterator[HubServer]:
    with running_hub() as hub:
        yield hub


@pytest.fixture
def hub(one_hub: HubServer) -> Iterator[HubServer]:
    """The hub of all tests; after each it is well again."""
    yield one_hub
    one_hub.info_faults.clear()
    one_hub.always = Fault()


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each host."""
    return tmp_path_factory.mktemp("hosts")


@pytest.fixture(scope="module")
def stack(homes: Path, one_hub: HubServer) -> Iterator[Stack]:
    with _fleet(homes, one_hub) as stack:
        yield stack


def _publish(hub: HubServer, model: str, folder: Path, seed: int) -> None:
    tiny = Path(random_llama(folder, seed).path)
    hub.add(model, {file.name: file.read_bytes() for file in tiny.iterdir()})


def _weights(seed: int, megabytes: int = 3) -> bytes:
    return gguf() + random.Random(seed).randbytes(1_000_003) * megabytes


def _files(home: Path, model: str) -> dict[str, bytes]:
    """What the host there has of a model of the hub."""
    snapshots = (home / "hub" / f"models--{model.replace('/', '--')}").glob("snapshots/*/*")
    return {path.name: path.read_bytes() for path in snapshots}


def _install(stack: Stack, model: str, host: str, **more: Any) -> str:
    return str(stack.post("/v1/models/install", {"model": model, "host": host, **more})["id"])


def _asked(hub: HubServer) -> list[str]:
    """The files that were asked of the hub."""
    return [seen.path for seen in hub.content_requests() if "/resolve/" in seen.path or "/cdn/" in seen.path]


def _there(stack: Stack, name: str) -> dict[str, str]:
    """Where the model lies, by host."""
    return {install["host"]: install["path"] for install in stack.get(f"/v1/models/{name}")["installs"]}


def _contents(path: Path) -> dict[str, bytes]:
    """Of a folder, or of the folder that a file lies in."""
    folder = path.parent if path.is_file() else path
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _coming(folder: Path) -> int:
    """Bytes of what is on its way there."""
    return sum(path.stat().st_size for path in folder.rglob("*.partial"))


@contextmanager
def _halting(stack: Stack, host: str, after: int) -> Iterator[Relay]:
    """What the host serves stops after so many bytes, until there are no mishaps any more."""
    with stack.database.read() as session:
        address = session.get_one(Host, host).peer_url or ""
    with relaying(urlsplit(address).port or 0) as relay:
        # Who is patient hears a little more each time.
        relay.mishaps.extend([Mishap(stall=after), *[Mishap(stall=1000)] * 100])
        _serve_at(stack, host, relay.url)
        yield relay
    _serve_at(stack, host, address)


def _serve_at(stack: Stack, host: str, address: str) -> None:
    with stack.database.write() as session:
        session.get_one(Host, host).peer_url = address


def _log(stack: Stack, job_id: str) -> str:
    return stack.http.get(f"/v1/jobs/{job_id}/logs").text


def test_the_second_install_costs_the_hub_no_file_bytes(
    stack: Stack, hub: HubServer, homes: Path, tmp_path: Path
) -> None:
    _publish(hub, "org/tiny", tmp_path, seed=1)
    assert stack.wait(_install(stack, "org/tiny", "alpha"))["state"] == "succeeded"
    asked, sent = _asked(hub), hub.sent
    assert sent > 0
    job = stack.wait(_install(stack, "org/tiny", "beta"))
    assert job["state"] == "succeeded", job
    assert (_asked(hub), hub.sent) == (asked, sent)
    assert "came from alpha" in _log(stack, job["id"])
    assert _files(homes / "beta", "org/tiny") == _files(homes / "alpha", "org/tiny") == _contents(tmp_path)
    model = stack.get("/v1/models/org/tiny")
    assert model["hosts"] == ["alpha", "beta"]


def test_an_install_completes_from_a_host_while_the_hub_is_away(
    stack: Stack, hub: HubServer, homes: Path, tmp_path: Path
) -> None:
    _publish(hub, "org/remembered", tmp_path, seed=2)
    assert stack.wait(_install(stack, "org/remembered", "alpha"))["state"] == "succeeded"
    sent = hub.sent
    hub.info_faults.extend([Fault(status=503)] * 100)
    hub.always = Fault(status=503)
    job = stack.wait(_install(stack, "org/remembered", "beta"))
    assert job["state"] == "succeeded", job
    assert hub.sent == sent
    assert "which the catalog knows" in _log(stack, job["id"])
    assert _files(homes / "beta", "org/remembered") == _files(homes / "alpha", "org/remembered") == _contents(tmp_path)
    assert stack.get("/v1/models/org/remembered")["hosts"] == ["alpha", "beta"]


def test_a_web_address_is_asked_once_for_the_fleet(stack: Stack, hub: HubServer) -> None:
    hub.files["web.gguf"] = (_weights(3), '"v1"')
    address = f"url:{hub.url}/files/web.gguf"
    assert stack.wait(_install(stack, address, "alpha"))["state"] == "succeeded"
    asked = hub.content_requests()
    job = stack.wait(_install(stack, "web", "beta"))
    assert job["state"] == "succeeded", job
    assert hub.content_requests() == asked, _log(stack, job["id"])
    assert "came from alpha" in _log(stack, job["id"])
    model = stack.get("/v1/models/web")
    assert (model["hosts"], model["reference"]) == (["alpha", "beta"], address)


def test_the_web_gives_what_no_host_can(stack: Stack, hub: HubServer) -> None:
    hub.files["lost.gguf"] = (_weights(4), '"v1"')
    assert stack.wait(_install(stack, f"url:{hub.url}/files/lost.gguf", "alpha"))["state"] == "succeeded"
    Path(_there(stack, "lost")["alpha"]).unlink()
    asked = len(hub.content_requests())
    job = stack.wait(_install(stack, "lost", "beta"))
    assert job["state"] == "succeeded", job
    assert len(hub.content_requests()) > asked
    assert "fetching it from the web" in _log(stack, job["id"])


@pytest.mark.parametrize("kind", ORIGINALS)
def test_a_local_model_is_copied_checked_and_deleted(kind: str, stack: Stack, homes: Path, tmp_path: Path) -> None:
    original, name = ORIGINALS[kind](tmp_path / "disk"), f"a-{kind}"
    assert stack.wait(_install(stack, f"local:{original}", "alpha", name=name))["state"] == "succeeded"
    only_on(stack, "alpha", original, name)
    job = stack.wait(stack.submit("download", model=name, host="beta"))
    assert job["state"] == "succeeded", job
    there = {host: Path(path) for host, path in _there(stack, name).items()}
    copies = homes / "beta" / "data" / "models" / "copies"
    assert there["beta"].is_relative_to(copies)
    copied, held = _contents(there["beta"]), _contents(there["alpha"])
    assert copied == {file: held[file] for file in copied}
    assert len(copied) == len(stack.get(f"/v1/models/{name}")["artifacts"])
    checked = stack.wait(stack.submit("verify", model=name, host="beta"))
    assert checked["result"]["damaged"] == []
    stack.http.delete(f"/v1/models/{name}").raise_for_status()
    eventually(lambda: not copies.exists())
    assert _contents(there["alpha"]) == held


def test_what_changed_on_a_hosts_disk_is_never_taken_for_what_it_was(stack: Stack, homes: Path, tmp_path: Path) -> None:
    original = tmp_path / "disk" / "changed.gguf"
    original.parent.mkdir()
    original.write_bytes(_weights(5))
    assert stack.wait(_install(stack, f"local:{original}", "alpha"))["state"] == "succeeded"
    held = only_on(stack, "alpha", original, "changed")
    changed = bytearray(held.read_bytes())
    changed[-1] ^= 1
    held.write_bytes(changed)
    job = stack.wait(stack.submit("download", model="changed", host="beta"))
    assert (job["state"], job["error"]["code"]) == ("failed", "checksum_mismatch"), job
    assert _there(stack, "changed").keys() == {"alpha"}
    assert not list((homes / "beta" / "data" / "models").rglob("changed.gguf"))


def test_a_local_model_without_a_host_that_has_it_fails_and_says_why(stack: Stack, tmp_path: Path) -> None:
    job = stack.wait(_install(stack, f"local:{tmp_path / 'nowhere'}", "beta"))
    assert (job["state"], job["error"]["code"]) == ("failed", "invalid_input")
    assert "no other host" in job["error"]["why"]


def test_a_copy_goes_on_where_a_killed_worker_left_it(stack: Stack, homes: Path, tmp_path: Path) -> None:
    original = tmp_path / "disk" / "large.gguf"
    original.parent.mkdir()
    original.write_bytes(_weights(6, megabytes=20))
    assert stack.wait(_install(stack, f"local:{original}", "alpha"))["state"] == "succeeded"
    held = only_on(stack, "alpha", original, "large")
    copies = homes / "beta" / "data" / "models" / "copies"
    with _halting(stack, "alpha", after=12_000_000) as relay:
        job_id = stack.submit("download", model="large", host="beta")
        eventually(lambda: _coming(copies) > 10_000_000)
        stack.kill_worker("store", "beta")
        kept = _coming(copies)
        relay.mishaps.clear()
        job = stack.wait(job_id, 90)
    assert job["state"] == "succeeded", job
    assert job["crashes"] == 1
    assert Path(_there(stack, "large")["beta"]).read_bytes() == held.read_bytes()
    assert 0 < kept < held.stat().st_size
    assert f"{format_bytes(held.stat().st_size - kept)} came from alpha" in _log(stack, job_id)


def test_a_peer_that_dies_midway_is_replaced_by_the_hub(hub: HubServer, tmp_path: Path) -> None:
    weights = Path(smollm2().path)
    hub.add("org/smol", {"smol.Q4_1.gguf": weights, "README.md": b"# Smol"})
    with _fleet(tmp_path, hub) as stack:
        assert stack.wait(_install(stack, "org/smol", "alpha"))["state"] == "succeeded"
        sent = hub.sent
        partial = tmp_path / "beta" / "hub" / "models--org--smol" / "blobs"
        with _halting(stack, "alpha", after=2 << 20):
            job_id = _install(stack, "org/smol", "beta")
            eventually(lambda: any(f.stat().st_size > 1 << 20 for f in partial.glob("*.incomplete")))
            stack.kill("alpha")
        job = stack.wait(job_id)
        assert job["state"] == "succeeded", job
        assert _files(tmp_path / "beta", "org/smol") == _files(tmp_path / "alpha", "org/smol")
        assert 0 < hub.sent - sent < weights.stat().st_size


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
