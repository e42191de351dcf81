"""What a submission becomes."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from shared import catalog, hosts
from shared.db import Database
from shared.errors import InvalidParameters
from shared.host_address import Origin
from shared.jobs.intake import Intake, Submission
from shared.protocol import Register
from shared.runtimes import RuntimeInfo
from shared.settings import Settings
from shared.vocabulary import Capability, Format


def _host_with_echo(session: Session) -> None:
    echo = RuntimeInfo(name="echo", version="1", formats=(Format.ECHO,), capabilities=(Capability.GENERATE,))
    said = Register(
        agent="a", boot_id="b", version="1", platform="test", memory_total=2**33, budget=2**32, disk_free=2**33,
        runtimes=[echo],
    )  # fmt: skip
    hosts.join(session, "alpha", {})
    hosts.register(session, "alpha", said, Settings(), Origin("127.0.0.1"))


def test_a_benchmark_without_runtimes_is_stored_with_the_pairs_it_will_compare(database: Database) -> None:
    with database.write() as session:
        catalog.add_builtin(session)
        _host_with_echo(session)
        row = Intake(session).row(Submission("benchmark", {"models": ["echo"]}), owner="")
    assert row["params"]["cells"] == [{"model": "echo", "runtime": "echo"}]
    assert row["acquires"] == [[catalog.ECHO, "echo"]]


def test_what_only_cidermill_submits_is_refused_from_anybody_else(database: Database) -> None:
    discard = Submission("discard", {"model": "hf:org/tiny@" + "c" * 40, "files": ["a"], "host": "alpha"})
    with database.write() as session:
        _host_with_echo(session)
        with pytest.raises(InvalidParameters, match="by hand"):
            Intake(session).row(discard, owner="")
        assert Intake(session, internal=True).row(discard, owner="")["kind"] == "discard"


def test_what_a_kind_refused_in_three_parts_is_told_in_those(database: Database) -> None:
    with database.write() as session, pytest.raises(InvalidParameters) as refused:
        Intake(session).row(Submission("download", {"model": "nope"}), owner="")
    assert refused.value.problem.what == "'nope' names no model"
    assert "To fix" not in refused.value.problem.why
