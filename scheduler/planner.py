"""Plans from look to look: once a second of everything, and in between of what an event can help, by the same rules.

After a plan was carried out nothing more can be decided until something changes. So a slot that comes free can only
help jobs of its model, memory that comes free those it is kept for, and a job that comes only itself. Whatever would
take from others (to end a run, to interrupt work, to reserve a host, to give a job up) is left to a whole plan, made
at once; what lies further afield, such as a second copy, waits for the next whole look.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from scheduler.aftermath import left_by
from scheduler.changes import Changes, find_changes
from scheduler.decisions import Plan
from scheduler.draft import Draft
from scheduler.lines import Waiting, line_up
from scheduler.plan import decide, look
from scheduler.views import JobView, RunView, Shape, Snapshot
from shared.vocabulary import Guard, Priority

#: A fleet of so many hosts is planned whole each time, which is quick enough, and misses nothing.
_FEW_HOSTS = 64
#: After more events than this a whole plan is hardly dearer.
_MANY = 64
_INTERACTIVE = Priority.INTERACTIVE.rank


@dataclass(slots=True)
class _Memory:
    """What the last look saw and its plan left, and what the last whole plan found out about everybody who waits."""

    seen: Snapshot
    waiting: Waiting
    #: Hosts whose memory is kept for jobs of a shape.
    promises: dict[Shape, str]
    #: Jobs seen since the last whole look: a look in between leaves some out, which are not new when they come again.
    jobs: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.note(self.seen)

    def note(self, seen: Snapshot) -> None:
        self.seen = seen
        self.jobs.update(job.id for job in seen.jobs)


class Planner:
    """Remembers what waited and what ran from one plan to the next."""

    def __init__(self, few_hosts: int = _FEW_HOSTS) -> None:
        """`few_hosts`: fleets of up to so many hosts are always planned whole."""
        self._few_hosts = few_hosts
        self._memory: _Memory | None = None

    def forget(self) -> None:
        """The next plan is whole: what was seen last may be of another's lead."""
        self._memory = None

    def plan(self, seen: Snapshot) -> Plan:
        """The whole plan, as `scheduler.plan.plan` makes it."""
        waiting = line_up(seen)
        draft = decide(seen, waiting)
        self._memory = _Memory(left_by(draft, seen), waiting, draft.promises)
        return draft.plan()

    def replan(self, seen: Snapshot) -> Plan:
        """What can be decided at once since the last look; the whole plan when that cannot be told apart."""
        memory = self._memory
        if memory is None or len(seen.hosts) <= self._few_hosts:
            return self.plan(seen)
        changes = find_changes(memory.seen, memory.jobs, seen)
        if changes is None or changes.many > _MANY:
            return self.plan(seen)
        draft = _Around(memory, seen, changes).draft()
        if _takes(draft) or _turns_away(draft, changes):
            return self.plan(seen)
        memory.note(left_by(draft, seen))
        memory.promises |= draft.promises
        return replace(draft.plan(), fetches=())


def _takes(draft: Draft) -> bool:
    """It would take something from somebody who may not have been looked at."""
    return bool(draft.stops or draft.preempts or draft.reserves or draft.failures)


def _turns_away(draft: Draft, changes: Changes) -> bool:
    """A person came who gets nothing here; others may give way."""
    helped = {each.job_id for each in draft.assigns}
    placed = {start.run for start in draft.starts if isinstance(start.run, str)}
    return any(job.shape.rank == _INTERACTIVE and job.id not in helped for job in changes.jobs) or any(
        run.rank == _INTERACTIVE and run.id not in placed for run in changes.pending
    )


class _Around:
    """The part of a snapshot that some changes can matter to."""

    def __init__(self, memory: _Memory, seen: Snapshot, changes: Changes) -> None:
        self._memory, self._seen, self._changes = memory, seen, changes
        idle = [run for run in changes.freed if not run.busy]
        #: Hosts where memory or a lane is free that was not.
        self._touched = {run.host or "" for run in (*changes.gone, *idle)} | {host for host, _ in changes.lanes}
        self._touched &= seen.hosts.keys()

    def draft(self) -> Draft:
        """What is decided about them; who shares with whom, and who is wanted, is of all that waits."""
        memory, seen = self._memory, self._narrowed()
        waiting = line_up(seen)
        waiting.contended |= memory.waiting.contended
        waiting.mixed |= memory.waiting.mixed
        waiting.wanted = memory.waiting.wanted | waiting.wanted
        waiting.backlog |= memory.waiting.backlog
        draft = Draft(seen, waiting)
        look(draft)
        return draft

    def _open(self) -> set[str]:
        """Hosts where a run may be loaded: what became free, and all that could serve who came or lost its run."""
        changes, seen = self._changes, self._seen
        homeless = {job.shape.model_id for job in changes.jobs if not job.shape.exclusive}
        if changes.gone:
            waited = {job.shape.model_id for job in seen.jobs}
            homeless |= {run.model_id for run in changes.gone if run.model_id in waited}
        homeless = homeless - {run.model_id for run in seen.runs} | {run.model_id for run in changes.pending}
        found = set(self._touched)
        for model_id in homeless:
            model = seen.models.get(model_id or "")
            found.update(name for name in seen.hosts if model is None or model.on(name))
        return found

    def _jobs(self, open_hosts: Collection[str]) -> tuple[JobView, ...]:
        """Those that came and all of their shape, those whose run or lane has room, and those memory is kept for."""
        changes, lanes = self._changes, bool(self._changes.lanes)
        models = {run.model_id for run in (*changes.freed, *changes.gone)}
        shapes = {job.shape for job in changes.jobs}
        shapes |= {shape for shape, host in self._memory.promises.items() if host in open_hosts}
        owners = {self._seen.hosts[host].reserved_by for host in self._touched}
        return tuple(
            job
            for job in self._seen.jobs
            if (
                job.id in owners
                if job.shape.exclusive
                else job.shape in shapes or job.shape.model_id in models or (lanes and job.shape.model_id is None)
            )
        )

    def _narrowed(self) -> Snapshot:
        """The jobs; open hosts whole, and elsewhere the runs of the jobs' models on hosts that admit no other."""
        seen, open_hosts = self._seen, self._open()
        jobs = self._jobs(open_hosts)
        models = {job.shape.model_id for job in jobs}
        new = {run.id for run in self._changes.pending}
        runs = tuple(run for run in seen.runs if self._concerns(run, open_hosts, models) or run.id in new)
        hosts = {name: seen.hosts[name] for name in sorted(open_hosts)}
        for name in sorted({run.host or "" for run in runs} & seen.hosts.keys() - open_hosts):
            hosts[name] = replace(seen.hosts[name], guard=_closed(seen.hosts[name].guard))
        names = {run.id for run in runs}
        attempts = tuple(each for each in seen.attempts if each.run_id in names)
        lanes = {lane: view for lane, view in seen.lanes.items() if lane[0] in hosts}
        return replace(seen, hosts=hosts, runs=runs, jobs=jobs, attempts=attempts, lanes=lanes)

    @staticmethod
    def _concerns(run: RunView, open_hosts: set[str], models: set[str | None]) -> bool:
        return run.host is not None and (run.host in open_hosts or run.model_id in models)


def _closed(guard: Guard) -> Guard:
    """A host that sheds work goes on doing so."""
    return Guard.CLOSED if guard == Guard.OPEN else guard
