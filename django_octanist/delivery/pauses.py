"""Accounts whose deliveries wait: when they pause, who may probe, how they resume.

The row in ``DeliveryPause`` is shared by all processes. Leads of a paused account stay due and cost nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import router
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from .. import alerts, clock, signals
from ..clock import elapsed
from ..conf import conf
from ..models import DeliveryAttempt, DeliveryPause, Lead
from .claims import Claim
from .decisions import OUTAGE_OUTCOMES, OUTAGE_STREAK, PROBE_SECONDS, Attempt, Change, Result, probe_delay

logger = logging.getLogger("django_octanist")

_refused: dict[str, tuple[str, float]] = {}
"""By account: this process's key that was refused last, as a fingerprint, and where, and until when it is not tried
while the account is not paused (on ``clock.elapsed()``)."""

Settled = tuple[Claim, Result, Change]


def follow(settled: Iterable[Settled]) -> set[str]:
    """Pause, keep paused or resume the accounts of ``settled`` by what came back. Return those that are paused now."""
    by_account: dict[str, list[Settled]] = {}
    for item in settled:
        if item[1].attempts:
            by_account.setdefault(item[0].lead.account, []).append(item)
    return {account for account, items in by_account.items() if _follow(account, items)}


def _follow(account: str, items: list[Settled]) -> bool:
    reason, cause, retry_after = None, "", None
    for _claim, result, change in items:
        if change.pause:
            reason, cause, retry_after = change.pause, _cause(result.attempts[-1]), change.retry_after
    failed = [
        result.attempts[-1] for _claim, result, _change in items if result.attempts[-1].outcome in OUTAGE_OUTCOMES
    ]
    if reason is None and failed and is_outage(account):
        reason, cause = DeliveryPause.Reason.OUTAGE, _cause(failed[-1])
    if reason == DeliveryPause.Reason.UNAUTHORIZED:
        _refused[account] = (_key_here(account), elapsed() + PROBE_SECONDS)
    probe = next((item for item in items if item[0].probe), None)
    if probe is None:
        if reason:
            pause(account, reason=reason, error=cause, retry_after=retry_after)
        return reason is not None
    if probe[2].answered:
        resume(account)
        return False
    prolong(account, reason=reason, error=cause or _cause(probe[1].attempts[-1]), retry_after=retry_after)
    return True


def _cause(last: Attempt) -> str:
    """What the pause shows: not Octanist's words, which may quote a person's data and stay with the lead."""
    return f"HTTP {last.http_status} {last.error_code}".rstrip() if last.http_status else last.error


def pause(account: str, *, reason: DeliveryPause.Reason, error: str, retry_after: float | None = None) -> None:
    """Pause ``account``; where it is paused already, do nothing (results of what was under way still come in)."""
    now = clock.now(using=_rows().db)
    _row, created = _rows().get_or_create(
        account=account,
        defaults={
            "reason": reason,
            "error": error,
            "since": now,
            "probe_at": clock.after(now, timedelta(seconds=retry_after or probe_delay(0))),
            "key_fingerprint": fingerprint(account),
        },
    )
    if created:
        _announce(account, reason=reason)


def _announce(account: str, *, reason: DeliveryPause.Reason) -> None:
    signals.send(signals.delivery_paused, sender=Lead, account=account, reason=reason)
    # Being rate limited passes by itself.
    if reason != DeliveryPause.Reason.RATE_LIMITED:
        logger.error("Octanist: deliveries of the account %s are paused: %s.", account, reason.label)
        alerts.paused(account, reason)


def prolong(account: str, *, reason: DeliveryPause.Reason | None, error: str, retry_after: float | None = None) -> None:
    """Keep ``account`` paused after a probe that failed, for twice as long as before.

    A probe may show another ``reason`` than the first (``None``: it shows none), which is announced like the first.
    """
    for row in _rows().filter(account=account):
        before, row.reason = row.reason, reason or row.reason
        row.failures += 1
        row.error = error
        row.key_fingerprint = fingerprint(account)
        delay = timedelta(seconds=retry_after or probe_delay(row.failures))
        row.probe_at = clock.after(clock.now(using=_rows().db), delay)
        names = ("reason", "failures", "error", "key_fingerprint", "probe_at")
        # Nothing where somebody resumed it meanwhile.
        _rows().filter(pk=row.pk).update(**{name: getattr(row, name) for name in names})
        if reason and reason != before:
            _announce(account, reason=reason)


def resume(account: str) -> bool:
    """Let deliveries of ``account`` go on. Return whether they were paused."""
    _refused.pop(account, None)
    row = of(account)
    removed, _per_model = _rows().filter(account=account).delete()
    if removed:
        logger.info("Octanist: deliveries of the account %s go on.", account)
        signals.send(signals.delivery_resumed, sender=Lead, account=account)
        # Who heard of the pause hears of its end. Being rate limited alerts nobody, but may follow on what did.
        is_limited = row is not None and row.reason == DeliveryPause.Reason.RATE_LIMITED
        alerts.resumed(account, if_paused=is_limited)
    return bool(removed)


def try_now(account: str) -> bool:
    """Let the next lead of ``account`` that is due be a probe, at once. Return whether the account is paused.

    The pause, and its ``since``, stay until a lead gets through: who asks for it may err, and nobody is to be told that
    deliveries go on before they do.
    """
    rows = _rows().filter(account=account)
    if not conf.api_key(account):
        # Nothing is ever tried without a key: of an account that is gone, the row would stay for ever.
        return bool(rows.delete()[0])
    return bool(rows.update(probe_at=clock.now(using=rows.db), failures=0))


def of(account: str) -> DeliveryPause | None:
    """Return the pause of ``account``, if it is paused."""
    return _rows().filter(account=account).first()


def probe_moment(row: DeliveryPause, *, now: datetime) -> datetime:
    """Return when ``row`` may be probed: at once, where the key is another than the one that was refused."""
    refused = row.reason == DeliveryPause.Reason.UNAUTHORIZED
    is_new = refused and row.key_fingerprint not in ("", fingerprint(row.account))
    is_new = is_new and _refused.get(row.account, ("", 0.0))[0] != _key_here(row.account)
    return min(row.probe_at, now) if is_new else row.probe_at


def is_refused_here(account: str) -> bool:
    """Whether the key that this process has was refused a moment ago, though another's may be good.

    While keys are exchanged, processes have different ones: one that is stale must not pause the account again and
    again.
    """
    key, until = _refused.get(account, ("", 0.0))
    return elapsed() < until and key == _key_here(account)


def _key_here(account: str) -> str:
    return f"{fingerprint(account)} {conf.api_url}"


def take_probe(row: DeliveryPause, *, now: datetime, seconds: float) -> bool:
    """Whether this process may send the probe now, which may take ``seconds``: one process at a time."""
    if probe_moment(row, now=now) > now:
        return False
    mine = _rows().filter(pk=row.pk, probe_at=row.probe_at, key_fingerprint=row.key_fingerprint)
    ends = clock.after(now, timedelta(seconds=seconds))
    return bool(mine.update(probe_at=ends, key_fingerprint=fingerprint(row.account)))


def fingerprint(account: str) -> str:
    """Return what tells one API key of ``account`` from another, and from which neither can be guessed."""
    return salted_hmac("django_octanist.key", conf.api_key(account), algorithm="sha256").hexdigest()


def is_outage(account: str) -> bool:
    """Whether the account's latest attempts all failed for reasons that are not a lead's own."""
    latest = DeliveryAttempt.objects.using(_rows().db).filter(account=account).order_by("-id")
    outcomes = list(latest.values_list("outcome", flat=True)[:OUTAGE_STREAK])
    return len(outcomes) == OUTAGE_STREAK and OUTAGE_OUTCOMES.issuperset(outcomes)


def forget() -> None:
    """Forget which keys were refused here. For tests."""
    _refused.clear()


def _rows() -> QuerySet[DeliveryPause]:
    """The pauses in the database that is written: a replica may lag."""
    return DeliveryPause.objects.using(router.db_for_write(DeliveryPause))
