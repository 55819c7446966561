"""``OctanistWizardMixin``: makes a wizard of django-formtools one lead, once its last step is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

from django.forms import BaseForm, BaseFormSet, Form
from django.http import HttpRequest, HttpResponseBase

from ..attribution import Found, Visit, form_session_id, visit_of
from ..capture import capture_lead, first_marked, report_failure, watch_rows
from ..conf import DEFAULT_ACCOUNT, conf
from ..forms import OctanistFormMixin, posted_context, read_form
from ..vocabulary import SESSION_FIELD
from ._built import FieldMapping, check_class, check_fields, present
from .missing import missing

try:
    from formtools.wizard.storage.cookie import CookieStorage
    from formtools.wizard.views import WizardView
except ImportError as error:
    raise missing("formtools", package="django-formtools") from error

Steps = Mapping[str, Any]
"""Step name to its valid form or formset."""

KEPT = "octanist"
"""Where the wizard's storage keeps what the first step says of the visitor."""
COOKIE_LIMIT = 3_900
"""Bytes of a wizard's cookie, signature included. Browsers keep 4,096 (RFC 6265, 6.1)."""
SIGNATURE = 60
"""Bytes that signing adds to a cookie."""

if TYPE_CHECKING:

    class _Base:
        """What the mixin needs of a wizard, which has no types."""

        request: HttpRequest
        storage: Any
        form_list: Mapping[str, Any]
        done: Callable[..., HttpResponseBase]

        @classmethod
        def get_initkwargs(cls, *args: Any, **kwargs: Any) -> dict[str, Any]: ...
        def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None: ...
        def post(self, *args: Any, **kwargs: Any) -> HttpResponseBase: ...
else:
    _Base = object


class OctanistWizardMixin(_Base):
    """Put it before ``SessionWizardView``, ``CookieWizardView`` or another wizard.

    The lead is captured once the wizard's ``done`` has succeeded: the data of all steps together, the session and the
    consent of whichever step posted them, the page and the campaign of the first. It has not where it answers with a
    status of 400 or more, adds an error to a form, or goes back to a step.

    ``octanist_fields`` and ``octanist_exclude`` name fields of any step; where two steps have a field of the same name,
    the later one is ``step-name``, as it is posted. The forms need no mixin; what one with ``OctanistFormMixin`` says
    is heeded.
    """

    octanist_form: str = ""
    octanist_fields: FieldMapping = {}
    octanist_exclude: Collection[str] = ()
    octanist_account: str = DEFAULT_ACCOUNT

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        check_class(cls, mixin=OctanistWizardMixin, base=WizardView)

    @classmethod
    def get_initkwargs(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the wizard's arguments. Raises a configuration error where the mapping names no step's field."""
        arguments = super().get_initkwargs(*args, **kwargs)
        check_fields(cls, forms=arguments["form_list"])
        return arguments

    def get_octanist_data(self, steps: Steps) -> dict[str, Any]:
        """Return what is captured, by API name. Override it to have the last word; ``{}`` captures nothing."""
        return read_steps(steps, mapping=self.octanist_fields, exclude=self.octanist_exclude)

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        # The site's own `done` comes before the mixin's: only from outside can it be followed.
        self.done = self._octanist_followed(self.done)

    def post(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self._octanist_safely(self._octanist_keep)
        response = super().post(*args, **kwargs)
        self._octanist_safely(self._octanist_fit)
        return response

    def _octanist_followed(self, done: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        captured = False

        def done_and_captured(form_list: Any, **kwargs: Any) -> HttpResponseBase:
            kept, step = self.storage.extra_data.get(KEPT), self.storage.current_step
            steps, made = kwargs.get("form_dict") or dict(enumerate(form_list)), watch_rows()
            response = done(form_list, **kwargs)

            def capture() -> None:
                nonlocal captured
                if not captured and is_finished(steps, response=response) and not self._octanist_went_back(step):
                    captured = True
                    self._octanist_capture(steps, kept=kept, row=first_marked(_rows_of(steps)) or made())

            self._octanist_safely(capture)
            return response

        return done_and_captured

    def _octanist_went_back(self, step: str | None) -> bool:
        """Whether the visitor now stands at another step than ``step``, with what was sent there."""
        now = self.storage.current_step
        return now != step and self.storage.get_step_data(now) is not None

    def _octanist_capture(self, steps: Steps, *, kept: Any, row: object) -> None:
        with begun_as(kept, request=self.request):
            capture_lead(
                lambda: self._octanist_lead_data(steps),
                request=self.request,
                form=self.octanist_form or type(self).__name__,
                account=self.octanist_account,
                row=row,
            )

    def _octanist_lead_data(self, steps: Steps) -> dict[str, Any]:
        data = self.get_octanist_data(steps)
        return {**steps_context(steps), **data} if data else {}

    def _octanist_keep(self) -> None:
        """Keep page and campaign with what the first step posts; a campaign that arrives at it anew replaces them."""
        visit = visit_of(self.request)
        if conf.require_consent and not visit.consent.allows_attribution:
            return
        # Not `self.steps.first`: that would evaluate the site's conditions a first time, before the step is stored.
        at_first = self.storage.current_step in (None, next(iter(self.form_list)))
        if KEPT not in self.storage.extra_data or (at_first and visit.arriving):
            found = {"arriving": visit.arriving, "page": visit.page}
            self.storage.extra_data[KEPT] = {part: _plain(values) for part, values in found.items()}

    def _octanist_fit(self) -> None:
        """Let what was kept go where the wizard's cookie would grow so long that browsers drop it."""
        storage = self.storage
        if isinstance(storage, CookieStorage) and storage.extra_data.get(KEPT):
            cookie = SimpleCookie({storage.prefix: storage.encoder.encode(storage.data)})
            if len(cookie.output(header="")) + SIGNATURE > COOKIE_LIMIT:
                storage.extra_data[KEPT] = {}

    def _octanist_safely(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the site's wizard must go on
            report_failure(error, form=self.octanist_form or type(self).__name__, names={})


class FirstStepVisit(Visit):
    """The visit of the last step, with page and campaign of the first, where they were ``kept``."""

    def __init__(self, request: HttpRequest, *, kept: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(request)
        self._last = visit_of(request)
        self._kept = {part: _found(values) for part, values in kept.items()}

    @cached_property
    def arriving(self) -> dict[str, Found]:
        return self._kept.get("arriving") or self._last.arriving

    @property
    def page(self) -> dict[str, Found]:
        return self._kept.get("page") or self._last.page


@contextmanager
def begun_as(kept: Any, *, request: HttpRequest) -> Iterator[None]:
    """Let the visit of ``request`` have begun with what was ``kept`` at the first step, if anything was."""
    before = getattr(request, "octanist", None)
    if isinstance(kept, Mapping):
        request.octanist = FirstStepVisit(request, kept=kept)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        request.octanist = before  # type: ignore[attr-defined]


def _plain(values: Mapping[str, Found]) -> dict[str, list[str]]:
    return {name: list(found) for name, found in values.items()}


def _found(values: Mapping[str, Any]) -> dict[str, Found]:
    return {name: Found(*found) for name, found in values.items()}


def is_finished(steps: Steps, *, response: HttpResponseBase) -> bool:
    """Whether ``done`` took what the ``steps`` say: its ``response`` is no error, and it added none to a form."""
    return response.status_code < 400 and all(form.is_valid() for form in steps.values())


def _rows_of(steps: Steps) -> Iterator[object]:
    """The rows that the ``steps`` may have saved."""
    return (getattr(form, "instance", None) for form in steps.values())


def steps_context(steps: Steps) -> dict[str, Any]:
    """Return session id and consent as they were posted with any of the ``steps``; the last word counts."""
    context: dict[str, Any] = {}
    for form in steps.values():
        posted = posted_context(form)
        usable = form_session_id(posted).value or SESSION_FIELD not in context
        context |= posted if usable else {name: value for name, value in posted.items() if name != SESSION_FIELD}
    return context


class Together(Form):
    """The fields and the cleaned data of several steps as those of one form.

    ``mapping`` and ``exclude`` are what the steps' own forms say, where they have ``OctanistFormMixin``.
    """

    def __init__(self, steps: Steps, *, exclude: Collection[str]) -> None:
        super().__init__()
        self.cleaned_data: dict[str, Any] = {}
        self.mapping: dict[str, tuple[str, ...]] = {}
        self.exclude: set[str] = set(exclude)
        for step, form in steps.items():
            self._add(form, step=str(step))

    def _add(self, form: BaseForm, *, step: str) -> None:
        names = {name: f"{step}-{name}" if name in self.fields else name for name in form.fields}
        self.fields |= {names[name]: field for name, field in form.fields.items()}
        self.cleaned_data |= {names[name]: form.cleaned_data.get(name) for name in names}
        excluded = set(self.exclude)
        if isinstance(form, OctanistFormMixin):
            excluded.update(form.octanist_exclude)
            for lead_field, own in present(form.octanist_fields, fields=names).items():
                self.mapping.setdefault(lead_field, tuple(names[name] for name in own))
        # An excluded name is excluded in whichever step it stands.
        self.exclude |= {new for name, new in names.items() if name in excluded}


def read_steps(steps: Steps, *, mapping: FieldMapping, exclude: Collection[str]) -> dict[str, Any]:
    """Return the cleaned data of all ``steps`` by API names, with what is left over under ``custom``, less secrets.

    A formset is a list in ``custom``, under its step's name. A form with a ``get_octanist_data`` of its own has the
    last word on its fields; what another step has said already then goes into ``custom``.
    """
    own_word = {step: form for step, form in steps.items() if _has_own_word(form)}
    formsets = {step: form for step, form in steps.items() if isinstance(form, BaseFormSet)}
    plain = {step: form for step, form in steps.items() if step not in own_word and step not in formsets}
    form = Together(plain, exclude=exclude)
    present_mapping = {**form.mapping, **present(mapping, fields=form.fields)}
    data = read_form(form, mapping=present_mapping, exclude=form.exclude)
    data["custom"] = _mapped(data.get("custom")) | {
        str(step): _rows(formset, exclude=exclude) for step, formset in formsets.items()
    }
    for step, own in own_word.items():
        data = _joined(data, own.get_octanist_data(), step=str(step))
    return {name: value for name, value in data.items() if value not in (None, "", {})}


def _has_own_word(form: Any) -> bool:
    own = isinstance(form, OctanistFormMixin) and type(form).get_octanist_data
    return own not in (False, OctanistFormMixin.get_octanist_data)


def _joined(data: dict[str, Any], own: dict[str, Any], *, step: str) -> dict[str, Any]:
    """``data`` with the ``own`` word of a step."""
    custom = data["custom"] | _mapped(own.get("custom"))
    custom |= {f"{step}-{name}": value for name, value in own.items() if name in data and name != "custom"}
    return {**own, **data, "custom": custom}


def _mapped(custom: Any) -> dict[str, Any]:
    if isinstance(custom, Mapping):
        return dict(custom)
    return {"custom": custom} if custom else {}


def _rows(formset: BaseFormSet[Any], *, exclude: Collection[str]) -> list[dict[str, Any]]:
    """What a formset's forms say, by the fields' names or what they are; not those that are to be deleted."""
    kept = [form for form in formset.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
    rows = [read_form(form, exclude={*exclude, "DELETE", "ORDER"}) for form in kept]
    rows = [{**row, **_mapped(row.get("custom"))} for row in rows]
    return [
        {name: value for name, value in row.items() if value not in (None, "") and name != "custom"} for row in rows
    ]
