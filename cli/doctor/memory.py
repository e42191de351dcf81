"""The memory of this machine: what runs may have of it, and what is wired."""

from __future__ import annotations

from collections.abc import Iterator

from cli.doctor.finding import Finding, ok, warn
from cli.phrases import bound, size
from shared.settings import Settings
from shared.vocabulary import Guard


def check_memory(settings: Settings) -> Iterator[Finding]:
    """Ceiling, mode, pressure and wired memory, measured now; what runs already hold counts as taken."""
    from workers.agent.memory.watch import MemoryWatch

    state = MemoryWatch.of(settings).state
    says = (
        f"mode {settings.memory_mode}, ceiling {size(state.ceiling.size)} beside what is loaded: "
        f"{bound(state.ceiling.bound)}; runs may hold {size(state.capacity)} at most"
    )
    if state.verdict.guard == Guard.OPEN:
        yield ok("memory", says)
    else:
        yield warn("memory", f"{says}; {state.verdict.reason}", "close applications, or stop runs: cidermill runs ls")
    cap = state.reading.metal_cap
    limit = "no GPU of Apple's here, so nothing is wired" if cap is None else f"the GPU may wire {size(cap)}"
    yield ok("wired memory", f"{settings.wired_memory}; {limit}")
