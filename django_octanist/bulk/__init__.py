"""One act on any number of leads: in batches, in the order of their keys, beside whatever workers do.

An act is a conditional update of its own: what a worker took meanwhile is left alone.
"""

from .acts import Act, cancel, erase, pruner, replay, replayer, touch
from .batches import in_batches

__all__ = ["Act", "cancel", "erase", "in_batches", "pruner", "replay", "replayer", "touch"]
