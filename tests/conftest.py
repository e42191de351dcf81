"""Fixtures that every test may use."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.databases", "tests.servers"]

# A busy machine is slow, which says nothing about the code: no test fails for the time it takes.
settings.register_profile("cidermill", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cidermill")
