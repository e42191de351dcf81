"""What is true while a trace is played. A policy changes it only through plans."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import count

from scheduler.decisions import Assign, NewRun, Plan, Preempt, Start, Stop
from scheduler.simulate.agenda import Agenda
from scheduler.simulate.ledger import Ledger, Party
from scheduler.simulate.meter import Meter
from scheduler.simulate.parts import SimHost, SimJob, SimRun
from scheduler.simulate.trace import Trace, TraceModel
from shared.vocabulary import RunState


class World:
    """Hosts, runs and jobs at the agenda's moment."""

    def __init__(self, trace: Trace, agenda: Agenda) -> None:
        self.trace, self.agenda = trace, agenda
        self.ledger = Ledger(trace.weights)
        self.meter = Meter()
        self.hosts = {host.name: SimHost(host) for host in trace.hosts}
        self.models: dict[str, TraceModel] = {model.name: model for model in trace.models}
        self.runs: dict[str, SimRun] = {}
        self.waiting: dict[str, SimJob] = {}
        self.at_work: dict[str, SimJob] = {}
        self.ended: list[SimJob] = []
        #: The stride numbers of fair share, by queue.
        self.passes: dict[str, float] = {}
        self._waiting_of: Counter[Party] = Counter()
        self._serving: Counter[Party] = Counter()
        self._numbers = count(1)

    # --- time --------------------------------------------------------------------------------------

    def elapse(self, seconds: float) -> None:
        """Write down what `seconds` of the present state come to."""
        ledger = self.ledger
        for host in self.hosts.values():
            if host.alive:
                ledger.offered += seconds * host.trace.budget
                ledger.held += seconds * host.held
        for run in self.runs.values():
            if run.jobs and run.host.alive:
                ledger.worked += seconds * run.held * len(run.jobs) / run.slots
        ledger.compete(seconds, self._waiting_of, self._serving)

    # --- hosts -------------------------------------------------------------------------------------

    def die(self, host: SimHost) -> None:
        """Everything on it is lost; nobody knows yet."""
        host.alive = False
        for run in self._on(host):
            for job in run.jobs.values():
                job.keep(self.agenda.now, host.trace.speed)
                job.attempt += 1
        self.agenda.after(self.trace.silence_seconds, partial(self._notice, host))

    def revive(self, host: SimHost) -> None:
        """It is back, with nothing loaded."""
        self._notice(host)
        host.alive = host.up = True

    def _notice(self, host: SimHost) -> None:
        """Its silence counts as death: what it was given waits again."""
        if host.alive or not host.up:
            return
        host.up = False
        for run in self._on(host):
            for job in list(run.jobs.values()):
                self.ledger.losses += 1
                self._leave(job)
                self.wait(job)
            del self.runs[run.id]
        host.held = 0

    def _on(self, host: SimHost) -> list[SimRun]:
        return [run for run in self.runs.values() if run.host is host]

    # --- decisions ---------------------------------------------------------------------------------

    def apply(self, plan: Plan) -> None:
        """Do what a policy decided, in the order `apply` of the scheduler does it."""
        self.ledger.plans += 1
        for job_id in plan.failures:
            self._end(self._taken(job_id), failed=True)
        for stop in plan.stops:
            self._stop(stop)
        for preempt in plan.preempts:
            self._preempt(preempt)
        for assign in plan.assigns:
            self._assign(assign)
        for start in plan.starts:
            self._start(start)
        self.passes.update(plan.passes)

    def _assign(self, assign: Assign) -> None:
        run = self.runs.get(assign.run_id or "")
        if (
            run is None
            or run.state != RunState.READY
            or len(run.jobs) >= run.slots
            or assign.job_id not in self.waiting
        ):
            self.ledger.refused += 1
            return
        job = self._taken(assign.job_id)
        job.attempt, job.run, job.began_at = job.attempt + 1, run, self.agenda.now
        job.speed = run.host.trace.speed
        run.jobs[job.id] = self.at_work[job.id] = job
        run.last_used_at = self.agenda.now
        self._serving[job.party] += 1
        if run.host.alive:
            left = (job.trace.seconds - job.kept) / run.host.trace.speed
            self.agenda.after(left, partial(self._finish, job, job.attempt))

    def _start(self, start: Start) -> None:
        host = self.hosts[start.host]
        if not isinstance(start.run, NewRun) or not host.up or self._has(host, start.run.model_id):
            self.ledger.refused += 1
            return
        wanted, model = start.run, self.models[start.run.model_id]
        run = SimRun(
            f"r{next(self._numbers)}", model, host, wanted.spec, wanted.rank, self.agenda.now,
            start.size.slots, start.size.need.total, last_used_at=self.agenda.now,
        )  # fmt: skip
        self.runs[run.id] = run
        host.held += run.held
        over = host.held > host.trace.budget
        self.ledger.loaded(host.trace.name, model.name, model.size, over_budget=over)
        self.agenda.after(self.trace.load_seconds(model, host.trace), partial(self._ready, run))

    def _has(self, host: SimHost, model: str) -> bool:
        """A second copy on one host wins nothing: it would share the same processor."""
        return any(run.model.name == model and run.state != RunState.STOPPING for run in self._on(host))

    def _stop(self, stop: Stop) -> None:
        """Work on it, if any, is handed back with what it has done kept."""
        run = self.runs.get(stop.run_id)
        if run is None or run.state == RunState.STOPPING:
            self.ledger.refused += 1
            return
        run.state = RunState.STOPPING
        self.ledger.evictions += 1
        for job in list(run.jobs.values()):
            self._hand_back(job)
        self.agenda.after(self.trace.stop_seconds, partial(self._gone, run))

    def _preempt(self, preempt: Preempt) -> None:
        job = self.at_work.get(preempt.job_id)
        if job is None or job.attempt != preempt.attempt:
            self.ledger.refused += 1
            return
        self._hand_back(job)

    def _hand_back(self, job: SimJob) -> None:
        """The attempt of a job that runs ends, and it waits again."""
        if job.run is not None and job.run.host.alive:
            job.keep(self.agenda.now, job.run.host.trace.speed)
        job.attempt += 1
        job.preemptions += 1
        self.ledger.preemptions += 1
        self._leave(job)
        self.wait(job)

    # --- what follows ------------------------------------------------------------------------------

    def _ready(self, run: SimRun) -> None:
        if self.runs.get(run.id) is run and run.host.alive and run.state == RunState.STARTING:
            run.state = RunState.READY
            self.meter.load(run.model.name, self.agenda.now - run.created_at)
            run.last_used_at = run.ready_at = self.agenda.now

    def _gone(self, run: SimRun) -> None:
        if self.runs.get(run.id) is run and run.host.alive:
            del self.runs[run.id]
            run.host.held -= run.held

    def _finish(self, job: SimJob, attempt: int) -> None:
        if job.attempt == attempt:
            self.meter.job(job.trace.model, self.agenda.now - job.began_at)
            self._leave(job)
            self._end(job, failed=False)

    def _end(self, job: SimJob, *, failed: bool) -> None:
        job.ended_at, job.failed = self.agenda.now, failed
        self.ended.append(job)

    def wait(self, job: SimJob) -> None:
        """A job arrives, or comes back."""
        self.waiting[job.id] = job
        self._waiting_of[job.party] += 1

    def _taken(self, job_id: str) -> SimJob:
        job = self.waiting.pop(job_id)
        self._less(self._waiting_of, job.party)
        return job

    def _leave(self, job: SimJob) -> None:
        if job.run is not None:
            job.run.last_used_at = self.agenda.now
            del job.run.jobs[job.id], self.at_work[job.id]
            job.run = None
            self._less(self._serving, job.party)

    @staticmethod
    def _less(parties: Counter[Party], party: Party) -> None:
        parties[party] -= 1
        if not parties[party]:
            del parties[party]
