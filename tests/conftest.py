"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from shared import db
from workers.runtimes import discover

pytest_plugins = ["tests.databases", "tests.servers"]

# A busy machine is slow, which says nothing about the code: no test fails for the time it takes. CI tries the same
# examples each time: what is new in them is for people to find, before.
settings.register_profile(
    "cidermill",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
settings.load_profile("cidermill")

#: Their tests are skipped where they are not installed.
_ENGINES = ("llama-cpp", "mlx-lm", "whisper")


@pytest.fixture(scope="session", autouse=True)
def _patient_postgres() -> Iterator[None]:
    """A test may stand still in a transaction, where its machine does."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(db._POSTGRES, "idle_in_transaction_session_timeout", "10min")
        patched.setitem(db._POSTGRES, "lock_timeout", "60s")
        yield


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One more than there are cores, since many tests wait for processes that they started."""
    return (yield) + 1


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse to skip in CI, where everything has been installed, what people may leave out."""
    if os.environ.get("CI") != "true" or hasattr(session.config, "workerinput"):
        return
    runtimes = discover()
    if missing := [name for name in _ENGINES if runtimes[name].probe() is None]:
        raise pytest.UsageError(f"{', '.join(missing)} cannot be used, so its tests would be skipped: make setup")
