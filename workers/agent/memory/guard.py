"""What a host does about the memory its runs use. Pure: the last verdict and a measurement in, a verdict out.

| verdict | from | until | means |
|---|---|---|---|
| open | | | new runs are admitted |
| closed | use over 85 % of the ceiling, or the system short of memory | use under 80 %, and the system calm | no new run is placed here, idle ones go |
| shedding | use over 95 % | use under 90 % | the newest run of the lowest priority is stopped, its work goes on later |

The gaps keep a host that sits on a mark from going back and forth. A system short of memory (pressure, swap) closes and
never sheds: its page counters say too little about whose fault it is.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass

from shared.units import MIB, Bytes, format_bytes
from shared.vocabulary import Guard
from workers.agent.memory.reading import NOTHING, Pressure

#: Parts of the ceiling.
CLOSE, OPEN = 0.85, 0.80
SHED, CALM = 0.95, 0.90


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and why, as a sentence; an open guard gives no reason."""

    guard: Guard = Guard.OPEN
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Strain:
    """How the whole machine does, whatever runs use."""

    pressure: Pressure | None = None
    swap_used: Bytes | None = None
    #: Bytes by which swap in use grew lately.
    swap_grown: Bytes = NOTHING
    #: Physical memory.
    total: Bytes = NOTHING


#: Part of the memory that swap may grow by before it counts as trouble, and may fill in all.
_GROWTH, _FILLED = 0.01, 0.5
_LEAST_GROWTH = 256 * MIB


def judge(before: Guard, used: Bytes, ceiling: Bytes, strain: Strain) -> Verdict:
    """The verdict that follows `before`, for `used` bytes of a `ceiling`."""
    part = used / ceiling if ceiling > 0 else (1.0 if used else 0.0)
    if part > (CALM if before == Guard.SHEDDING else SHED):
        return Verdict(Guard.SHEDDING, _uses(used, ceiling, part))
    if part > (CLOSE if before == Guard.OPEN else OPEN):
        return Verdict(Guard.CLOSED, _uses(used, ceiling, part))
    if trouble := _trouble(strain):
        return Verdict(Guard.CLOSED, trouble)
    return Verdict()


def _uses(used: Bytes, ceiling: Bytes, part: float) -> str:
    return f"runs use {format_bytes(used)}, {part:.0%} of the {format_bytes(ceiling)} they may have"


def _trouble(strain: Strain) -> str | None:
    """Why the machine as a whole is short of memory; `None` when it is not."""
    if strain.pressure in (Pressure.WARN, Pressure.CRITICAL):
        return f"the system says that memory is short ({strain.pressure})"
    if strain.swap_grown > max(_LEAST_GROWTH, strain.total * _GROWTH):
        return f"swap grew by {format_bytes(strain.swap_grown)} within half a minute"
    if strain.swap_used is not None and strain.swap_used > strain.total * _FILLED:
        return f"{format_bytes(strain.swap_used)} are swapped out, over half of the memory"
    return None
