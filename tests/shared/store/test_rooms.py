"""The outlook of a model on the hosts of a fleet, from the rows."""

from __future__ import annotations

from sqlalchemy import insert

from shared import catalog
from shared.db import Database, clock_time
from shared.runtimes import RunSpec
from shared.store.disks import of_model
from shared.store.outlook import Fits
from shared.store.rooms import outlooks
from shared.tables import Quarantine
from tests.scheduler.rows import add_host, add_model


def test_a_model_does_not_fit_where_it_is_barred_until_it_is_let_in(database: Database) -> None:
    with database.write() as session:
        add_host(session, "studio", 64)
        add_host(session, "mini", 16)
        add_model(session, "qwen", 4, "studio", "mini")
        reason = {"model_id": "qwen", "host": "studio", "reason": "it crashed there 5 times", "since": 0.0}
        session.execute(insert(Quarantine), [reason | {"since": clock_time(session)}])
    with database.read() as session:
        row = catalog.find(session, "qwen")
        first, second = outlooks(session, catalog.installed(row, None), RunSpec(), of_model(row))
    assert (first.host, first.fits) == ("mini", Fits.NOW)
    assert (second.host, second.fits) == ("studio", Fits.LATER)
    assert "barred from it: it crashed there 5 times" in second.reason
