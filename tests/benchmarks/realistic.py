"""Leads as a busy site has them after two years, as SQL expressions of ``number`` (1, 2, …), for PostgreSQL."""

from __future__ import annotations

FORMS = {"contact": 40, "quote": 25, "call-back": 20, "newsletter": 9, "brochure": 5, "careers": 1}
ACCOUNTS = {"default": 70, "roofs": 25, "solar": 5}
SOURCES = {
    "google / cpc": 35,
    "direct": 25,
    "gclid": 15,
    "facebook / paid": 10,
    "pixel": 6,
    "bing / cpc": 5,
    "newsletter / email": 3,
    "partner / referral": 1,
}
STATUSES = {"delivered": 93, "rejected": 3, "invalid": 1, "failed": 1, "cancelled": 1, "pending": 1}
LINKED = {"yes": 60, "no": 38, "refused": 2}
FIRST = ("Johanna", "Jan", "Piet", "Anke", "Willem", "Sofie", "Karel", "Lotte", "Bram", "Noor")
LAST = ("Jansen", "de Vries", "Bakker", "Visser", "Smit", "Meijer", "de Boer", "Mulder", "Bos", "Vos", "Peters", "Kok")


def _chance(salt: int, *, of: int = 100) -> str:
    """A number below ``of``, the same each time for the same lead."""
    return f"(hashint8(number + {salt * 1_000_003})::bigint & 2147483647) % {of}"


def _spread(values: dict[str, int], *, salt: int) -> str:
    """One of ``values``, each as often as it says (in per cent)."""
    whens, below = [], 0
    for value, share in values.items():
        below += share
        whens.append(f"WHEN {_chance(salt)} < {below} THEN '{value}'")
    return f"CASE {' '.join(whens)} END"


def _one_of(values: tuple[str, ...], *, salt: int) -> str:
    texts = ", ".join(f"'{value}'" for value in values)
    return f"(ARRAY[{texts}])[1 + {_chance(salt, of=len(values))}]"


_STATUS = _spread(STATUSES, salt=1)


def columns(leads: int) -> dict[str, str]:
    """Return the columns of ``leads`` rows, captured evenly within two years, the last one now."""
    captured = f"now() - ({leads} - number) * (interval '2 years' / {leads})"
    return {
        "form": _spread(FORMS, salt=2),
        "account": _spread(ACCOUNTS, salt=3),
        "source": _spread(SOURCES, salt=4),
        "linked": _spread(LINKED, salt=5),
        "status": _STATUS,
        "name": f"{_one_of(FIRST, salt=6)} || ' ' || {_one_of(LAST, salt=7)}",
        "email": "'visitor' || number || '@example.com'",
        "phone": f"'+31 6 ' || lpad(({_chance(8, of=100_000_000)})::text, 8, '0')",
        "created_at": captured,
        "attempts": "1",
        "next_attempt_at": f"CASE WHEN {_STATUS} = 'pending' THEN now() END",
        "delivered_at": f"CASE WHEN {_STATUS} = 'delivered' THEN {captured} + interval '2 seconds' END",
        "octanist_id": f"CASE WHEN {_STATUS} = 'delivered' THEN 'lead_' || number ELSE '' END",
        "request_id": "'req_' || number",
        "error_code": f"CASE {_STATUS} WHEN 'invalid' THEN 'VALIDATION_ERROR' WHEN 'failed' THEN 'INTERNAL_ERROR'"
        " WHEN 'rejected' THEN 'FORBIDDEN' ELSE '' END",
    }


ATTEMPTS = """
INSERT INTO octanist_deliveryattempt
    (lead_id, account, started_at, duration_ms, outcome, http_status, error_code, error, request_id, with_session)
SELECT id, account, created_at + turn * interval '1 second', 120,
    CASE WHEN turn < turns THEN 'uncertain' ELSE 'delivered' END, CASE WHEN turn < turns THEN 500 ELSE 201 END,
    '', '', request_id, linked = 'yes'
FROM (SELECT *, 1 + id % 2 AS turns FROM octanist_lead) lead, generate_series(1, turns) turn
"""
"""An attempt for every lead, and a second for every second one."""
