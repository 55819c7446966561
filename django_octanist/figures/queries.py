"""What the database counts: grouped rows, few enough to be added up here. No lead is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import (
    Case,
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import Combinable

from ..models import DeliveryAttempt, Lead, LeadQuerySet
from .histogram import THRESHOLDS

_DELIVERED = Q(status=Lead.Status.DELIVERED, delivered_at__isnull=False)
_LINKED = Q(linked=Lead.Linked.YES)
_CONSENT = Q(consent__ad_storage=True) | Q(consent__analytics_storage=True)
_FAILED = (Lead.Status.FAILED, Lead.Status.INVALID)


class Outcomes(NamedTuple):
    """Leads of one account and status, captured in one stretch of time, in one bucket of seconds to delivery."""

    account: str
    status: str
    stretch: int
    bucket: int | None
    is_erased: bool
    """Of failed and invalid ones: nobody can do anything about them any more."""
    leads: int


class Pending(NamedTuple):
    """The pending leads of one account."""

    account: str
    leads: int
    oldest: datetime


class Captures(NamedTuple):
    """Leads of one form, captured in one stretch of time, that are alike in session and consent."""

    form: str
    account: str
    stretch: int
    has_session: bool
    has_consent: bool
    leads: int


class FormKey(NamedTuple):
    """A form of an account."""

    account: str
    form: str


class Newest(NamedTuple):
    """The newest leads of one form that are alike in having a session, or none."""

    form: str
    account: str
    has_session: bool
    leads: int


def outcomes(edges: Sequence[datetime], *, using: str) -> Iterable[Outcomes]:
    """Count what became of the leads captured since the first of ``edges``."""
    took = ExpressionWrapper(F("delivered_at") - F("created_at"), output_field=DurationField())
    thresholds = [timedelta(seconds=seconds) for seconds in THRESHOLDS]
    rows = _since(edges[0], using=using).alias(took=took)
    place = _place("created_at", edges)
    bucket = Case(When(_DELIVERED, then=_place("took", thresholds)), default=None)
    erased = _flag(Q(status__in=_FAILED, erased_at__isnull=False))
    return _counted(rows.values("account", "status", stretch=place, bucket=bucket, is_erased=erased), Outcomes)


def pending(*, using: str) -> Iterable[Pending]:
    """Count what is pending, however old."""
    rows = Lead.objects.using(using).waiting().order_by().values("account")
    return [Pending(**row) for row in rows.annotate(leads=Count("pk"), oldest=Min("created_at"))]


def captures(edges: Sequence[datetime], *, using: str) -> Iterable[Captures]:
    """Count the leads of each form captured since the first of ``edges``."""
    rows = _since(edges[0], using=using).values(
        "form", "account", stretch=_place("created_at", edges), has_session=_flag(_LINKED), has_consent=_flag(_CONSENT)
    )
    return _counted(rows, Captures)


def newest(forms: Mapping[FormKey, datetime], *, number: int, using: str) -> Iterable[Newest]:
    """Return, of each of ``forms``, whether its newest ``number`` leads have a session: in one query, by indexes.

    ``forms`` says since when each of them has captured as many; one that has not is left out.
    """
    wanted = Q()
    for key, since in forms.items():
        rows = Lead.objects.using(using).filter(form=key.form, account=key.account, created_at__gte=since)
        last = Subquery(rows.order_by("-pk").values("pk")[number - 1 : number])
        wanted |= Q(form=key.form, account=key.account, created_at__gte=since, pk__gte=last)
    if not wanted:
        return []
    rows = Lead.objects.using(using).filter(wanted).order_by()
    return _counted(rows.values("form", "account", has_session=_flag(_LINKED)), Newest)


def failed(since: datetime, lately: datetime, *, using: str) -> dict[str, int]:
    """Count, by account, leads captured between ``since`` and ``lately`` that failed, or were refused, after that.

    A lead is as old as it is, but its last attempt says when it ended.
    """
    attempts = DeliveryAttempt.objects.filter(lead=OuterRef("pk"), started_at__gte=lately)
    rows = _since(since, using=using).filter(created_at__lt=lately, status__in=_FAILED, erased_at=None)
    rows = rows.filter(Exists(attempts))
    return dict(rows.values("account").annotate(leads=Count("pk")).values_list("account", "leads"))


def _since(moment: datetime, *, using: str) -> LeadQuerySet:
    return Lead.objects.using(using).filter(created_at__gte=moment).order_by()


def _counted(rows: QuerySet[Any, Any], kind: Any) -> list[Any]:
    return [kind(**row) for row in rows.annotate(leads=Count("pk"))]


def _flag(condition: Q) -> Combinable:
    return Case(When(condition, then=Value(1)), default=Value(0), output_field=IntegerField())


def _place(name: str, edges: Sequence[Any], *, first: int = 0) -> Combinable:
    """How many of the ascending ``edges`` are at most what ``name`` says, by halves: 80 edges cost 7 comparisons."""
    if not edges:
        return Value(first, output_field=IntegerField())
    middle = len(edges) // 2
    below = _place(name, edges[:middle], first=first)
    above = _place(name, edges[middle + 1 :], first=first + middle + 1)
    return Case(When(**{f"{name}__lt": edges[middle]}, then=below), default=above)
