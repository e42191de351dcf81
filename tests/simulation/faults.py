"""How often what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.simulation.lanes import Manners


@dataclass(frozen=True)
class Calls:
    """Fates of a call: it never arrives, it is rolled back half-way, or it is done and the answer is lost."""

    unsent: float = 0.01
    rolled_back: float = 0.01
    answer_lost: float = 0.03


@dataclass(frozen=True)
class Faults:
    """The chances of one world."""

    calls: Calls = field(default_factory=Calls)
    messages: Manners = field(default_factory=Manners)
    #: Seconds between two disasters, on average; never when infinite.
    disaster_every: float = 1.5
    #: Which disasters there are; all when empty.
    disasters: frozenset[str] = frozenset()
    #: A scheduler thinks about a plan for so long that the world has moved on.
    slow_plan: float = 0.15
    #: A plan has nonsense in it.
    wild_plan: float = 0.25
    #: A piece of work fails.
    failure: float = 0.08
    #: A worker that slept past its leases goes on as if nothing had happened.
    careless: float = 0.5


#: Everything at once: what a missing guard lets through shows soon.
HARSH = Faults(
    calls=Calls(0.01, 0.02, 0.1),
    messages=Manners(0.02, 0.2, 0.1),
    disaster_every=0.8,
    slow_plan=0.25,
    wild_plan=0.6,
    failure=0.08,
    careless=1.0,
)

#: Nobody dies, but everybody sleeps past their leases and goes on as if nothing had happened.
SLEEPY = Faults(
    disaster_every=1.0,
    disasters=frozenset({"worker paused", "agent paused", "host cut off", "scheduler paused"}),
    failure=0.0,
    careless=1.0,
)

#: Each seed has one of these; people can tell which by its number.
WEATHERS = (Faults(), HARSH, SLEEPY)

CALM = Faults(
    calls=Calls(0.0, 0.0, 0.0),
    messages=Manners(0.0, 0.0, 0.0),
    disaster_every=float("inf"),
    slow_plan=0.0,
    wild_plan=0.0,
    failure=0.0,
)
