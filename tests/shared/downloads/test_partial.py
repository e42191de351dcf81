from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from shared.downloads.digest import feed, git_blob, sha256
from shared.downloads.interrupt import Interrupt, Interrupted
from shared.downloads.partial import Partial, opened
from shared.downloads.patience import Patience, persist
from shared.errors import ChecksumMismatch, DiskFull, DownloadFailed, InvalidInput


def test_bytes_written_in_two_lives_are_checked_as_one(tmp_path: Path) -> None:
    path, target = tmp_path / "growing", tmp_path / "whole"
    for piece in (b"first ", b"second"):
        with opened(path, target, sha256, Interrupt()) as growing:
            assert growing is not None
            growing.write(piece)
    with opened(path, target, sha256, Interrupt()) as growing:
        assert growing is not None
        assert growing.position == 12
        growing.complete(target, hashlib.sha256(b"first second").hexdigest())
    assert target.read_bytes() == b"first second"
    assert not path.exists()


def test_wrong_bytes_are_removed(tmp_path: Path) -> None:
    with opened(tmp_path / "growing", tmp_path / "whole", sha256, Interrupt()) as growing:
        assert growing is not None
        growing.write(b"wrong")
        with pytest.raises(ChecksumMismatch):
            growing.complete(tmp_path / "whole", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_waits_until_the_first_is_done(tmp_path: Path) -> None:
    path, target = tmp_path / "growing", tmp_path / "whole"
    seen: list[Partial | None] = []

    def second() -> None:
        with opened(path, target, sha256, Interrupt()) as growing:
            seen.append(growing)

    with opened(path, target, sha256, Interrupt()) as growing:
        assert growing is not None
        waiting = threading.Thread(target=second)
        waiting.start()
        growing.write(b"all")
        assert seen == []
        growing.complete(target, None)
    waiting.join(30)
    assert seen == [None]


def test_who_waits_for_another_writer_can_be_interrupted(tmp_path: Path) -> None:
    interrupt = Interrupt()
    with opened(tmp_path / "growing", tmp_path / "whole", sha256, Interrupt()):
        interrupt.set()
        with pytest.raises(Interrupted), opened(tmp_path / "growing", tmp_path / "whole", sha256, interrupt):
            pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is a Linux device")
def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "growing").touch()
    descriptor = os.open("/dev/full", os.O_RDWR)
    try:
        with pytest.raises(DiskFull):
            Partial(tmp_path / "growing", descriptor, sha256, Interrupt()).write(b"x")
    finally:
        os.close(descriptor)


def test_small_files_have_the_name_that_git_gives_them(tmp_path: Path) -> None:
    (tmp_path / "hello").write_bytes(b"hello\n")
    assert feed(git_blob(6), tmp_path / "hello").hexdigest() == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_progress_renews_the_patience() -> None:
    reached = iter(range(100))
    tries: list[int] = []

    def step() -> None:
        tries.append(1)
        if len(tries) < 12:
            raise DownloadFailed("It broke off")

    persist(step, Interrupt(), Patience(tries=2, first=0.001, longest=0.001), lambda: next(reached))
    assert len(tries) == 12


def test_what_cannot_be_helped_is_tried_once() -> None:
    tries: list[int] = []

    def step() -> None:
        tries.append(1)
        raise InvalidInput("It is no model")

    with pytest.raises(InvalidInput):
        persist(step, Interrupt(), Patience())
    assert len(tries) == 1


def test_waits_grow_with_jitter_up_to_a_limit() -> None:
    patience = Patience(first=1.0, longest=8.0)
    for failures, most in ((1, 1.0), (2, 2.0), (3, 4.0), (9, 8.0)):
        assert all(most / 2 <= patience.delay(failures, None) <= most for _ in range(20))
    assert 5.0 <= patience.delay(1, 5.0) <= 6.0
