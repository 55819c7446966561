"""E-mail domains that make the sandbox answer as Octanist does when it turns a lead away, like test card numbers.

The domains end in ``.example``, which RFC 2606 reserves: nobody has such an address.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What becomes of a lead whose e-mail address is at ``domain``.

    ``once`` limits it to the first lead of each address; ``meaning`` is for people.
    """

    domain: str
    status: int
    code: str
    message: str
    meaning: str
    once: bool = False


RULES: tuple[Rule, ...] = (
    Rule(
        domain="rejected.example",
        status=403,
        code="FORBIDDEN",
        message="The lead was turned away by a filtering rule.",
        meaning="Turned away by the organisation's filtering rules.",
    ),
    Rule(
        domain="invalid.example",
        status=400,
        code="VALIDATION_ERROR",
        message="The value of email is invalid.",
        meaning="Refused as invalid data.",
    ),
    Rule(
        domain="down.example",
        status=500,
        code="INTERNAL_ERROR",
        message="Something went wrong.",
        meaning="A server error the first time for each address, nothing created; accepted afterwards.",
        once=True,
    ),
)

BY_DOMAIN: dict[str, Rule] = {rule.domain: rule for rule in RULES}


def rule_for(email: str) -> Rule | None:
    """Return the rule for the domain of ``email`` (in any case), or ``None``."""
    return BY_DOMAIN.get(email.rpartition("@")[2].strip().lower())
