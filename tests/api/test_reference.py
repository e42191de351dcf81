"""The page of all routes."""

from __future__ import annotations

import base64
import hashlib
import re

from tests.api.served import Served


def test_every_route_is_on_the_page(door: Served) -> None:
    page = door.get("/docs").text
    described = door.get("/openapi.json").json()["paths"]
    assert len(described) > 50
    for path, operations in described.items():
        for method in operations:
            assert f"<dt><b>{method.upper()}</b> {path}</dt>" in page


def test_the_page_runs_and_loads_nothing_and_is_shown_in_no_frame(door: Served) -> None:
    answer = door.get("/docs")
    rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
    assert (rules["default-src"], rules["frame-ancestors"]) == ("'none'", "'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    style = re.search("<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert rules["style-src"] == f"'sha256-{digest}'", "or browsers would not use it"
    assert not re.search("<script|<link|<img|https?://", answer.text)


def test_there_is_no_page_with_the_scripts_of_others(door: Served) -> None:
    for path in ("/redoc", "/docs/oauth2-redirect"):
        assert door.get(path).status_code == 404
