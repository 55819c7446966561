"""The list of leads: what is listed, counted, searched and filtered, fast however many there are.

Nothing here looks at all leads: counts are capped, choices are read from indexes, and an address may ask only for what
an index answers.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page, Paginator
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from ..models import DeliveryAttempt, Lead
from . import accounts, search
from .columns import Columns
from .filters import AccountFilter, CapturedFilter, FormFilter, LinkedFilter, SourceFilter, StatusFilter, ValueFilter
from .notices import notices
from .watched import Watched

if TYPE_CHECKING:

    class _Mixin(Watched, admin.ModelAdmin[Lead]): ...

    class _Paginator(Paginator[Lead]): ...
else:
    _Mixin = object
    _Paginator = Paginator

MOST_COUNTED = 10_000
"""Leads that are counted, and that pages lead to."""
CAPTURED = "created_at"
UNSHOWN = ("note", "custom", "attribution", "consent", "sources")
"""Long columns that the list does not show."""
CONTACT_HELP = _(
    "E-mail (or how it begins), submission ID, Octanist ID or request ID; name and phone among the newest %(newest)s"
    " leads."
)
ID_HELP = _("Submission ID, Octanist ID or request ID.")


class CappedPaginator(_Paginator):
    """Pages of the first :data:`MOST_COUNTED` leads.

    Their keys are read first, and a page's leads by them. A database that is asked for the first 50 leads at once may
    hope to meet them soon in the list's order, and go through all others where they are old.
    """

    @cached_property
    def _keys(self) -> list[int]:
        return list(self._leads.values_list("pk", flat=True)[: MOST_COUNTED + 1])

    @property
    def _leads(self) -> QuerySet[Lead]:
        return self.object_list  # type: ignore[return-value]

    @cached_property
    def count(self) -> int:
        return min(len(self._keys), MOST_COUNTED)

    @property
    def is_capped(self) -> bool:
        """Whether there are more."""
        return len(self._keys) > MOST_COUNTED

    def page(self, number: int | str) -> Page[Lead]:
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        keys = self._keys[start : min(start + self.per_page, self.count)]
        return Page(self._leads.filter(pk__in=keys), number, self)


class LeadChangeList(ChangeList):
    """Django's change list, which says ``10,000+`` where there are more than are counted."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """By key, which every filter's index ends with; a span of time by time, or its leads were looked for."""
        ordering = super().get_ordering(request, queryset)
        if not any(name.startswith(f"{CAPTURED}__") for name in self.params):
            return ordering
        sign = "" if ordering[:1] == ["id"] else "-"
        return [f"{sign}{CAPTURED}", f"{sign}id"]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page = self.paginator.page(self.page_num if self.multi_page else 1)
        self.result_list = page.object_list.defer(*UNSHOWN)
        if self.is_capped:
            # Beside the search field Django says how many were found, unless it is all there are.
            self.full_result_count = self.result_count

    @property
    def is_capped(self) -> bool:
        """Whether there are more leads than were counted."""
        return bool(self.paginator.is_capped)

    @property
    def as_counted(self) -> ChangeList:
        """The same for templates that print the count: it is a text where it is capped."""
        if not self.is_capped:
            return self
        shown = copy(self)
        shown.result_count = f"{number_format(MOST_COUNTED, force_grouping=True)}+"  # type: ignore[assignment]
        return shown


def _attempted(request_ids: list[str]) -> dict[str, list[int]]:
    """Return the keys of leads by the request ids of their attempts. A lead itself knows the latest only.

    Asked for apart: as one of several alternatives a database would not use the index.
    """
    if not request_ids:
        return {}
    rows = DeliveryAttempt.objects.filter(request_id__in=request_ids).order_by()
    found: dict[str, list[int]] = {}
    for request_id, lead in rows.values_list("request_id", "lead_id")[:MOST_COUNTED]:
        found.setdefault(request_id, []).append(lead)
    return found


class LeadList(_Mixin):
    """The list's half of ``LeadAdmin``."""

    list_filter = (
        StatusFilter,
        FormFilter,
        AccountFilter,
        LinkedFilter,
        SourceFilter,
        (CAPTURED, CapturedFilter),
    )
    list_per_page = 50
    list_max_show_all = 50
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    # That there is a search field; what it finds says `search`.
    search_fields = ("submission_id",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LeadChangeList

    def get_list_display(self, request: HttpRequest) -> Any:
        known = accounts.of(request)
        return Columns(
            self.sight(request),
            pauses=known.pauses,
            keyless=known.keyless,
            with_account=len(known.waiting) > 1,
            now=timezone.now(),
        ).listed()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Lead], search_term: str
    ) -> tuple[QuerySet[Lead], bool]:
        """Who may not see a contact does not find out by searching for it, either."""
        if not search_term.strip():
            return queryset, False
        personal = self.has_personal_permission(request)
        newest = personal and search.needs_newest(search_term)
        last = (Lead.objects.aggregate(last=Max("pk"))["last"] or 0) if newest else 0
        tried = _attempted(search.request_ids(search_term))
        wanted = search.condition(search_term, personal=personal, after=last - search.NEWEST, attempted=tried)
        return queryset.filter(wanted), False

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        listed = super().get_changelist_instance(request)
        newest = {"newest": number_format(search.NEWEST, force_grouping=True)}
        listed.search_help_text = str(CONTACT_HELP % newest if self.has_personal_permission(request) else ID_HELP)
        return listed

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only by the filters: Django allows every column in the address, which would tell what is masked, and scan."""
        own = [listed for listed in self.get_list_filter(request) if isinstance(listed, type)]
        allowed = {str(listed.parameter_name) for listed in own if issubclass(listed, admin.SimpleListFilter)}
        allowed |= {listed.exact_name() for listed in own if issubclass(listed, ValueFilter)}
        return lookup in allowed | {f"{CAPTURED}__gte", f"{CAPTURED}__lt"} and "\0" not in value

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"octanist_notices": notices(accounts.of(request)), **(extra_context or {})}
        return super().changelist_view(request, context)
