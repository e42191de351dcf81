"""Where a job may run: labels that its host must have, taints that it bears, other work that it keeps off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.errors import CannotFit, InvalidParameters
from shared.nearest import did_you_mean, nearest
from shared.tables import Host

LabelName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9][\w./-]*$")]
LabelValue = Annotated[str, StringConstraints(max_length=255)]
_LABEL_NAME = TypeAdapter(LabelName)
#: `name=value`, or a name alone.
Taint = Annotated[str, StringConstraints(max_length=320, pattern=r"^[A-Za-z0-9][\w./-]*(=.*)?$")]


class Where(BaseModel):
    """What its host must be like; unset: any host."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    selector: dict[LabelName, LabelValue] = Field(
        default={}, max_length=32, description="Labels that the host must have."
    )
    tolerations: tuple[Taint, ...] = Field(
        default=(), max_length=32, description="Taints of hosts that do not keep it away."
    )
    avoid: LabelName | None = Field(
        default=None, description="A label of the job: it keeps off hosts where a job with the same value keeps off it."
    )


def is_label_name(text: str) -> bool:
    """Whether a job may have a label of this name."""
    try:
        _LABEL_NAME.validate_python(text)
    except ValidationError:
        return False
    return True


def as_row(where: Where, labels: Mapping[str, str]) -> dict[str, Any]:
    """For `Job.placement`: what is unset is left out, and `avoid` is `name=value`. Raises InvalidParameters."""
    row = where.model_dump(mode="json", exclude_defaults=True)
    if where.avoid is not None:
        if where.avoid not in labels:
            raise InvalidParameters(
                f"The job cannot keep off others by the label {where.avoid!r}",
                f"it has no such label; {did_you_mean(where.avoid, labels)}",
                "give it that label, or leave placement.avoid out",
                field="placement.avoid",
            )
        row["avoid"] = f"{where.avoid}={labels[where.avoid]}"
    return row


def check_selector(session: Session, selector: Mapping[str, str]) -> None:
    """Raises CannotFit when hosts have joined and none of them has all these labels."""
    wanted = selector.items()
    hosts = session.scalars(select(Host.labels)).all() if selector else []
    if not hosts or any(wanted <= labels.items() for labels in hosts):
        return
    said = ", ".join(f"{name}={value}" for name, value in wanted)
    known = {f"{name}={value}" for labels in hosts for name, value in labels.items()}
    raise CannotFit(
        f"No host is labelled {said}",
        did_you_mean(said, known),
        "correct placement.selector, or label a host first: cidermill hosts label NAME " + said.replace(", ", " "),
        field="placement.selector",
        nearest=nearest(said, known),
    )
