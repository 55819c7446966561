from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import django
import pytest
from django import forms
from django.apps import apps
from django.core.checks import CheckMessage, run_checks
from django.core.checks import Error as ErrorMessage
from django.core.checks import Warning as WarningMessage
from django.test import override_settings
from django.utils.module_loading import import_string

from django_octanist import checks
from django_octanist.conf import SETTINGS
from django_octanist.forms import FORMS, OctanistFormMixin
from django_octanist.middleware import OctanistMiddleware
from django_octanist.registry import register, unregister

from .site.models import Quote

SECRET = "sk-MARKER-7f3a"
NO_FUNCTION = 5


class OwnMiddleware(OctanistMiddleware):
    pass


@pytest.fixture(autouse=True)
def _no_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forms and models of other tests are not looked at."""
    monkeypatch.setattr(checks, "FORMS", set())


def found() -> list[CheckMessage]:
    return run_checks(tags=["octanist"])


def ids() -> list[str | None]:
    return [message.id for message in found()]


def only() -> CheckMessage:
    (message,) = found()
    return message


def test_a_sound_site_has_nothing_to_report() -> None:
    assert found() == []


def test_each_check_is_registered_once() -> None:
    with override_settings(OCTANIST_TIMEOUTS=1, OCTANIST_API_KEY="", MIDDLEWARE=[]):
        assert sorted(map(str, ids())) == ["octanist.E001", "octanist.W001", "octanist.W002"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("OCTANIST_TIMEOUTS", "OCTANIST_TIMEOUT"),
        ("OCTANIST_APIKEY", "OCTANIST_API_KEY"),
        ("OCTANIST_API_KEY_", "OCTANIST_API_KEY"),
        ("OCTANIST_URL", "OCTANIST_API_URL"),
        ("OCTANIST_PIXELID", "OCTANIST_PIXEL_ID"),
        ("OCTANIST_MAX_RETRIES", "OCTANIST_MAX_ATTEMPTS"),
    ],
)
def test_e001_an_unknown_name_with_the_nearest_that_exists(name: str, nearest: str) -> None:
    with override_settings(**{name: SECRET}):
        message = only()
    assert isinstance(message, ErrorMessage)
    assert (message.id, message.obj) == ("octanist.E001", name)
    assert name in message.msg
    assert message.hint is not None
    assert message.hint.startswith(f"Did you mean {nearest}?")
    assert SECRET not in str(message)


@pytest.mark.parametrize("name", ["OCTANIST", "octanist_timeout", "MY_OCTANIST_KEY"])
def test_names_of_others_are_not_looked_at(name: str) -> None:
    with override_settings(**{name: 1}):
        assert found() == []


WRONG_TYPES = [
    pytest.param(name, value, id=f"{name}-{type(value).__name__}")
    for name, setting in SETTINGS.items()
    for value in (None, b"x", ["x"], object())
    if value is not None or setting.default is not None
]


@pytest.mark.parametrize(("name", "value"), WRONG_TYPES)
def test_a_wrong_type_is_one_error_that_names_the_setting(name: str, value: Any) -> None:
    with override_settings(**{name: value}):
        message = only()
    assert isinstance(message, ErrorMessage)
    assert message.id == SETTINGS[name].check_id
    assert message.obj == name
    assert name in message.msg
    assert message.hint is not None
    assert message.hint.startswith(SETTINGS[name].meaning)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OCTANIST_API_KEY", f"{SECRET} with a space"),
        ("OCTANIST_API_KEYS", {"shop": f"{SECRET} with a space"}),
        ("OCTANIST_API_KEYS", {"default": SECRET}),
        ("OCTANIST_ALERT_EMAILS", [SECRET]),
    ],
)
def test_e002_secret_values_are_not_shown(name: str, value: Any) -> None:
    with override_settings(**{name: value}):
        message = only()
    assert message.id == "octanist.E002"
    assert SECRET not in f"{message} {message.hint} {message!r}"


def test_e002_other_values_are_shown_with_the_default() -> None:
    with override_settings(OCTANIST_BATCH_SIZE="many"):
        message = only()
    assert message.id == "octanist.E002"
    assert "'many'" in message.msg
    assert message.hint is not None
    assert message.hint.endswith("The default is 100.")


@pytest.mark.parametrize("name", ["OCTANIST_API_URL", "OCTANIST_PIXEL_URL"])
@pytest.mark.parametrize(
    "url", ["http://octanist.com/api", "octanist.com", "https://octanist.com:99999", "https://[::1"]
)
def test_e003_a_url_that_is_not_https(name: str, url: str) -> None:
    with override_settings(**{name: url}):
        message = only()
    assert (message.id, message.obj) == ("octanist.E003", name)
    assert isinstance(message, ErrorMessage)


@pytest.mark.parametrize("code", ["OCT-1", "OCTA1.OCT-1A2B3C4D.x.a"])
def test_e004_a_malformed_pixel_id(code: str) -> None:
    with override_settings(OCTANIST_PIXEL_ID=code):
        message = only()
    assert (message.id, message.obj) == ("octanist.E004", "OCTANIST_PIXEL_ID")
    assert isinstance(message, ErrorMessage)
    assert code in message.msg


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("tests.nowhere.dispatch", "cannot be imported"),
        ("tests.test_checks.nothing", "cannot be imported"),
        ("tests.test_checks.NO_FUNCTION", "no function"),
        ("os.path", "no function"),
    ],
)
def test_e005_a_dispatch_that_does_not_exist(path: str, problem: str) -> None:
    with override_settings(OCTANIST_DISPATCH=path):
        message = only()
    assert (message.id, message.obj) == ("octanist.E005", "OCTANIST_DISPATCH")
    assert isinstance(message, ErrorMessage)
    assert path in message.msg
    assert problem in message.msg


@pytest.mark.parametrize("path", ["tests.test_checks.found", "thread", "inline", "manual"])
def test_a_dispatch_that_exists(path: str) -> None:
    with override_settings(OCTANIST_DISPATCH=path):
        assert found() == []


TASKS = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
needs_tasks = pytest.mark.skipif(find_spec(TASKS) is None, reason="needs django-tasks, which Django 5.2 lacks")


@pytest.fixture
def _tasks_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "django_tasks" or installed(name))


def backend(path: str) -> dict[str, Any]:
    return {"default": {"BACKEND": path}}


class OwnBackend(import_string(f"{TASKS}.backends.dummy.DummyBackend") if find_spec(TASKS) else object):
    """One that a site made of Django's."""


class Backend(import_string(f"{TASKS}.backends.base.BaseTaskBackend") if find_spec(TASKS) else object):
    def enqueue(self, task: Any, args: Any, kwargs: Any) -> None: ...


@needs_tasks
@pytest.mark.usefixtures("_tasks_installed")
@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (f"{TASKS}.backends.immediate.ImmediateBackend", "in the request"),
        (f"{TASKS}.backends.dummy.DummyBackend", "leads wait for ever"),
        ("tests.test_checks.OwnBackend", "leads wait for ever"),
    ],
)
def test_w004_tasks_that_run_in_the_request_or_never(path: str, problem: str) -> None:
    with override_settings(OCTANIST_DISPATCH="tasks", TASKS=backend(path)):
        message = only()
    assert (message.id, message.obj) == ("octanist.W004", "TASKS")
    assert isinstance(message, WarningMessage)
    assert path in message.msg
    assert problem in message.msg


@needs_tasks
@pytest.mark.usefixtures("_tasks_installed")
def test_w004_where_nothing_is_chosen_django_runs_tasks_in_the_request() -> None:
    with override_settings(OCTANIST_DISPATCH="tasks"):
        assert only().id == "octanist.W004"


@needs_tasks
@pytest.mark.usefixtures("_tasks_installed")
def test_a_backend_with_a_worker() -> None:
    with override_settings(OCTANIST_DISPATCH="tasks", TASKS=backend("tests.test_checks.Backend")):
        assert found() == []


@needs_tasks
@pytest.mark.usefixtures("_tasks_installed")
def test_e005_a_backend_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    # `@task` reads TASKS at import.
    monkeypatch.delitem(sys.modules, "django_octanist.dispatch.tasks", raising=False)
    with override_settings(OCTANIST_DISPATCH="tasks", TASKS=backend("tests.nowhere.Backend")):
        message = only()
    assert message.id == "octanist.E005"
    assert "tests.nowhere.Backend" in message.msg


@pytest.mark.parametrize("chosen", ["thread", "manual"])
def test_the_tasks_of_a_site_that_delivers_otherwise_are_not_looked_at(chosen: str) -> None:
    with override_settings(OCTANIST_DISPATCH=chosen, TASKS=backend(f"{TASKS}.backends.dummy.DummyBackend")):
        assert found() == []


def test_e009_without_the_package_that_django_52_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django, "VERSION", (5, 2, 0, "final", 0))
    monkeypatch.setitem(sys.modules, "django_tasks", None)
    monkeypatch.delitem(sys.modules, "django_octanist.dispatch.tasks", raising=False)
    with override_settings(OCTANIST_DISPATCH="tasks"):
        message = only()
    assert (message.id, message.obj) == ("octanist.E009", "OCTANIST_DISPATCH")
    assert isinstance(message, ErrorMessage)
    assert 'pip install "django-octanist[tasks]"' in message.msg
    assert '"django_tasks" to INSTALLED_APPS' in message.msg


@needs_tasks
def test_e009_the_package_is_no_installed_app(monkeypatch: pytest.MonkeyPatch) -> None:
    import_module("django_octanist.dispatch.tasks")
    monkeypatch.setattr(django, "VERSION", (5, 2, 0, "final", 0))
    with override_settings(OCTANIST_DISPATCH="tasks"):
        message = only()
    assert (message.id, message.obj) == ("octanist.E009", "OCTANIST_DISPATCH")
    assert isinstance(message, ErrorMessage)
    assert '"django_tasks" is not in INSTALLED_APPS' in message.msg


class SoundForm(OctanistFormMixin, forms.Form):
    octanist_fields = {"email": "mail"}
    octanist_exclude = ("age",)
    mail = forms.EmailField()
    age = forms.IntegerField()


class DynamicForm(OctanistFormMixin, forms.Form):
    octanist_fields = {"name": "added"}
    mail = forms.EmailField()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["added"] = forms.CharField()


class FurtherDynamicForm(DynamicForm):
    octanist_fields = {"name": "added", "email": "mail"}


class UnknownLeadField(SoundForm):
    octanist_fields = {"e-mail": "mail"}


class UnknownFormField(SoundForm):
    octanist_fields = {"name": ("mail", "nothing")}


class UnknownExclude(SoundForm):
    octanist_exclude = ("nothing",)


class QuoteForm(OctanistFormMixin, forms.ModelForm):
    octanist_fields = {"name": "nothing"}

    class Meta:
        model = Quote
        fields = ("full_name",)


class FormMixin(OctanistFormMixin):
    octanist_fields = {"name": "nothing"}


WRONG = [UnknownLeadField, UnknownFormField, UnknownExclude, QuoteForm]
for _form in WRONG:
    FORMS.discard(_form)  # other tests run the checks too


@pytest.mark.parametrize("form", WRONG)
def test_e006_a_forms_mapping_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch, form: type) -> None:
    monkeypatch.setattr(checks, "FORMS", {SoundForm, form})
    message = only()
    assert (message.id, message.obj) == ("octanist.E006", form)
    assert isinstance(message, ErrorMessage)
    assert form.__qualname__ in message.msg


LATE = """
from django import forms
from django_octanist.forms import OctanistFormMixin

class LateForm(OctanistFormMixin, forms.Form):
    octanist_fields = {"phone": "mobil"}
    mobile = forms.CharField()

urlpatterns = []
"""


def test_e006_of_a_form_that_only_the_views_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """Django does the checks in any order, and imports the views for some of them."""
    (tmp_path / "late_urls.py").write_text(LATE)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.ROOT_URLCONF = "late_urls"
    monkeypatch.setattr(checks, "FORMS", FORMS)
    try:
        assert "LateForm" in [message.obj.__name__ for message in checks.check_mappings()]
    finally:
        FORMS.discard(sys.modules.pop("late_urls").LateForm)


@pytest.mark.parametrize("form", [SoundForm, DynamicForm, FurtherDynamicForm, FormMixin])
def test_mappings_that_are_sound_or_cannot_be_known_yet(monkeypatch: pytest.MonkeyPatch, form: type) -> None:
    monkeypatch.setattr(checks, "FORMS", {form})
    assert found() == []


def test_every_form_with_the_mixin_is_looked_at() -> None:
    class Further(SoundForm):
        pass

    assert {SoundForm, DynamicForm, Further} <= set(FORMS)


def test_e007_a_models_mapping_that_leads_nowhere() -> None:
    register(Quote, name="full_name", custom={"town": "company__town"})
    try:
        message = only()
    finally:
        unregister(Quote)
    assert (message.id, message.obj) == ("octanist.E007", Quote)
    assert isinstance(message, ErrorMessage)
    assert "company__town" in message.msg


def test_a_models_mapping_that_is_sound() -> None:
    register(Quote, name="full_name", note="company__name")
    try:
        assert found() == []
    finally:
        unregister(Quote)


@pytest.mark.parametrize("keys", [{}, {"shop": ""}], ids=str)
def test_w001_no_key(keys: dict[str, str]) -> None:
    with override_settings(OCTANIST_API_KEY="", OCTANIST_API_KEYS=keys):
        message = only()
    assert (message.id, message.obj) == ("octanist.W001", "OCTANIST_API_KEY")
    assert isinstance(message, WarningMessage)


def test_a_key_of_a_further_account_is_enough() -> None:
    with override_settings(OCTANIST_API_KEY="", OCTANIST_API_KEYS={"shop": "key"}):
        assert found() == []


@pytest.mark.parametrize(
    "middleware",
    [[], ["django.middleware.common.CommonMiddleware"], ["tests.nowhere.Middleware"], ["tests.test_checks.found"]],
)
def test_w002_no_middleware(middleware: list[str]) -> None:
    with override_settings(MIDDLEWARE=middleware):
        message = only()
    assert (message.id, message.obj) == ("octanist.W002", "MIDDLEWARE")
    assert isinstance(message, WarningMessage)


@pytest.mark.parametrize("path", [checks.MIDDLEWARE, "tests.test_checks.OwnMiddleware"])
def test_the_middleware_or_ones_own_of_it(path: str) -> None:
    with override_settings(MIDDLEWARE=["tests.nowhere.Middleware", path]):
        assert found() == []


def test_w003_a_setup_code_that_captures_in_the_browser() -> None:
    with override_settings(OCTANIST_PIXEL_ID="OCTA1.OCT-1A2B3C4D.c.a"):
        message = only()
    assert (message.id, message.obj) == ("octanist.W003", "OCTANIST_PIXEL_ID")
    assert isinstance(message, WarningMessage)


@pytest.mark.parametrize("code", ["OCT-1A2B3C4D", "OCTA1.OCT-1A2B3C4D.s.a"])
def test_pixel_ids_that_are_sound(code: str) -> None:
    with override_settings(OCTANIST_PIXEL_ID=code):
        assert found() == []


PROXY = {"ROOT_URLCONF": "tests.proxy.urls", "OCTANIST_PIXEL_ID": "OCT-1A2B3C4D"}
DUMMY = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}


def test_a_first_party_pixel_that_is_sound() -> None:
    with override_settings(**PROXY):
        assert found() == []


def test_w005_a_first_party_pixel_without_a_pixel() -> None:
    with override_settings(**{**PROXY, "OCTANIST_PIXEL_ID": ""}):
        message = only()
    assert (message.id, message.obj) == ("octanist.W005", "OCTANIST_PIXEL_ID")
    assert isinstance(message, WarningMessage)


def test_w006_a_first_party_pixel_without_a_cache_to_count_in() -> None:
    with override_settings(**PROXY, CACHES=DUMMY):
        message = only()
    assert (message.id, message.obj) == ("octanist.W006", "CACHES")
    assert isinstance(message, WarningMessage)


def test_a_site_without_the_first_party_pixel_may_have_any_cache() -> None:
    with override_settings(CACHES=DUMMY):
        assert found() == []


def test_a_site_whose_urls_do_not_load_hears_of_it_from_django() -> None:
    with override_settings(ROOT_URLCONF="tests.nowhere.urls"):
        assert found() == []


def test_several_mistakes_are_all_reported() -> None:
    with override_settings(OCTANIST_TIMEOUT=0, OCTANIST_API_URL="x", OCTANIST_PIXEL_ID="x", OCTANIST_DISPATCH="a.b"):
        assert sorted(map(str, ids())) == ["octanist.E002", "octanist.E003", "octanist.E004", "octanist.E005"]


@pytest.mark.parametrize("path", ["shop.consent.nothing", "django_octanist.consent.readers.nothing"])
def test_a_consent_reader_that_is_not_there(settings: Any, path: str) -> None:
    settings.OCTANIST_CONSENT_READERS = ["django_octanist.consent.readers.tcf", path]
    (found,) = run_checks(tags=["octanist"])
    assert found.id == "octanist.E008"
    assert path in found.msg
    assert "django_octanist.consent.readers.cookiebot" in (found.hint or "")
