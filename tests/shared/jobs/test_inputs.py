from __future__ import annotations

from typing import ClassVar

import pytest

from shared.jobs.inputs import read_by
from shared.kinds import kinds
from shared.kinds.contract import Catalog, Context, Demand, Kind, Result
from shared.vocabulary import Capability


class Merge(Kind):
    name: ClassVar[str] = "merge"
    about: ClassVar[str] = "Several files as one."
    reads: ClassVar[tuple[str, ...]] = ("first", "others")

    first: str | None = None
    others: tuple[str, ...] | None = None
    title: str = ""

    def demand(self, catalog: Catalog) -> Demand:
        return Demand(capability=Capability.STORE)

    def run(self, context: Context) -> Result:
        return Result()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, set()),
        ({"first": "file_a", "title": "file_z"}, {"file_a"}),
        ({"first": "file_a", "others": ("file_b", "file_c")}, {"file_a", "file_b", "file_c"}),
    ],
)
def test_a_job_reads_what_its_kind_says_and_nothing_else_that_it_mentions(
    given: dict[str, object], read: set[str]
) -> None:
    assert read_by(Merge.model_validate(given)) == read


@pytest.mark.parametrize("kind", kinds().values(), ids=lambda kind: str(kind.name))
def test_what_a_kind_reads_is_named_by_parameters_it_has(kind: type[Kind]) -> None:
    assert set(kind.reads) <= set(kind.model_fields)
