"""``OctanistFormPageMixin``: makes each submission of a Wagtail form page a lead.

Migrations of the site name the mixin, as they name Wagtail's own: it stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_save
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponseBase

from ..capture import capture_lead
from ..conf import DEFAULT_ACCOUNT
from ..forms import posted_context
from ..models import Lead
from ._built import FieldMapping, check_class, read_built_form
from .missing import missing

try:
    from wagtail.contrib.forms.models import AbstractFormSubmission, FormMixin
except ImportError as error:
    raise missing("wagtail", package="wagtail") from error

if TYPE_CHECKING:

    class _Base:
        """What the mixin needs of Wagtail's form pages, which have no types."""

        slug: str
        title: str

        def serve(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase: ...
        def serve_preview(self, request: HttpRequest, mode_name: str) -> HttpResponseBase: ...
        def process_form_submission(self, form: BaseForm) -> Any: ...
else:
    _Base = object


class OctanistFormPageMixin(_Base):
    """Put it before ``AbstractForm`` or ``AbstractEmailForm``.

    The lead is captured once the page's own work is done; also where that raises after the submission was stored, such
    as an e-mail that the mail server refuses, and then the exception goes on. Its ``form`` is the page's slug, and
    ``custom`` has the page's title. ``octanist_fields`` and ``octanist_exclude`` are as those of
    :class:`django_octanist.forms.OctanistFormMixin`, by the fields' clean names (``your_name``); a name that an editor
    has not put into this page's form is passed over.
    """

    octanist_form: str = ""
    octanist_fields: FieldMapping = {}
    octanist_exclude: Collection[str] = ()
    octanist_account: str = DEFAULT_ACCOUNT

    _octanist_request: HttpRequest | None = None
    _octanist_preview: bool = False
    _octanist_submission: Model | None = None

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        check_class(cls, mixin=OctanistFormPageMixin, base=FormMixin)

    def get_octanist_data(self, form: BaseForm) -> dict[str, Any]:
        """Return what is captured, by API name. Override it to have the last word; ``{}`` captures nothing."""
        return read_built_form(
            form, mapping=self.octanist_fields, exclude=self.octanist_exclude, page_title=str(self.title)
        )

    def capture_lead(self, form: BaseForm) -> Lead | None:
        """Capture the valid ``form`` of this page. Never raises; captures nothing in a preview.

        For a ``process_form_submission`` that does not call ``super()``; otherwise it is called by itself.
        """
        return self._octanist_capture(lambda: self._octanist_lead_data(form))

    def process_form_submission(self, form: BaseForm) -> Any:
        """Do the page's own work, capture, and return the submission."""
        self._octanist_submission = None
        try:
            submission = super().process_form_submission(form)
        except Exception:
            self._octanist_capture_kept(form)
            raise
        finally:
            self._octanist_submission = None
        self.capture_lead(form)
        return submission

    def serve(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with self._octanist_serving(request, preview=bool(getattr(request, "is_preview", False))):
            return super().serve(request, *args, **kwargs)

    def serve_preview(self, request: HttpRequest, mode_name: str) -> HttpResponseBase:
        with self._octanist_serving(request, preview=True):
            return super().serve_preview(request, mode_name)

    @contextmanager
    def _octanist_serving(self, request: HttpRequest, *, preview: bool) -> Iterator[None]:
        # Wagtail does not hand the request on to `process_form_submission`. It does not stay: a page may be pickled.
        before = self._octanist_request, self._octanist_preview
        self._octanist_request, self._octanist_preview = request, preview or self._octanist_preview
        try:
            yield
        finally:
            self._octanist_request, self._octanist_preview = before

    def _octanist_capture(self, data: Callable[[], dict[str, Any]]) -> Lead | None:
        if self._octanist_preview:
            return None
        name = self.octanist_form or str(self.slug)
        return capture_lead(data, request=self._octanist_request, form=name, account=self.octanist_account)

    def _octanist_capture_kept(self, form: BaseForm) -> None:
        """Capture ``form`` where its submission is kept, though the page's work did not come to its end."""
        submission = self._octanist_submission
        if submission is not None and not is_lost(submission):
            self._octanist_capture(lambda: self._octanist_lead_data(form) if is_there(submission) else {})

    def _octanist_lead_data(self, form: BaseForm) -> dict[str, Any]:
        data = self.get_octanist_data(form)
        return {**posted_context(form), **data} if data else {}


def is_lost(row: Model) -> bool:
    """Whether the transaction that ``row`` was saved in can only be rolled back."""
    return bool(transaction.get_connection(row._state.db).needs_rollback)


def is_there(row: Model) -> bool:
    """Whether ``row`` is in the database: not where a savepoint around it was rolled back."""
    return type(row)._base_manager.using(row._state.db).filter(pk=row.pk).exists()


def _note_submission(instance: Model, *, created: bool, **_named: Any) -> None:
    # The page is the very one that is answering, not one read from the database: nothing else says who saved it.
    page = instance._state.fields_cache.get("page") if isinstance(instance, AbstractFormSubmission) else None
    if created and isinstance(page, OctanistFormPageMixin):
        page._octanist_submission = instance


post_save.connect(_note_submission, dispatch_uid=__name__)
