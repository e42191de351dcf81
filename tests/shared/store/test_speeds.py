"""The last few transfers of a host tell how fast the next will be; on both databases."""

from __future__ import annotations

import pytest

from shared.db import Database
from shared.protocol import Transfer
from shared.store import speeds
from shared.store.speeds import LAST, LEAST
from shared.units import MIB
from shared.vocabulary import Source
from tests.scheduler.rows import add_host


@pytest.fixture(autouse=True)
def hosts(database: Database) -> None:
    with database.write() as session:
        add_host(session, "mini")
        add_host(session, "studio")


def came(database: Database, rate: float, source: str = "peer", host: str = "mini", size: int = 100 * MIB) -> None:
    with database.write() as session:
        speeds.note(session, host, [Transfer(source=source, bytes=size, seconds=size / rate)])


def known(database: Database) -> dict[tuple[str, Source], float]:
    with database.read() as session:
        return speeds.read_speeds(session.connection())


def test_a_host_learns_each_kind_of_source_by_itself(database: Database) -> None:
    came(database, 10.0)
    came(database, 2.0, "hub")
    came(database, 7.0, host="studio")
    assert known(database) == {
        ("mini", Source.PEER): pytest.approx(10.0),
        ("mini", Source.HUB): pytest.approx(2.0),
        ("studio", Source.PEER): pytest.approx(7.0),
    }


def test_one_odd_transfer_changes_little_and_old_ones_are_forgotten(database: Database) -> None:
    for rate in (10.0, 11.0, 1000.0):
        came(database, rate)
    assert known(database)["mini", Source.PEER] == pytest.approx(11.0)
    for _ in range(LAST):
        came(database, 3.0)
    assert known(database)["mini", Source.PEER] == pytest.approx(3.0)


@pytest.mark.parametrize(
    "transfer",
    [
        Transfer(source="hub", bytes=LEAST - 1, seconds=0.1),
        Transfer(source="hub", bytes=LEAST, seconds=0.0),
        Transfer(source="pigeon", bytes=LEAST, seconds=1.0),
    ],
)
def test_what_tells_nothing_is_not_kept(database: Database, transfer: Transfer) -> None:
    with database.write() as session:
        speeds.note(session, "mini", [transfer])
    assert known(database) == {}
