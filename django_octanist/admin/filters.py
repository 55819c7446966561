"""The list's filters: by the exact value of one column, and by the time of capture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from ..models import Lead
from . import accounts, values
from .shown import moment_shown

NEWEST = 1_000
"""Leads whose sources are offered, the most frequent first."""
MOST_SOURCES = 20


class ValueFilter(admin.SimpleListFilter):
    """Leads with one value in the column that the parameter is named after.

    Shown where there is a choice. A value in the address that is not among the choices stays, and is shown as chosen.
    """

    def __init__(self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any) -> None:
        exact = params.pop(self.exact_name(), None)
        if exact:
            params.setdefault(str(self.parameter_name), exact)
        super().__init__(request, params, model, model_admin)

    @classmethod
    def exact_name(cls) -> str:
        """The parameter's other name, by which Django's own filters go."""
        return f"{cls.parameter_name}__exact"

    def found(self, request: HttpRequest) -> Iterable[str]:
        """Return the values to choose from."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        offered = list(self.found(request))
        chosen = self.value()
        if chosen is not None and chosen not in offered:
            offered.append(chosen)
        return [(value, self.label(value)) for value in offered]

    def label(self, value: str) -> Any:
        return value or _("(none)")

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1 or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        chosen = self.value()
        return queryset if chosen is None else queryset.filter(**{str(self.parameter_name): chosen})


class StatusFilter(ValueFilter):
    """By status."""

    title = _("status")
    parameter_name = "status"

    def found(self, request: HttpRequest) -> Iterable[str]:
        return Lead.Status.values

    def label(self, value: str) -> Any:
        return dict(Lead.Status.choices).get(value, value)


class FormFilter(ValueFilter):
    """By form."""

    title = _("form")
    parameter_name = "form"

    def found(self, request: HttpRequest) -> Iterable[str]:
        return values.distinct("form")


class AccountFilter(ValueFilter):
    """By account."""

    title = _("account")
    parameter_name = "account"

    def found(self, request: HttpRequest) -> Iterable[str]:
        return accounts.of(request).waiting


class LinkedFilter(ValueFilter):
    """Whether a lead came with a pixel session; a session id that was refused counts apart."""

    title = _("pixel session")
    parameter_name = "linked"

    def found(self, request: HttpRequest) -> Iterable[str]:
        return Lead.Linked.values

    def label(self, value: str) -> Any:
        return dict(Lead.Linked.choices).get(value, value)


class SourceFilter(ValueFilter):
    """By source in one word: those that are frequent lately."""

    title = _("source")
    parameter_name = "source"

    def found(self, request: HttpRequest) -> Iterable[str]:
        newest = Lead.objects.order_by("-pk").values_list("source", flat=True)[:NEWEST]
        return [source for source, _number in Counter(newest).most_common(MOST_SOURCES)]


class CapturedFilter(admin.DateFieldListFilter):
    """By the time of capture; a span in the address that is not among the choices is shown, too."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        offered = list(super().choices(changelist))
        yield from offered
        if not any(choice["selected"] for choice in offered):
            yield {"selected": True, "query_string": changelist.get_query_string(), "display": self._span()}

    def _span(self) -> str:
        since, until = (_moment(self.date_params.get(f"{self.field_path}__{end}", "")) for end in ("gte", "lt"))
        return f"{since} - {until}".strip()


def _moment(text: str) -> str:
    moment = parse_datetime(text)
    return moment_shown(moment) if moment else text
