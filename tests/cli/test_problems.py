"""Errors from the wire to the person."""

from __future__ import annotations

import pytest

from cli.exits import Exit
from cli.problems import error_from, exit_of, read_problem, show
from shared import errors
from shared.errors import Problem


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFound("x"), Exit.NOT_FOUND),
        (errors.Unauthorized("x"), Exit.AUTH),
        (errors.Forbidden("x"), Exit.AUTH),
        (errors.InvalidParameters("x"), Exit.USAGE),
        (errors.CannotFit("x"), Exit.REJECTED),
        (errors.Unavailable("x"), Exit.UNREACHABLE),
        (errors.NoCapacity("x"), Exit.REJECTED),
        (errors.StaleTransition("x"), Exit.REJECTED),
        (errors.OutOfMemory("x"), Exit.FAILED),
    ],
)
def test_each_error_has_its_exit_code(error: errors.CidermillError, code: Exit) -> None:
    assert exit_of(error) == code


def test_an_error_keeps_its_type_and_parts_over_the_wire() -> None:
    sent = errors.CannotFit("Too big", "needs 18 GiB", "use less", needs=18).problem
    got = error_from(read_problem({"error": sent.model_dump()}, 422), 422)
    assert type(got) is errors.CannotFit
    assert got.problem == sent


def test_an_unknown_code_is_known_by_its_status() -> None:
    assert isinstance(error_from(Problem(code="new_in_a_later_version", what="x"), 404), errors.NotFound)


def test_the_dialect_of_openai_is_understood() -> None:
    body = {"error": {"message": "No model x: none has it. To fix: see models", "type": "x", "code": "not_found"}}
    problem = read_problem(body, 404)
    assert (problem.what, problem.why, problem.fix) == ("No model x", "none has it", "see models")


def test_an_answer_of_some_other_server_is_quoted() -> None:
    assert "<html>" in read_problem("<html>nginx</html>", 502).why


def test_parts_that_are_empty_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show(Problem(code="x", what="It broke", fix="mend it"))
    assert capsys.readouterr().err == "Error: It broke\nTo fix: mend it\n"
