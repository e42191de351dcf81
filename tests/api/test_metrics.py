"""What a scrape asks of the database."""

from __future__ import annotations

from api.metrics import Tables
from shared.db import Database
from tests.scheduler.rows import add_jobs


def test_the_longer_a_walk_over_whole_tables_takes_the_longer_it_is_good_enough(database: Database) -> None:
    moments = iter([0.0, 3.0, 62.9, 63.0, 63.1, 73.0, 73.1, 73.2])
    tables = Tables(database, lambda: next(moments))

    def jobs() -> float:
        with database.write() as session:
            add_jobs(session)
        [family] = [family for family in tables.collect() if family.name == "cidermill_jobs"]
        return sum(sample.value for sample in family.samples)

    assert [jobs() for _ in range(4)] == [1, 1, 3, 3]
    assert jobs() == 5
