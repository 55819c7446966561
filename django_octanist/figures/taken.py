"""Taking the figures: which moments matter now, what the database counts between them, and what that makes."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import router
from django.utils import timezone

from .. import clock
from ..conf import DEFAULT_ACCOUNT, conf
from ..exceptions import OctanistConfigurationError
from ..models import Lead
from . import assembly, drop, queries
from .moments import Stretches, day_starts, span_starts
from .shapes import AccountFigures, Figures, FormFigures


def take() -> Figures:
    """Compute the figures now, in five queries at most, and one more where forms seem to have lost their pixel.

    Raises ``django.db.Error`` where the database does not answer.
    Days are those of Django's current time zone.
    """
    using = router.db_for_read(Lead)
    now = clock.now(using=using)
    return Figures(taken_at=now, accounts=_accounts(now, using=using), forms=_forms(now, using=using))


def _accounts(now: datetime, *, using: str) -> tuple[AccountFigures, ...]:
    spans, days = span_starts(now), day_starts(now, zone=timezone.get_current_timezone())
    stretches = Stretches([*spans.values(), *days.values()])
    midnights = list(days.values())
    return assembly.accounts(
        _names(),
        outcomes=queries.outcomes(stretches.edges, using=using),
        pending=queries.pending(using=using),
        failed=queries.failed(spans["30d"], spans["24h"], using=using),
        windows={
            **{name: stretches.within(start) for name, start in spans.items()},
            **{
                day: stretches.within(start, end)
                for (day, start), end in zip(days.items(), [*midnights[1:], None], strict=True)
            },
        },
    )


def _names() -> list[str]:
    try:
        return conf.accounts
    except OctanistConfigurationError:
        # `health` says it; what was captured is there all the same.
        return [DEFAULT_ACCOUNT]


def _forms(now: datetime, *, using: str) -> tuple[FormFigures, ...]:
    edges = [span_starts(now)["30d"], *(now - timedelta(days=back) for back in reversed(range(1, drop.LONGEST + 1)))]

    return assembly.forms(
        queries.captures(edges, using=using),
        edges=edges,
        newest=lambda days: queries.newest(
            {key: now - timedelta(days=number) for key, number in days.items()}, number=drop.ENOUGH, using=using
        ),
    )
