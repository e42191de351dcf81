"""How many bytes a run will hold, before anything is loaded. Pure.

`estimate` sums weights (their files: quantised weights stay packed), the caches of every sequence, the work space of a
prefill, what the engine takes by itself, and a margin. `engine_of` says how the engine of a format holds a model.
"""

from shared.memory.cache import STEP
from shared.memory.engine import Engine, Family, engine_of
from shared.memory.estimate import estimate
from shared.memory.need import Need

__all__ = ["STEP", "Engine", "Family", "Need", "engine_of", "estimate"]
