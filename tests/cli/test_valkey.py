"""The embedded Valkey keeps its data, its password and nobody's port."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from cli.embedded import valkey
from cli.embedded.pidfile import PidFile
from cli.embedded.valkey import EmbeddedValkey
from shared.broker.connection import connect
from shared.errors import ConfigError, Unavailable
from tests.ports import own_port
from tests.waiting import eventually

START_AND_DIE = """
import os, sys
from pathlib import Path
from cli.embedded.valkey import EmbeddedValkey
server = EmbeddedValkey(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[psutil.Process]:
    """A server in `tmp_path / "valkey"` whose parent was killed."""
    parent = subprocess.run(
        [sys.executable, "-c", START_AND_DIE, str(tmp_path / "valkey")], capture_output=True, text=True, check=False
    )
    assert parent.returncode == -signal.SIGKILL, parent.stderr
    process = psutil.Process(int(parent.stdout))
    yield process
    if process.is_running():
        process.kill()


def put(server: EmbeddedValkey, key: str) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.set(key, 1)


def has(server: EmbeddedValkey, key: str) -> bool:
    with redis.Redis.from_url(server.url) as client:
        return bool(client.exists(key))


def port_of(server: EmbeddedValkey) -> int:
    return int(server.url.rsplit(":", 1)[1].split("/")[0])


def test_it_asks_for_its_password(own_valkey: EmbeddedValkey) -> None:
    with connect(f"redis://127.0.0.1:{port_of(own_valkey)}", 60) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_its_password_is_for_the_owner_only(own_valkey: EmbeddedValkey, tmp_path: Path) -> None:
    path = tmp_path / "valkey" / "password"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() not in " ".join(psutil.Process(own_valkey.pid).cmdline())
    others = [file for file in (tmp_path / "valkey").rglob("*") if file.is_file() and file != path]
    assert not any(path.read_bytes() in file.read_bytes() for file in others)


def test_it_listens_on_loopback_only(own_valkey: EmbeddedValkey) -> None:
    listening = psutil.Process(own_valkey.pid).net_connections("inet")
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}


def test_starting_it_twice_is_starting_it_once(own_valkey: EmbeddedValkey) -> None:
    before = own_valkey.pid
    assert own_valkey.start() == own_valkey.url
    assert own_valkey.pid == before


def test_data_and_address_survive_a_stop(own_valkey: EmbeddedValkey) -> None:
    put(own_valkey, "kept")
    url = own_valkey.url
    own_valkey.stop()
    assert own_valkey.pid is None
    assert own_valkey.start() == url
    assert has(own_valkey, "kept")


def test_data_survives_a_kill(own_valkey: EmbeddedValkey) -> None:
    put(own_valkey, "kept")
    with redis.Redis.from_url(own_valkey.url) as client:
        assert client.waitaof(1, 0, 60_000)[0] == 1
    psutil.Process(own_valkey.pid).kill()
    eventually(lambda: not own_valkey.alive())
    own_valkey.start()
    assert has(own_valkey, "kept")


def test_a_server_whose_parent_was_killed_is_taken_over(
    orphan: psutil.Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey, "_ADOPT_TIMEOUT", 60.0)
    server = EmbeddedValkey(tmp_path / "valkey")
    server.start()
    assert server.pid == orphan.pid
    server.stop()
    assert not orphan.is_running()


def test_an_orphan_on_another_port_is_replaced(orphan: psutil.Process, tmp_path: Path) -> None:
    first = EmbeddedValkey(tmp_path / "valkey")
    first.start()
    put(first, "kept")
    wanted = own_port()
    second = EmbeddedValkey(tmp_path / "valkey", wanted)
    second.start()
    assert not orphan.is_running()
    assert port_of(second) == wanted
    assert has(second, "kept")
    second.stop()


def test_an_orphan_that_hangs_is_replaced(orphan: psutil.Process, tmp_path: Path) -> None:
    orphan.suspend()
    server = EmbeddedValkey(tmp_path / "valkey")
    server.start()
    assert server.pid != orphan.pid
    assert not orphan.is_running()
    server.stop()


def test_a_process_that_took_over_the_number_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "valkey"
    folder.mkdir()
    pid_file = PidFile(folder / "valkey.pid")
    pid_file.write(os.getpid(), 1)
    record = pid_file.read()
    assert record is not None
    (folder / "valkey.pid").write_text(record.model_copy(update={"birth": "another"}).model_dump_json())
    server = EmbeddedValkey(folder)
    server.start()
    assert server.pid != os.getpid()
    server.stop()


@pytest.mark.parametrize("content", ["", "12", '{"pid": "x"}'])
def test_a_spoilt_pid_file_is_no_obstacle(tmp_path: Path, content: str) -> None:
    (tmp_path / "valkey.pid").write_text(content)
    server = EmbeddedValkey(tmp_path)
    server.start()
    assert server.alive()
    server.stop()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=str(port)):
            EmbeddedValkey(tmp_path, port).start()


def test_a_server_that_cannot_start_says_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valkey, "_START_TIMEOUT", 600.0)
    (tmp_path / "appendonlydir").write_text("a file where the folder should be")
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"appendonlydir|append") as raised:
        EmbeddedValkey(tmp_path).start()
    assert time.monotonic() - began < 60
    assert "valkey.log" in raised.value.problem.fix
