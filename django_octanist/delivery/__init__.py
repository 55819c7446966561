"""The engine behind the outbox: claim → (look up) → send → classify → record → next attempt.

A module each: ``claims`` takes leads by lease, ``sending`` talks to Octanist, ``decisions`` says what follows from
an answer (pure functions), ``records`` writes it, ``pauses`` keeps accounts waiting, ``engine`` runs the whole.
"""

from .engine import Engine, drain

__all__ = ["Engine", "drain"]
