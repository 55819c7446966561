"""Acts on many leads: what runs, how far it has come, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.contrib.messages import MessageFailure
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import router, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from .. import clock, figures
from ..bulk import running
from ..models import BulkAction, Lead, LeadQuerySet
from .acts import ACTS, Grouped, Preview
from .addresses import address
from .cells import Cell
from .labels import labelled
from .watched import Watched

if TYPE_CHECKING:
    _BulkActionAdmin = admin.ModelAdmin[BulkAction]
else:
    _BulkActionAdmin = admin.ModelAdmin

REFRESH_SECONDS = 5
"""Between two looks of a browser at what runs."""
MOST_SAID = 5
"""Acts that are said above the list of leads, and on the overview."""


def start(action: BulkAction, leads: LeadQuerySet, *, site: admin.AdminSite) -> HttpResponse:
    """Begin ``action`` on ``leads`` once it is committed, and show how it goes."""
    _log(action, _("Begun: %(what)s") % {"what": progress(action)}, by=action.user_key)
    _run(action, leads)
    return HttpResponseRedirect(_page(action, site=site))


def _run(action: BulkAction, leads: LeadQuerySet) -> None:
    begun = partial(running.start, action, leads, ended=_ended)
    transaction.on_commit(begun, using=router.db_for_write(Lead))


def _ended(action: BulkAction) -> None:
    _log(action, outcome(action), by=action.user_key)


def _log(action: BulkAction, message: Any, *, by: Any) -> None:
    if by:
        LogEntry.objects.log_actions(by, [action], CHANGE, change_message=str(message))


def progress(action: BulkAction) -> str:
    """How far a running action has come, in a sentence."""
    act = ACTS[action.kind]
    said = act.background if action.total else act.background_uncounted
    return str(said % {"total": Grouped(action.total), "done": Grouped(action.touched + action.left)})


def outcome(action: BulkAction) -> str:
    """How an action ended, in sentences."""
    began = _("Finished.") if action.state == BulkAction.State.FINISHED else _("Stopped.")
    said = [str(began), _counts(action)]
    if action.left:
        said.append(str(_("Left as they are: %(left)s.") % {"left": Grouped(action.left)}))
    return " ".join(said)


def _counts(action: BulkAction) -> str:
    return Preview(act=ACTS[action.kind], total=action.touched + action.left, touched=action.touched).sentence


def notices(*, site: admin.AdminSite) -> list[Cell]:
    """What runs, or was interrupted, to be said above the list of leads: sentences, each with its page."""
    return [_said(action, is_lost=is_lost, site=site) for action, is_lost in _unfinished()]


def interrupted(*, site: admin.AdminSite) -> list[Cell]:
    """What is half done and waits to be continued: likewise."""
    return [_said(action, is_lost=True, site=site) for action, is_lost in _unfinished() if is_lost]


def _unfinished() -> list[tuple[BulkAction, bool]]:
    """What runs by its row, and whether nobody works at it any more; the time is asked for once, and only then."""
    actions = list(BulkAction.objects.filter(state=BulkAction.State.RUNNING)[:MOST_SAID])
    if not actions:
        return []
    lately = clock.now(using=router.db_for_write(Lead)) - timedelta(seconds=running.LOST_SECONDS)
    return [(action, action.beat_at <= lately) for action in actions]


def _said(action: BulkAction, *, is_lost: bool, site: admin.AdminSite) -> Cell:
    text = progress(action)
    if is_lost:
        text = str(_("Interrupted by a deploy or a crash; it waits to be continued: %(progress)s") % {"progress": text})
    return Cell(text, _page(action, site=site))


def _page(action: BulkAction, *, site: admin.AdminSite) -> str:
    return address("bulkaction_change", action.pk, site=site)


def _user_of(action: BulkAction) -> Any:
    """The user who began ``action``; ``None`` where nobody is known, or is there any more."""
    users = get_user_model()._default_manager
    return users.filter(pk=action.user_key).first() if action.user_key else None


def leads_of(action: BulkAction, *, site: admin.AdminSite) -> LeadQuerySet:
    """Return what ``action``'s filter chooses now, for the user who chose it: as the list itself would show them.

    Raises ``PermissionDenied`` where that user may not do it any more.
    """
    user = _user_of(action)
    if user is None:
        raise PermissionDenied
    request = HttpRequest()
    request.method, request.user, request.GET = "GET", user, QueryDict(action.query)
    permitted = user.has_perm("octanist.view_lead") and ACTS[action.kind].is_permitted(user)
    if not (permitted and site.has_permission(request)):
        raise PermissionDenied
    leads: LeadQuerySet = site.get_model_admin(Lead).get_changelist_instance(request).queryset
    return leads


def stands(action: BulkAction) -> Any:
    """The state of ``action``; nothing in the row says that nobody works at it any more."""
    runs = action.state == BulkAction.State.RUNNING
    return _("interrupted") if runs and running.is_lost(action) else action.get_state_display()


@admin.register(BulkAction)
class BulkActionAdmin(Watched, _BulkActionAdmin):
    """Acts on many leads can be looked at, stopped, and continued where their process was lost."""

    class Media:
        css = {"all": ("octanist/admin.css", "octanist/acting.css")}

    actions = None
    list_display = (
        labelled(BulkAction, "started_at"),
        labelled(BulkAction, "kind"),
        labelled(BulkAction, "state", value=stands),
        *(labelled(BulkAction, name) for name in ("touched", "left", "finished_at")),
    )
    fields = readonly_fields = (
        "kind",
        "stands",
        "begun_by",
        "touched",
        "left",
        "started_at",
        "beat_at",
        "finished_at",
        "error",
    )

    @admin.display(description=_("state"))
    def stands(self, action: BulkAction) -> Any:
        return stands(action)

    @admin.display(description=_("user"))
    def begun_by(self, action: BulkAction) -> str:
        return str(_user_of(action) or "-")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see leads may see what is done to them: there is no personal data here."""
        return request.user.has_perm("octanist.view_lead")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        action = self.get_object(request, unquote(object_id))
        shown = self._shown(request, action) if action else {}
        response = super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})
        if shown.get("refreshes"):
            # Without JavaScript. Not as an element of the page, which could not be turned off.
            response["Refresh"] = str(REFRESH_SECONDS)
        return response

    def _shown(self, request: HttpRequest, action: BulkAction) -> dict[str, Any]:
        runs, lost = action.state == BulkAction.State.RUNNING, running.is_lost(action)
        return {
            "title": ACTS[action.kind].title,
            "subtitle": None,
            "progress": progress(action) if runs else outcome(action),
            "done": action.touched + action.left,
            "runs": runs,
            "lost": lost,
            "may_act": runs and ACTS[action.kind].is_permitted(request.user),
            "refreshes": runs and not lost and "still" not in request.GET,
            "refresh_seconds": REFRESH_SECONDS,
        }

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("<int:key>/continue/", self._post(self._continue), name="octanist_bulkaction_continue"),
            path("<int:key>/stop/", self._post(self._stop), name="octanist_bulkaction_stop"),
        ]
        return own + super().get_urls()

    def _post(self, do: Callable[[HttpRequest, BulkAction], None]) -> Callable[..., Any]:
        """A button of an action's page: by POST, with the permission for its kind."""

        def view(request: HttpRequest, key: int) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not self.has_view_permission(request):
                raise PermissionDenied
            action = self.get_object(request, str(key))
            if action is None:
                raise Http404
            if not ACTS[action.kind].is_permitted(request.user):
                raise PermissionDenied
            do(request, action)
            return HttpResponseRedirect(_page(action, site=self.admin_site))

        return self.admin_site.admin_view(view)

    def _stop(self, request: HttpRequest, action: BulkAction) -> None:
        if not running.stop(action.pk):
            self.message_user(request, _("It had ended already."), messages.WARNING)
            return
        action.refresh_from_db()
        _log(action, outcome(action), by=request.user.pk)
        figures.forget()

    def _continue(self, request: HttpRequest, action: BulkAction) -> None:
        taken = running.take_over(action.pk)
        if taken is None:
            self.message_user(request, _("It has ended, or goes on already."), messages.WARNING)
            return
        try:
            leads = leads_of(taken, site=self.admin_site)
        except (PermissionDenied, SuspiciousOperation, IncorrectLookupParameters, MessageFailure):
            self._stop(request, taken)
            text = _(
                "It cannot go on: whoever began it may not do this any more, or the list has no such filter any more."
                " Begin again from the list of leads; what is done stays done."
            )
            self.message_user(request, text, messages.ERROR)
            return
        _log(taken, _("Continued."), by=request.user.pk)
        _run(taken, leads)
