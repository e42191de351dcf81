"""What befalls the world."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.machine import Machine
from tests.simulation.scheduler import Scheduler
from tests.simulation.world import World


class Disasters:
    """One after another, while the faults of the world last."""

    def __init__(self, world: World, machines: list[Machine], schedulers: list[Scheduler]) -> None:
        self._world, self._machines, self._schedulers = world, machines, schedulers
        self._kinds: list[tuple[int, str, Callable[[], None]]] = [
            (5, "worker killed", self._kill_worker),
            (6, "worker paused", self._pause_worker),
            (4, "run killed", self._kill_run),
            (2, "worker restarted", self._restart_worker),
            (2, "agent killed", self._kill_agent),
            (3, "agent paused", self._pause_agent),
            (1, "host rebooted", self._reboot),
            (2, "host cut off", self._cut_off),
            (3, "redis wiped", world.lanes.wipe),
            (2, "redis replayed", world.lanes.replay),
            (3, "scheduler paused", self._pause_scheduler),
            (3, "scheduler killed", self._kill_scheduler),
        ]
        self._wait()

    def _wait(self) -> None:
        every = self._world.faults.disaster_every
        self._world.loop.after(self._world.between(0.2, 2 * every), self._strike)

    def _strike(self) -> None:
        if self._world.calm:
            return
        only = self._world.faults.disasters
        weights = [weight if not only or name in only else 0 for weight, name, _ in self._kinds]
        _, name, strike = self._world.random.choices(self._kinds, weights)[0]
        self._world.counts[name] += 1
        self._world.say("disaster", name)
        strike()
        self._wait()

    @property
    def _machine(self) -> Machine:
        return self._world.random.choice(self._machines)

    def _kill_worker(self) -> None:
        agent = self._machine.agent
        if agent is not None and agent.workers:
            busy = [worker for worker in agent.workers if worker.loads]
            agent.kill_worker(self._world.random.choice(busy or agent.workers))

    def _pause_worker(self) -> None:
        agent = self._machine.agent
        if agent is not None and agent.workers:
            self._world.random.choice(agent.workers).pause(self._world.between(2.0, 18.0))

    def _restart_worker(self) -> None:
        agent = self._machine.agent
        if agent is not None and agent.workers:
            agent.hand_back(self._world.random.choice(agent.workers))

    def _kill_run(self) -> None:
        if not self._world.processes:
            return
        key = self._world.random.choice([*self._world.processes])
        process = self._world.processes.pop(key)
        for machine in self._machines:
            for worker in machine.agent.workers if machine.agent else []:
                if worker.id == process.worker:
                    worker.loads.lose_process(key)

    def _kill_agent(self) -> None:
        self._machine.kill_agent()

    def _pause_agent(self) -> None:
        agent = self._machine.agent
        if agent is not None:
            agent.pause(self._world.between(4.0, 14.0))

    def _reboot(self) -> None:
        self._machine.reboot()

    def _cut_off(self) -> None:
        self._world.cut_off[self._machine.name] = self._world.loop.now + self._world.between(3.0, 14.0)

    def _pause_scheduler(self) -> None:
        self._world.random.choice(self._schedulers).pause(self._world.between(1.0, 12.0))

    def _kill_scheduler(self) -> None:
        self._world.random.choice(self._schedulers).end()
