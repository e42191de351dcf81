"""Plans: mostly sensible, sometimes nonsense that the guards must refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.jobs.state import Placement
from shared.protocol import AttemptRef
from shared.runs.state import RunPlacement
from tests.simulation.catalog import MODELS, Catalog, Model, Wish
from tests.simulation.snapshot import RunRow, Snapshot
from tests.simulation.world import World

_MODELS = {model.id: model for model in MODELS}
_STORE_SLOTS = 2


@dataclass
class Plan:
    """What a scheduler wants; runs to make are placed at once."""

    make: list[tuple[str, Model]] = field(default_factory=list)
    place: list[RunPlacement] = field(default_factory=list)
    assign: list[Placement] = field(default_factory=list)
    evict: list[str] = field(default_factory=list)
    reserve: list[tuple[str, str]] = field(default_factory=list)
    preempt: list[AttemptRef] = field(default_factory=list)
    shed: list[str] = field(default_factory=list)


class Planner:
    """One look at the rows, one plan; what it gives away it takes from its own books."""

    def __init__(self, world: World, catalog: Catalog) -> None:
        self._world, self._catalog = world, catalog
        self._rows: Snapshot = world.ledger.now
        now = world.loop.now
        up = [host for host in self._rows.hosts.values() if (host.seen_until or 0) > now]
        self._kept_for = {host.reserved_by: host.name for host in up if host.reserved_by}
        self._free = {host.name: host.budget for host in up if host.reserved_by is None}
        for run in self._rows.runs.values():
            if run.host in self._free:
                self._free[run.host] -= run.memory_held
        self._seats = {
            run.id: run.slots - sum(a.slots for a in self._rows.users(run.id))
            for run in self._rows.runs.values()
            if run.state == "ready" and run.host in self._free
        }
        self._coming = {r.model_id for r in self._rows.runs.values() if r.state in {"pending", "starting"}}
        self._plan = Plan()

    def plan(self) -> Plan:
        for run in self._rows.runs.values():
            if run.state == "pending" and run.host is None and not self._place(run.id, _MODELS[run.model_id]):
                self._evict_for(_MODELS[run.model_id])
        for wish in self._waiting():
            if wish.exclusive:
                self._take_host(wish)
            elif wish.model is None:
                self._download(wish)
            elif not self._seat(wish, wish.model) and wish.model.id not in self._coming:
                self._make_room(wish.model)
        if len(self._rows.jobs) > 1 and self._world.chance("wild plan", self._world.faults.wild_plan):
            self._go_wild()
        return self._plan

    def _waiting(self) -> Iterator[Wish]:
        now = self._world.loop.now
        for job in self._rows.jobs.values():
            if job.state == "queued" and (job.not_before or 0) <= now:
                yield self._catalog.wishes[job.id]

    def _take_host(self, wish: Wish) -> None:
        """Keep a host, wait until nothing else is under way there, begin."""
        host = self._kept_for.get(wish.id)
        if host is None:
            self._plan.reserve += [(name, wish.id) for name in [*self._free][:1]]
        elif not any(attempt.live and attempt.host == host for attempt in self._rows.attempts.values()):
            self._plan.assign.append(Placement(wish.id, host, "store", None, 1))

    def _download(self, wish: Wish) -> None:
        for host in self._free:
            lane = [a for a in self._rows.attempts.values() if a.live and a.host == host and a.run_id is None]
            given = [p for p in self._plan.assign if p.host == host and p.run_id is None]
            if len(lane) + len(given) < _STORE_SLOTS:
                self._plan.assign.append(Placement(wish.id, host, "store", None, 1))
                return

    def _seat(self, wish: Wish, model: Model) -> bool:
        for run_id, free in self._seats.items():
            run = self._rows.runs[run_id]
            if run.model_id == model.id and free >= wish.slots:
                self._seats[run_id] -= wish.slots
                self._plan.assign.append(Placement(wish.id, run.host or "", "llm", run_id, wish.slots))
                return True
        return False

    def _make_room(self, model: Model) -> None:
        run_id = self._world.name("run")
        if self._place(run_id, model):
            self._plan.make.append((run_id, model))
            self._coming.add(model.id)
        else:
            self._evict_for(model)

    def _evict_for(self, model: Model) -> None:
        """One idle run goes; if that is not enough, the next plan sees."""
        for idle in self._rows.runs.values():
            if idle.state == "ready" and idle.model_id != model.id and self._is_idle(idle):
                self._plan.evict.append(idle.id)
                return

    def _is_idle(self, run: RunRow) -> bool:
        return not self._rows.users(run.id) and run.id not in {p.run_id for p in self._plan.assign}

    def _place(self, run_id: str, model: Model) -> bool:
        for host, free in self._free.items():
            if free >= model.memory:
                self._free[host] -= model.memory
                self._plan.place.append(_placement(run_id, host, model))
                return True
        return False

    def _go_wild(self) -> None:
        """Jobs, runs and hosts thrown together in whatever state they are."""
        random, runs = self._world.random, [*self._rows.runs.values()]
        waiting = [job.id for job in self._rows.jobs.values() if job.state == "queued"]
        for job in [*random.sample(waiting, min(3, len(waiting))), *random.sample([*self._rows.jobs], 2)]:
            self._give_away(self._catalog.wishes[job])
        exclusive = [job for job in self._rows.jobs if self._catalog.wishes[job].exclusive]
        self._plan.reserve += [(self._any_host(), job) for job in exclusive[-2:]]
        for run in random.sample(runs, min(2, len(runs))):
            self._plan.place.append(_placement(run.id, self._any_host(), _MODELS[run.model_id]))
        run_id, model = self._world.name("run"), random.choice(MODELS)
        self._plan.make.append((run_id, model))
        self._plan.place.append(_placement(run_id, self._any_host(), model))
        self._plan.evict += [run.id for run in random.sample(runs, min(1, len(runs)))]
        tried = [*self._rows.attempts]
        self._plan.preempt += [
            AttemptRef(job_id=job, attempt=number) for job, number in random.sample(tried, min(2, len(tried)))
        ]
        if random.random() < 0.2:
            self._plan.shed += [run.id for run in random.sample(runs, min(1, len(runs)))]

    def _give_away(self, wish: Wish) -> None:
        """On any run of its model; on any host when it needs none."""
        of_model = [
            run for run in self._rows.runs.values() if wish.model and run.model_id == wish.model.id and run.host
        ]
        if wish.model is None:
            host = self._kept_for.get(wish.id) or self._any_host()
            self._plan.assign.append(Placement(wish.id, host, "store", None, 1))
        elif of_model:
            run = self._world.random.choice(of_model)
            self._plan.assign.append(Placement(wish.id, run.host or "", "llm", run.id, wish.slots))

    def _any_host(self) -> str:
        return self._world.random.choice([*self._rows.hosts])


def _placement(run_id: str, host: str, model: Model) -> RunPlacement:
    return RunPlacement(run_id, host, "llm", model.slots, 1, model.memory, {})
