"""Names are a part of a path, and lead nowhere else."""

from __future__ import annotations

import pytest

from cli.exits import Exit
from cli.main import run
from cli.paths import path_of

_BY_NAME = [
    ["hosts", "show"],
    ["hosts", "drain"],
    ["hosts", "label", "{}", "a=b"],
    ["hosts", "quarantine", "lift", "{}", "alpha"],
    ["hosts", "quarantine", "lift", "model", "{}"],
    ["jobs", "show"],
    ["jobs", "logs"],
    ["jobs", "wait"],
    ["jobs", "cancel"],
    ["jobs", "retry"],
    ["jobs", "explain"],
    ["keys", "revoke"],
    ["models", "info"],
    ["models", "rm"],
    ["models", "alias", "rm"],
    ["queues", "pause"],
    ["runs", "show"],
    ["runs", "logs"],
    ["runs", "stop"],
    ["runs", "explain"],
    ["schedules", "show"],
    ["schedules", "rm"],
    ["schedules", "run"],
    ["schedules", "pause"],
]


@pytest.mark.parametrize("name", ["", "..", "../models/x", "x/../../keys", "\udcff"], ids=ascii)
@pytest.mark.parametrize("command", _BY_NAME, ids=" ".join)
def test_a_name_that_leads_elsewhere_names_nothing(
    command: list[str], name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIDERMILL_URL", "http://127.0.0.1:1")
    given = [name if part == "{}" else part for part in command]
    assert run(given if given != command else [*command, name]) == Exit.NOT_FOUND
    assert "There is no " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "name", "more", "path"),
    [
        ("job", "job_1", ("logs",), "/v1/jobs/job_1/logs"),
        ("job", "a?b#c", (), "/v1/jobs/a%3Fb%23c"),
        ("model", "org/name:4b@alpha", (), "/v1/models/org/name%3A4b%40alpha"),
        ("model", "url:https://hub/x", ("verify",), "/v1/models/url%3Ahttps%3A//hub/x/verify"),
        ("queue", "label:team=a/b", (), "/v1/queues/label%3Ateam%3Da/b"),
        ("quarantine", "org/name", ("alpha",), "/v1/quarantines/org/name/alpha"),
    ],
)
def test_any_other_name_is_asked_for_as_it_is(kind: str, name: str, more: tuple[str, ...], path: str) -> None:
    assert path_of(kind, name, *more) == path
