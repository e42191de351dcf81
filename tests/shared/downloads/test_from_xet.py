"""Downloads through the real `hf_xet`, from a store of its own kind in a folder."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from shared.downloads.throttle import Throttle
from shared.errors import Cancelled, ChecksumMismatch
from shared.kinds.download import Download
from tests.handmade import gguf
from tests.hub import TOKEN, HubServer, Repository, running_hub
from tests.store_context import StoreContext

MODEL = gguf() + random.Random(7).randbytes(24 << 20)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The address of a Xet store that holds the model, and the model's name in it."""
    folder = tmp_path_factory.mktemp("xet")
    (folder / "model.gguf").write_bytes(MODEL)
    address = f"local://{folder / 'store'}"
    commit = import_module("hf_xet").XetSession().new_upload_commit(endpoint=address)
    commit.start_upload_file(str(folder / "model.gguf"))
    (upload,) = commit.wait_to_finish().uploads.values()
    return address, upload.xet_info.hash


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with running_hub() as server:
        yield server


@pytest.fixture
def repository(hub: HubServer, store: tuple[str, str]) -> Repository:
    repository = hub.add("org/xet", {"model.gguf": MODEL})
    repository.xet_store, repository.xet["model.gguf"] = store
    return repository


@pytest.fixture
def context(tmp_path: Path, hub: HubServer) -> StoreContext:
    return StoreContext(tmp_path, hub.url, token=TOKEN)


def fetch(context: StoreContext) -> Path:
    (record,) = Download(model="org/xet").run(context).installs
    return Path(record.path)


def partial(context: StoreContext) -> Path:
    name = f"{hashlib.sha256(MODEL).hexdigest()}.cidermill.incomplete"
    return context.folder / "hub" / "models--org--xet" / "blobs" / name


def test_a_file_of_the_xet_store_comes_from_there(
    context: StoreContext, hub: HubServer, repository: Repository
) -> None:
    assert fetch(context).read_bytes() == MODEL
    assert hub.sent == 0
    assert (context.reports[-1].done, context.reports[-1].total) == (len(MODEL), len(MODEL))
    told = [seen for seen in hub.seen if "xet-read-token" in seen.path]
    assert [seen.authorization for seen in told] == [f"Bearer {TOKEN}"]


def test_it_goes_on_at_any_byte(context: StoreContext, hub: HubServer, repository: Repository) -> None:
    partial(context).parent.mkdir(parents=True)
    partial(context).write_bytes(MODEL[:12_345_678])
    assert fetch(context).read_bytes() == MODEL
    assert hub.sent == 0


def test_a_cancelled_one_ends_before_the_rest_comes_and_keeps_what_came(
    context: StoreContext, hub: HubServer, repository: Repository
) -> None:
    context.throttle = Throttle(1_000_000)

    def cancel_once_something_came() -> None:
        if context.reports[-1].done:
            context.cancelled.set()

    context.reported = cancel_once_something_came
    with pytest.raises(Cancelled):
        fetch(context)
    assert len(MODEL) > partial(context).stat().st_size >= context.reports[-1].done > 0
    context.reported = lambda: None
    context.cancelled.clear()
    context.throttle = Throttle()
    assert fetch(context).read_bytes() == MODEL
    assert hub.sent == 0


def test_a_store_that_fails_is_left_for_plain_http_where_it_stopped(
    context: StoreContext, hub: HubServer, repository: Repository, tmp_path: Path
) -> None:
    repository.xet_store = f"local://{tmp_path / 'nothing'}"
    partial(context).parent.mkdir(parents=True)
    partial(context).write_bytes(MODEL[:20_000_000])
    assert fetch(context).read_bytes() == MODEL
    assert hub.sent == len(MODEL) - 20_000_000
    assert any("plain HTTP" in line for line in context.lines)


def test_wrong_bytes_of_the_store_never_enter_the_cache(
    context: StoreContext, hub: HubServer, repository: Repository
) -> None:
    damaged = MODEL[:-1] + bytes([MODEL[-1] ^ 1])
    hub.add("org/xet", {"model.gguf": damaged}).xet = repository.xet
    hub.repositories["org/xet"].xet_store = repository.xet_store
    with pytest.raises(ChecksumMismatch):
        fetch(context)
    assert [path for path in context.folder.rglob("*") if path.is_file()] == []


def test_it_can_be_turned_off(
    context: StoreContext, hub: HubServer, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    assert fetch(context).read_bytes() == MODEL
    assert hub.sent == len(MODEL)


def test_the_token_goes_to_no_other_address(context: StoreContext, hub: HubServer, repository: Repository) -> None:
    with running_hub() as elsewhere:
        hub.xet_tokens_at = elsewhere.url
        assert fetch(context).read_bytes() == MODEL
        assert elsewhere.seen == []
    assert hub.sent == len(MODEL)
