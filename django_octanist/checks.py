"""System checks: every setting, the middleware, the mappings of forms and models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.cache.backends.dummy import DummyCache
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.forms import BaseForm, BaseModelForm
from django.urls import get_resolver
from django.utils.module_loading import import_string

from . import proxy
from .conf import CONSENT_READERS, SETTINGS, conf
from .dispatch import STRATEGIES, strategy
from .exceptions import OctanistConfigurationError
from .forms import FORMS, declared_fields, mapping_problem
from .registry import REGISTRATIONS

TAG = "octanist"
PREFIX = "OCTANIST_"
MIDDLEWARE = "django_octanist.middleware.OctanistMiddleware"
UNFIT_BACKENDS = {
    "ImmediateBackend": "runs tasks at once, in the request: a visitor would wait for Octanist",
    "DummyBackend": "runs no task: leads wait for ever",
}


def check_names(**_arguments: Any) -> list[CheckMessage]:
    """E001: a setting that does not exist, with the nearest that does."""
    unknown = sorted(name for name in dir(settings) if name.startswith(PREFIX) and name not in SETTINGS)
    return [
        Error(f"There is no setting {name}.", hint=_nearest(name), obj=name, id="octanist.E001") for name in unknown
    ]


def _nearest(name: str) -> str:
    nearest = get_close_matches(name, SETTINGS, n=1, cutoff=0)[0]
    return f"Did you mean {nearest}? All settings: {', '.join(SETTINGS)}."


def check_values(**_arguments: Any) -> list[CheckMessage]:
    """E002 a value that does not fit, E003 a URL that is not https, E004 a malformed pixel ID or setup code."""
    found: list[CheckMessage] = []
    for setting in SETTINGS.values():
        try:
            setting.read()
        except OctanistConfigurationError as error:
            default = "" if setting.secret else f" The default is {setting.default!r}."
            found.append(Error(str(error), hint=f"{setting.meaning}{default}", obj=setting.name, id=setting.check_id))
    return found


def check_dispatch(**_arguments: Any) -> list[CheckMessage]:
    """E005: ``OCTANIST_DISPATCH`` names something that cannot be imported or called."""
    try:
        function: Any = strategy()
        problem = "" if callable(function) else "it is no function"
    except OctanistConfigurationError:
        return []  # E002 or E009 says it
    except Exception as error:  # noqa: BLE001 - whatever the site's own module raises
        problem = f"it cannot be imported ({type(error).__name__}: {error})"
    names = ", ".join(repr(name) for name in STRATEGIES)
    hint = f"Give the dotted path of a function that takes an account, or one of {names}."
    message = f"OCTANIST_DISPATCH = {conf.dispatch!r}: {problem}."
    return [Error(message, hint=hint, obj="OCTANIST_DISPATCH", id="octanist.E005")] if problem else []


def check_tasks(**_arguments: Any) -> list[CheckMessage]:
    """E009: "tasks" lacks what it needs on Django 5.2. W004: its backend runs tasks in the request, or never."""
    try:
        if conf.dispatch != "tasks":
            return []
    except OctanistConfigurationError:
        return []  # E002 says it
    try:
        strategy()
    except OctanistConfigurationError as error:
        return [_tasks_error(str(error))]
    except Exception:  # noqa: BLE001 - E005 says it
        return []
    if django.VERSION < (6, 0) and not apps.is_installed("django_tasks"):
        return [_tasks_error('OCTANIST_DISPATCH = "tasks": "django_tasks" is not in INSTALLED_APPS.')]
    return _backend_warnings()


def _tasks_error(problem: str) -> CheckMessage:
    hint = 'Django 5.2 has no tasks itself: pip install "django-octanist[tasks]"; "django_tasks" in INSTALLED_APPS.'
    return Error(problem, hint=hint, obj="OCTANIST_DISPATCH", id="octanist.E009")


def _backend_warnings() -> list[CheckMessage]:
    # Django's backends and the package's are of the same names.
    backend = type(import_string("django_octanist.dispatch.tasks.deliver_leads").get_backend())
    return [
        Warning(
            f"TASKS chooses {backend.__module__}.{backend.__name__}, which {UNFIT_BACKENDS[kind.__name__]}.",
            hint="Choose a backend with a worker, such as django-tasks-db, or another OCTANIST_DISPATCH.",
            obj="TASKS",
            id="octanist.W004",
        )
        for kind in backend.__mro__
        if kind.__name__ in UNFIT_BACKENDS and kind.__module__.startswith(("django.tasks.", "django_tasks."))
    ]


def check_readers(**_arguments: Any) -> list[CheckMessage]:
    """E008: a reader in ``OCTANIST_CONSENT_READERS`` cannot be imported."""
    try:
        paths = conf.consent_readers
    except OctanistConfigurationError:
        return []  # E002 says it
    return [
        Error(
            f"OCTANIST_CONSENT_READERS names {path!r}: {problem}.",
            hint=f"Give dotted paths of functions that take a request. Built in: {', '.join(CONSENT_READERS)}.",
            obj="OCTANIST_CONSENT_READERS",
            id="octanist.E008",
        )
        for path in paths
        if (problem := _import_problem(path))
    ]


def _import_problem(path: str) -> str:
    try:
        return "" if callable(import_string(path)) else "it is no function"
    except Exception as error:  # noqa: BLE001 - whatever the site's own module raises
        return f"it cannot be imported ({type(error).__name__}: {error})"


def check_mappings(**_arguments: Any) -> list[CheckMessage]:
    """E006 a form's mapping that names no field of the form, E007 a model's that names no field of the model."""
    # The views' modules have the forms. Django looks at checks in any order.
    with suppress(Exception):  # what cannot be loaded, Django's own checks say
        _ = get_resolver().url_patterns
    found: list[CheckMessage] = []
    for form in sorted(FORMS, key=lambda form: form.__qualname__):
        # A form that adds fields when it is made can only be checked then; it does so itself.
        is_fixed = form.__init__ in (BaseForm.__init__, BaseModelForm.__init__)
        fixed = declared_fields(form) if is_fixed else None
        problem = mapping_problem(form, fields=fixed) if fixed else ""
        if problem:
            found.append(Error(problem, obj=form, id="octanist.E006"))
    for registration in REGISTRATIONS.values():
        problem = registration.problem()
        if problem:
            found.append(Error(problem, obj=registration.model, id="octanist.E007"))
    return found


def check_key(**_arguments: Any) -> list[CheckMessage]:
    """W001: no API key, so that leads are captured and wait."""
    try:
        has_key = any(conf.api_key(account) for account in conf.accounts)
    except OctanistConfigurationError:
        return []  # E002 says it
    if has_key:
        return []
    return [
        Warning(
            "OCTANIST_API_KEY is empty: leads are captured and wait.",
            hint="Set it to the key that Octanist shows under its API settings. For a try without an account:"
            " manage.py octanist_sandbox.",
            obj="OCTANIST_API_KEY",
            id="octanist.W001",
        )
    ]


def check_middleware(**_arguments: Any) -> list[CheckMessage]:
    """W002: the middleware is not installed."""
    if any(_is_ours(path) for path in settings.MIDDLEWARE):
        return []
    return [
        Warning(
            f"{MIDDLEWARE} is not in MIDDLEWARE: campaigns are not remembered, leads of models carry no"
            " session and no attribution, and what an earlier process left waits for the next lead.",
            hint=f"Add {MIDDLEWARE!r} to MIDDLEWARE.",
            obj="MIDDLEWARE",
            id="octanist.W002",
        )
    ]


def _is_ours(path: str) -> bool:
    if path == MIDDLEWARE:
        return True
    try:
        found = import_string(path)
        return isinstance(found, type) and issubclass(found, import_string(MIDDLEWARE))
    except ImportError:
        return False


def check_setup_code(**_arguments: Any) -> list[CheckMessage]:
    """W003: the setup code chose form capture in the browser, which would count every lead twice."""
    try:
        pixel = conf.pixel
    except OctanistConfigurationError:
        return []  # E004 says it
    if pixel is None or not pixel.captures_in_browser:
        return []
    return [
        Warning(
            "The setup code in OCTANIST_PIXEL_ID chooses form capture in the browser. This app captures on the"
            " server, and does not turn it on in the pixel: every lead would be counted twice.",
            hint="Choose server capture when you make the setup code, or use the measurement ID alone.",
            obj="OCTANIST_PIXEL_ID",
            id="octanist.W003",
        )
    ]


def check_proxy(**_arguments: Any) -> list[CheckMessage]:
    """W005: the first-party pixel is included, but there is no pixel. W006: nothing limits its events."""
    try:
        if not proxy.script_path():
            return []
        has_pixel = conf.pixel is not None
    except Exception:  # noqa: BLE001 - the site's URLs do not load, as Django's own checks say; or E004 says it
        return []
    found: list[CheckMessage] = []
    if not has_pixel:
        found.append(
            Warning(
                "django_octanist.proxy.urls is included, but OCTANIST_PIXEL_ID is empty: no page loads the pixel.",
                hint="Set OCTANIST_PIXEL_ID to your measurement ID, or leave the URLs out.",
                obj="OCTANIST_PIXEL_ID",
                id="octanist.W005",
            )
        )
    if isinstance(caches[DEFAULT_CACHE_ALIAS], DummyCache):
        found.append(
            Warning(
                "The default cache keeps nothing: no address is limited in how many of the pixel's events it may send.",
                hint="Choose another BACKEND in CACHES: OCTANIST_EVENTS_PER_MINUTE is counted there, or, beside the"
                " small ones (LocMemCache, DatabaseCache, FileBasedCache), in each process.",
                obj="CACHES",
                id="octanist.W006",
            )
        )
    return found


SETTING_CHECKS: tuple[Callable[..., list[CheckMessage]], ...] = (
    check_names,
    check_values,
    check_dispatch,
    check_tasks,
    check_readers,
)
CHECKS: Iterable[Callable[..., list[CheckMessage]]] = (
    *SETTING_CHECKS,
    check_mappings,
    check_key,
    check_middleware,
    check_setup_code,
    check_proxy,
)


def setting_errors() -> list[str]:
    """Return what is wrong with settings, in a sentence or two each, without what the site silences."""
    found = [message for check in SETTING_CHECKS for message in check()]
    return [_briefly(message) for message in found if message.is_serious() and not message.is_silenced()]


def _briefly(message: CheckMessage) -> str:
    # A hint that asks names what was meant; others are long, and `manage.py check` has them.
    asked, mark, _rest = (message.hint or "").partition("? ")
    return f"{message.msg} {asked}?" if mark else str(message.msg)
