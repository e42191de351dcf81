"""Replays a trace through the very same `plan` that schedules a fleet, and through rivals, in virtual time. Pure.

    trace, generate, shipped   what is replayed: hosts, models, jobs; written by hand, drawn from a seed, or shipped
    agenda, engine             virtual time: what happens next, and who decides after it
    world, parts               what is true: runs that hold memory, jobs on their slots, hosts that die
    view                       the world as a snapshot, which is all that a policy sees
    policies/                  one file each: from a snapshot to a plan
    ledger, score              what was seen on the way, and what it comes to
    bound                      a makespan that no policy can beat
    compare                    all of it, for one trace

What is simple on purpose: a job takes its seconds on a slot whoever its neighbours are; a load takes the bytes of the
model over the disk rate of the host, and a fixed start; a run that is stopped gives its memory back a moment later; and
a host loads a model once, as a second copy would share the same processor.
"""
