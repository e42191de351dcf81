"""A seeded crash simulation: the real state machines on a real database, and a world around them that fails.

Time is virtual and chance comes from one seed, so that a seed that finds something finds it again:
`python -m tests.simulation --seed 42 --trace`.

    loop      time, and what happens next
    stage     the database, emptied for each seed
    world     calls that may get lost, messages that may get lost, and everybody who makes them
    machine, agent, worker, load     a host with its processes and the memory they really use
    scheduler, planner               two of them; plans are sometimes stale, sometimes nonsense
    people                           submit, cancel, retry, stop
    disaster                         kill, pause, reboot, cut off, wipe
    ledger, snapshot                 what was seen, and what must never be seen
"""
