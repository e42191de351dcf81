"""Schemas of answers and tools, as engines make grammars of them."""

from __future__ import annotations

from typing import Any

import pytest

from api.gateway.schemas import everywhere, fitting
from api.gateway.well_formed import check_sampling, well_formed
from shared.errors import InvalidParameters

_OLD, _NEW = {"type": "string", "pattern": r"^\d$"}, {"type": "string", "pattern": "^[0-9]$"}


@pytest.mark.parametrize(
    "around",
    [
        lambda schema: schema,
        lambda schema: {"type": "object", "properties": {"pattern": schema}, "required": ["pattern"]},
        lambda schema: {"$defs": {"a": schema}, "$ref": "#/$defs/a"},
        lambda schema: {"anyOf": [{"type": "null"}, {"oneOf": [schema]}]},
        lambda schema: {"type": "array", "items": schema},
        lambda schema: {"type": "array", "items": [schema], "prefixItems": [schema]},
        lambda schema: {"type": "object", "additionalProperties": schema},
    ],
)
def test_patterns_are_made_readable_wherever_they_are(around: Any) -> None:
    function = {"name": "look", "parameters": around(_OLD)}
    body = {
        "messages": [],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": around(_OLD)}},
        "tools": [{"type": "function", "function": function}],
    }
    made = well_formed(body)
    assert made["response_format"]["json_schema"] == {"name": "a", "schema": around(_NEW)}
    assert made["tools"][0]["function"] == {"name": "look", "parameters": around(_NEW)}
    shape = {"type": "json_object", "schema": around(_OLD)}
    assert fitting({"response_format": shape}) == {"response_format": shape | {"schema": around(_NEW)}}


def test_patterns_without_end_keep_nobody_waiting() -> None:
    schema = {"anyOf": [_OLD, _OLD | {"pattern": r"\d" * 10_000}, _OLD]}
    made = fitting({"response_format": {"type": "json_object", "schema": schema}})["response_format"]["schema"]
    assert made == {"anyOf": [_NEW, schema["anyOf"][1], _NEW]}


@pytest.mark.parametrize("keyword", ["const", "default", "enum", "examples", "title"])
def test_data_is_no_schema(keyword: str) -> None:
    schema = {"type": "object", keyword: [_OLD] if keyword in ("enum", "examples") else _OLD}
    assert everywhere(schema, lambda _: _NEW) == _NEW
    body = {"response_format": {"type": "json_object", "schema": schema}}
    assert fitting(body) == body


@pytest.mark.parametrize("keyword", ["const", "default", "enum", "examples"])
def test_data_has_no_bounds(keyword: str) -> None:
    range_ = {"minimum": 5, "maximum": 3}
    body = {"json_schema": {"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a", keyword: range_}}
    check_sampling(body)
    for schema in ({"properties": {keyword: range_}}, {keyword: range_, "$ref": f"#/{keyword}"}):
        with pytest.raises(InvalidParameters):
            check_sampling({"json_schema": schema})


@pytest.mark.parametrize(
    "body",
    [
        {"json_schema": {"pattern": "^[{5,3}]$"}},
        {"json_schema": {"pattern": r"^\{5,3\}$"}},
        {"grammar": 'root ::= "{9,1}"'},
        {"grammar": 'root ::= "a" # not {3,2}'},
        {"grammar": r'root ::= [{9,1}\]] "\"{9,1}"'},
    ],
)
def test_braces_that_mean_themselves_are_no_counts(body: dict[str, Any]) -> None:
    check_sampling(body)


@pytest.mark.parametrize(
    "body",
    [
        {"json_schema": {"pattern": r"^[\]]{5,3}$"}},
        {"json_schema": {"pattern": r"^\\{5,3}$"}},
        {"grammar": r'root ::= "\""{9,1}'},
        {"grammar": 'root ::= "a" # what\n "b"{3,2}'},
    ],
)
def test_counts_after_what_means_itself_are_seen(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters):
        check_sampling(body)


def test_a_grammar_of_quotes_keeps_nobody_waiting() -> None:
    check_sampling({"grammar": '"\\' * 500_000, "json_schema": {"pattern": "[\\" * 500_000}})


@pytest.mark.parametrize(
    ("shape", "place"),
    [
        ({"minLength": 3, "maxLength": 2}, ""),
        ({"minItems": 3, "maxItems": 2}, ""),
        ({"minimum": 3, "maximum": 2.5}, ""),
        ({"pattern": "^[0-9]{3,2}$"}, ".pattern"),
        ({"anyOf": [{"properties": {"a": {"minLength": 3, "maxLength": 2}}}]}, ".anyOf.0.properties.a"),
    ],
)
def test_what_is_more_than_its_most_is_refused(shape: dict[str, Any], place: str) -> None:
    """llama.cpp would take memory for it without end."""
    function = {"name": "look", "parameters": shape}
    for body, before in (
        ({"response_format": {"type": "json_object", "schema": shape}}, "response_format.schema"),
        ({"tools": [{"type": "function", "function": function}]}, "tools.0.function.parameters"),
        ({"json_schema": shape}, "json_schema"),
    ):
        with pytest.raises(InvalidParameters) as refused:
            check_sampling(body)
        assert refused.value.problem.details["field"] == before + place


def test_a_grammar_that_no_engine_gets_to_the_end_of_is_refused() -> None:
    with pytest.raises(InvalidParameters, match="grammar"):
        check_sampling({"grammar": 'root ::= "a"{3,2}'})
    check_sampling({"grammar": 'root ::= "a"{2,3} "b"{2,}', "json_schema": {"minLength": 2, "maxLength": 2}})
