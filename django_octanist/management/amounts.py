"""A number of leads in a sentence. In English, as all that commands print."""

from __future__ import annotations


def leads(number: int, *, kind: str = "") -> str:
    """Return ``1 lead``, ``3,000 leads``; of a ``kind``, ``1 finished lead``."""
    noun = "lead" if number == 1 else "leads"
    return " ".join(filter(None, [f"{number:,}", kind, noun]))


def are(number: int) -> str:
    """Return the verb that goes with so many."""
    return "is" if number == 1 else "are"


def wait(number: int) -> str:
    """Return the verb that goes with so many."""
    return "waits" if number == 1 else "wait"
