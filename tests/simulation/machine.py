"""A host of the fleet: it may lose its network, reboot, and lose its agent."""

from __future__ import annotations

from functools import partial

from shared.tables import Host
from tests.simulation.agent import Agent
from tests.simulation.catalog import Catalog
from tests.simulation.ledger import Key
from tests.simulation.outbox import Report
from tests.simulation.worker import Worker
from tests.simulation.world import World


class Machine:
    """What is in it outlives its agent; what is on its disk outlives everything."""

    def __init__(self, world: World, catalog: Catalog, name: str, budget: int) -> None:
        self.world, self.catalog, self.name, self.budget = world, catalog, name, budget
        self.boot = world.name("boot")
        self.agent: Agent | None = None
        #: Workers whose agent was killed; they notice sooner or later.
        self.orphans: list[Worker] = []
        #: Reports that dead workers left on disk.
        self.spool: list[tuple[str, Report]] = []

    def join(self) -> None:
        with self.world.stage.database.write() as session:
            session.add(Host(name=self.name, token_digest=self.name, budget=self.budget, created_at=0.0))
        self.start_agent()

    def start_agent(self) -> None:
        self.agent = Agent(self.world, self)
        self.agent.begin()

    def bury(self, worker: Worker) -> None:
        """A worker is dead: what it had written to disk stays, the rest is gone."""
        worker.die()
        self.spool += [(worker.id, report) for report in worker.outbox.take_kept()]

    def reap(self, key: Key) -> None:
        """Make sure that a process is gone; its memory is free when this returns."""
        self.world.processes.pop(key, None)

    def reap_all(self) -> None:
        for key in [key for key, process in self.world.processes.items() if process.host == self.name]:
            self.reap(key)

    # --- disasters ---

    def kill_agent(self) -> None:
        """Its workers go on until they notice, or until the next agent ends them."""
        if self.agent is None:
            return
        for worker in self.agent.abandon():
            self.orphans.append(worker)
            worker.soon(self.world.between(0.0, 4.0), partial(self._give_up, worker))
        self.agent = None
        self.world.loop.after(self.world.between(0.5, 6.0), self._start_again)

    def _give_up(self, worker: Worker) -> None:
        """A worker without an agent ends its runs and exits."""
        for key in worker.loads.held():
            self.reap(key)
        self.bury(worker)

    def _start_again(self) -> None:
        if self.agent is None:
            for worker in self.orphans:
                self.bury(worker)
            self.orphans = []
            self.reap_all()
            self.start_agent()

    def reboot(self) -> None:
        """Nothing but the disk survives."""
        if self.agent is None:
            return
        self.boot = self.world.name("boot")
        for worker in [*self.agent.abandon(), *self.orphans]:
            self.bury(worker)
        self.reap_all()
        self.agent, self.orphans = None, []
        self.world.loop.after(self.world.between(2.0, 15.0), self._start_again)
