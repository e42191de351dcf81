"""Dispatch: Dramatiq on Redis, one queue per lane, with a doorbell.

A message carries ids only and is a hint: losing it delays work, delivering it twice does nothing, because the row it
points at decides. So nothing here retries a message, delays one, or keeps a dead one.

Keys, below the namespace:

| key | what |
|---|---|
| `<lane>`, `<lane>.msgs`, `__acks__.*`, `__heartbeats__` | Dramatiq's own; its `dispatch.lua` explains them |
| `bell:<lane>` | a list of at most one ring: the lane has messages |
| `bell:scheduler` | a list of at most one ring: the scheduler should look |

A consumer waits at its bell with one blocking pop and looks at its queue when it rings, or every five seconds, which
heals a ring that was lost. An idle lane therefore starts a message in about a millisecond and costs less than one
command a second.
"""

from shared.broker.dispatcher import Dispatcher
from shared.broker.wake import Wake
from shared.broker.worker import LaneWorker

__all__ = ["Dispatcher", "LaneWorker", "Wake"]
