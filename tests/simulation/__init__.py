"""A seeded crash simulation: the real state machines on a real database, and a world around them that fails.

Time is virtual and chance comes from one seed, so that a seed that finds something finds it again:
`python -m tests.simulation --seed 42 --trace`.

    loop                          time, and what happens next
    stage                         the database, emptied for each seed
    world, lanes, faults          calls and messages that get lost, doubled, delayed
    machine, agent                a host, and who speaks for it
    worker, attempts, loads,      what works on it, the memory that really uses,
    process, outbox               and what is handed in
    scheduler, mind, planner      two of them; plans are sometimes stale, sometimes nonsense
    people                        submit, cancel, retry, stop
    disaster                      kill, pause, reboot, cut off, wipe
    snapshot, ledger              what was seen, and what must never be seen
    ablation                      guards taken away: each must be missed
"""
