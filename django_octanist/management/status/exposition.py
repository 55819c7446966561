"""For Prometheus: its text format, version 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ...figures import AccountFigures, FormFigures
from ...health import Health
from ...models import DeliveryPause

Sample = tuple[dict[str, str], float]
"""Labels and value."""


@dataclass(frozen=True)
class Metric:
    """A gauge, and what it has."""

    name: str
    meaning: str
    samples: list[Sample]


def render(health: Health) -> str:
    """Return the exposition."""
    accounts = health.figures.accounts
    metrics = [
        _healthy(health.is_well),
        *_waiting(accounts, now=health.figures.taken_at),
        *_standing(health),
        *_outcomes(accounts),
        *_forms(health.figures.forms),
    ]
    return "\n".join(line for metric in metrics for line in _lines(metric))


def unanswered() -> str:
    """Return the exposition that says that the database does not answer."""
    return "\n".join(_lines(_healthy(False)))


def _healthy(is_well: bool) -> Metric:
    return Metric(
        "octanist_healthy", "1 where nothing grave is wrong with deliveries, as octanist_status says.", [({}, is_well)]
    )


def _waiting(accounts: tuple[AccountFigures, ...], *, now: datetime) -> Iterator[Metric]:
    pending: list[Sample] = [({"account": one.account}, one.pending) for one in accounts]
    ages: list[Sample] = [
        ({"account": one.account}, max(0.0, (now - one.oldest_pending).total_seconds()) if one.oldest_pending else 0)
        for one in accounts
    ]
    yield Metric("octanist_leads_pending", "Leads that are not finished.", pending)
    yield Metric("octanist_oldest_pending_seconds", "Age of the oldest of them; 0 where there is none.", ages)


def _standing(health: Health) -> Iterator[Metric]:
    accounts = [one.account for one in health.figures.accounts]
    keyless: list[Sample] = [({"account": account}, account in health.keyless) for account in accounts]
    paused: list[Sample] = [
        ({"account": account, "reason": reason}, _is_paused(health, account, reason))
        for account in accounts
        for reason in DeliveryPause.Reason.values
    ]
    yield Metric("octanist_paused", "1 for the reason for which deliveries of the account wait.", paused)
    yield Metric("octanist_api_key_missing", "1 where the account has no API key, so that its leads wait.", keyless)


def _is_paused(health: Health, account: str, reason: str) -> bool:
    pause = health.pauses.get(account)
    return pause is not None and pause.reason == reason


def _outcomes(accounts: tuple[AccountFigures, ...]) -> Iterator[Metric]:
    days = [(one.account, one.spans["24h"]) for one in accounts]
    counts: list[Sample] = [
        ({"account": account, "status": status}, number)
        for account, span in days
        for status, number in span.counts.items()
    ]
    times: list[Sample] = [
        ({"account": account, "quantile": quantile}, seconds)
        for account, span in days
        for quantile, seconds in (("0.5", span.median), ("0.95", span.p95))
        if seconds is not None
    ]
    failed: list[Sample] = [({"account": one.account}, one.failed_lately) for one in accounts]
    yield Metric("octanist_leads_24h", "Leads captured in the last 24 hours, by their status now.", counts)
    yield Metric("octanist_failed_24h", "Leads that failed or were refused in the last 24 hours.", failed)
    yield Metric(
        "octanist_delivery_seconds", "From capture to delivery, of leads captured in the last 24 hours.", times
    )


def _forms(forms: tuple[FormFigures, ...]) -> Iterator[Metric]:
    linked: list[Sample] = [({"account": form.account, "form": form.form}, form.linked) for form in forms]
    lost: list[Sample] = [({"account": form.account, "form": form.form}, form.lost_pixel) for form in forms]
    yield Metric(
        "octanist_form_linked_ratio", "Share of a form's leads of 30 days with a pixel session, 0 to 1.", linked
    )
    yield Metric(
        "octanist_form_lost_pixel", "1 where that share dropped so far that the form has lost its pixel.", lost
    )


def _lines(metric: Metric) -> Iterator[str]:
    if metric.samples:
        yield f"# HELP {metric.name} {metric.meaning}"
        yield f"# TYPE {metric.name} gauge"
    for labels, value in metric.samples:
        shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        # 12 digits: a million leads and one are not a million.
        yield f"{metric.name}{f'{{{shown}}}' if shown else ''} {float(value):.12g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
