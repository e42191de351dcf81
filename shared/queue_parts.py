"""Parts of the queue by name: which there are, which a job belongs to, which it takes its turns by.

`all`, `kind:<kind>`, `class:<priority>`, `key:<id>` and `label:<name>=<value>` for each label of a job.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, false, true

from shared.errors import InvalidParameters
from shared.jobs.where import is_label_name
from shared.kinds import kinds
from shared.nearest import did_you_mean, nearest
from shared.tables import Job
from shared.vocabulary import Priority

ALL = "all"
#: `queue_by` of jobs that take turns by the API key that submitted them.
BY_KEY = "key"
#: Letters of a part's name, as far as the database keeps them.
_LONGEST = 200
_SORTS = (ALL, "kind:…", "class:…", "key:…", "label:…=…")


def check_name(name: str) -> None:
    """Raises InvalidParameters for what names no part of the queue."""
    sort, colon, value = name.partition(":")
    known = {"kind": list(kinds()), "class": [each.value for each in Priority]}.get(sort, [])
    label, _, wanted = value.partition("=")
    good = {"all": not colon, "key": bool(colon), "label": bool(wanted) and is_label_name(label)}
    if good.get(sort, value in known) and len(name) <= _LONGEST and "\0" not in name:
        return
    raise InvalidParameters(
        f"{name!r} names no part of the queue",
        did_you_mean(value, known) if known else "it is of none of the sorts of parts",
        f"name one of {', '.join(_SORTS)}",
        field="name",
        nearest=nearest(value, known),
    )


def share(owner: str, labels: Mapping[str, str], queue_by: str, named: Collection[str]) -> str:
    """The part by which a job takes turns: that of its label `queue_by`, if it is among those `named`, else of its key.

    Raises InvalidParameters.
    """
    if queue_by == BY_KEY:
        return f"key:{owner}"
    if queue_by not in labels:
        raise InvalidParameters(
            f"The job cannot queue by the label {queue_by!r}",
            f"it has no such label; {did_you_mean(queue_by, labels)}",
            "give it that label, or leave queue_by out",
            field="queue_by",
        )
    name = f"label:{queue_by}={labels[queue_by]}"
    if len(name) > _LONGEST:
        raise InvalidParameters(
            f"The job cannot queue by the label {queue_by!r}",
            f"its part of the queue would have a name of {len(name)} letters, and {_LONGEST} are kept",
            "give the label a shorter value, or leave queue_by out",
            field="queue_by",
        )
    return name if name in named else f"key:{owner}"


def parts(kind: str, priority: Priority, owner: str, labels: Mapping[str, str]) -> list[str]:
    """Every part that a job belongs to."""
    named = [f"label:{name}={value}" for name, value in labels.items()]
    return [ALL, f"kind:{kind}", f"class:{priority}", f"key:{owner}", *named]


def belongs(name: str) -> ColumnElement[bool]:
    """The jobs of a part, as SQL."""
    sort, _, value = name.partition(":")
    if sort == "kind":
        return Job.kind == value
    if sort == "class":
        return Job.priority == Priority(value)
    if sort == "key":
        return Job.owner == value
    if sort == "label":
        label, _, wanted = value.partition("=")
        if not is_label_name(label):
            # Databases refuse to look for some names, and no job has any of them.
            return false()
        said: ColumnElement[str] = Job.labels[label].as_string()
        return said == wanted
    return true()
