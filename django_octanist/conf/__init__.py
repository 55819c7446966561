"""The one reader of settings. Every value is read live, so that ``override_settings`` works.

:data:`SETTINGS` is the table of what exists: name, default, rule and meaning. The system checks, the README's
table and :class:`Conf` follow from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.conf import settings

from ..exceptions import OctanistConfigurationError
from . import rules
from .rules import DEFAULT_ACCOUNT, UNIX_SOCKET, Network, PixelSetup, is_loopback

__all__ = [
    "CONSENT_READERS",
    "DEFAULT_ACCOUNT",
    "SETTINGS",
    "UNIX_SOCKET",
    "Conf",
    "PixelSetup",
    "Setting",
    "conf",
    "is_loopback",
    "key_setting",
]

_T = TypeVar("_T")

WHEN_UNCERTAIN = ("look_up", "resend", "hold")
CONSENT_MODES = ("auto", "granted", "denied")
REMEMBER = ("consent", "always", "never")
CONSENT_READERS = tuple(
    f"django_octanist.consent.readers.{name}"
    for name in (
        *("cookiebot", "cookieyes", "onetrust", "complianz", "klaro", "iubenda", "axeptio", "tcf"),
        "django_cookie_consent",
    )
)


@dataclass(frozen=True, kw_only=True)
class Setting(Generic[_T]):
    """One ``OCTANIST_…`` setting: an attribute of :class:`Conf` that is read anew each time.

    ``parse`` returns the value to use or raises ``ValueError`` with what the value must be; ``secret`` keeps the
    value out of messages; ``default_shown`` stands for a long default in the documentation; ``check_id`` is the id of
    the system check that reports a bad value; ``delivers``: nothing is delivered while the value is bad.
    """

    name: str
    default: Any
    parse: Callable[[Any], _T]
    meaning: str
    default_shown: str = ""
    secret: bool = False
    delivers: bool = False
    check_id: str = "octanist.E002"

    def __get__(self, instance: object, owner: type | None = None) -> _T:
        return self.read()

    def read(self) -> _T:
        """Return the value in force.

        Raises :class:`OctanistConfigurationError`, naming the setting, the value and what it must be.
        """
        value = getattr(settings, self.name, self.default)
        try:
            return self.parse(value)
        except ValueError as error:
            shown = "" if self.secret else f", not {_without_credentials(f'{value!r:.200}')}"
            message = f"{self.name} must be {error}{shown}."
        raise OctanistConfigurationError(message)


def _without_credentials(shown: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", shown)


class Conf:
    """The settings, typed. Each raises :class:`OctanistConfigurationError` on a bad value."""

    _default_key = Setting[str](
        name="OCTANIST_API_KEY",
        delivers=True,
        default="",
        parse=rules.api_key,
        secret=True,
        meaning="Key of the account `default`. Empty: leads are captured and wait.",
    )
    _further_keys = Setting[dict[str, str]](
        name="OCTANIST_API_KEYS",
        delivers=True,
        default={},
        parse=rules.api_keys,
        secret=True,
        meaning="Keys of further accounts: alias → key.",
    )
    api_url = Setting[str](
        name="OCTANIST_API_URL",
        delivers=True,
        default="https://octanist.com/api",
        parse=rules.url,
        check_id="octanist.E003",
        meaning="Base URL of the API: https, or http on this machine.",
    )
    enabled = Setting[bool](
        name="OCTANIST_ENABLED",
        default=True,
        parse=rules.boolean,
        meaning="`False`: nothing is captured. What was captured before is still delivered.",
    )
    dispatch = Setting[str](
        name="OCTANIST_DISPATCH",
        delivers=True,
        default="thread",
        parse=rules.dispatch,
        meaning='Who delivers after the commit: `"thread"`, `"tasks"`, `"inline"`, `"manual"`, or a dotted path to'
        " `dispatch(account: str) -> None`.",
    )
    concurrency = Setting[int](
        name="OCTANIST_CONCURRENCY",
        delivers=True,
        default=8,
        parse=rules.whole(1, "requests"),
        meaning="Requests in flight per delivering process.",
    )
    batch_size = Setting[int](
        name="OCTANIST_BATCH_SIZE",
        delivers=True,
        default=100,
        parse=rules.whole(1, "leads"),
        meaning="Leads claimed at once, at most.",
    )
    timeout = Setting[float](
        name="OCTANIST_TIMEOUT",
        delivers=True,
        default=10.0,
        parse=rules.seconds,
        meaning="Seconds for one whole request, from connecting to the last byte.",
    )
    max_attempts = Setting[int](
        name="OCTANIST_MAX_ATTEMPTS",
        delivers=True,
        default=20,
        parse=rules.whole(1, "attempts"),
        meaning="A lead's own failures after which it is `failed` (about 3 days). Time paused costs none.",
    )
    when_uncertain = Setting[str](
        name="OCTANIST_WHEN_UNCERTAIN",
        delivers=True,
        default="look_up",
        parse=rules.choice(*WHEN_UNCERTAIN),
        meaning='What to do where an answer was lost: `"look_up"` asks Octanist whether it has the lead,'
        ' `"resend"` sends again unasked, `"hold"` waits for a person.',
    )
    dedupe_seconds = Setting[int](
        name="OCTANIST_DEDUPE_SECONDS",
        default=60,
        parse=rules.whole(0, "seconds"),
        meaning="Identical submissions of one visitor within it are one lead. `0`: off.",
    )
    retention_days = Setting[int | None](
        name="OCTANIST_RETENTION_DAYS",
        default=None,
        parse=rules.days_or_none,
        meaning="After how many days `octanist_prune` removes finished leads. `None`: it removes nothing.",
    )
    _alert_emails = Setting[list[str] | str](
        name="OCTANIST_ALERT_EMAILS",
        default=[],
        parse=rules.emails,
        secret=True,
        meaning="Who hears of captures and leads that failed, of leads that wait for long, and of accounts that are"
        ' paused or go on: addresses, or `"admins"` for `ADMINS`.',
    )
    admin_url = Setting[str](
        name="OCTANIST_ADMIN_URL",
        default="",
        parse=rules.page_or_empty,
        meaning="Where the admin is, such as `https://example.com/admin/`, for links in e-mails. Empty: these are"
        " paths alone.",
    )
    require_consent = Setting[bool](
        name="OCTANIST_REQUIRE_CONSENT",
        default=False,
        parse=rules.boolean,
        meaning="`True`: no attribution is kept or sent unless ad or analytics consent is known to be granted.",
    )
    remember = Setting[str](
        name="OCTANIST_REMEMBER",
        default="consent",
        parse=rules.choice(*REMEMBER),
        meaning='Keep the campaign in a signed first-party cookie: `"consent"` once consent for ad or analytics storage'
        ' is granted, `"always"`, `"never"`.',
    )
    remember_days = Setting[int](
        name="OCTANIST_REMEMBER_DAYS",
        default=90,
        parse=rules.whole(1, "days"),
        meaning="How long, in days.",
    )
    consent_readers = Setting[tuple[str, ...]](
        name="OCTANIST_CONSENT_READERS",
        default=CONSENT_READERS,
        default_shown="all built-in ones",
        parse=rules.dotted_paths,
        meaning="Dotted paths of what reads consent from a request, tried in order.",
    )
    onetrust_groups = Setting[dict[str, tuple[str, ...]]](
        name="OCTANIST_ONETRUST_GROUPS",
        default={"marketing": ["C0004"], "statistics": ["C0002"]},
        parse=rules.groups,
        meaning="Which of your OneTrust groups are marketing and statistics.",
    )
    klaro_cookie = Setting[str](
        name="OCTANIST_KLARO_COOKIE",
        default="klaro",
        parse=rules.string,
        meaning="Klaro's `storageName`.",
    )
    klaro_services = Setting[dict[str, tuple[str, ...]]](
        name="OCTANIST_KLARO_SERVICES",
        default={"marketing": ["google-ads", "meta-pixel"], "statistics": ["google-analytics"]},
        parse=rules.groups,
        meaning="Which of your Klaro services are marketing and statistics.",
    )
    axeptio_vendors = Setting[dict[str, tuple[str, ...]]](
        name="OCTANIST_AXEPTIO_VENDORS",
        default={"marketing": ["google_ads", "facebook_pixel"], "statistics": ["google_analytics"]},
        parse=rules.groups,
        meaning="Which of your Axeptio vendors are marketing and statistics.",
    )
    cookie_consent_groups = Setting[dict[str, tuple[str, ...]]](
        name="OCTANIST_COOKIE_CONSENT_GROUPS",
        default={"marketing": ["marketing"], "statistics": ["analytics"]},
        parse=rules.groups,
        meaning="Which of your django-cookie-consent cookie groups are marketing and statistics.",
    )
    ga4_container = Setting[str](
        name="OCTANIST_GA4_CONTAINER",
        default="",
        parse=rules.string,
        meaning="Which `_ga_<container>` cookie names the GA4 session. Empty: the latest one.",
    )
    _pixel_id = Setting[PixelSetup | None](
        name="OCTANIST_PIXEL_ID",
        default="",
        parse=rules.pixel,
        check_id="octanist.E004",
        meaning="`OCT-XXXXXXXX`, or a setup code `OCTA1.…`. Empty: `{% octanist_pixel %}` prints nothing.",
    )
    pixel_url = Setting[str](
        name="OCTANIST_PIXEL_URL",
        default="https://c.octani.st/p",
        parse=rules.url,
        check_id="octanist.E003",
        meaning="Where the pixel's script is loaded from.",
    )
    _pixel_consent_mode = Setting[str](
        name="OCTANIST_PIXEL_CONSENT_MODE",
        default="auto",
        parse=rules.choice(*CONSENT_MODES),
        meaning="The pixel's `data-consent-mode`: `auto`, `granted` or `denied`. Set, it beats the setup code's.",
    )

    trusted_proxies = Setting[tuple[Network, ...]](
        name="OCTANIST_TRUSTED_PROXIES",
        default=[],
        parse=rules.networks,
        meaning="First-party pixel: addresses and networks of your own proxies, whose `X-Forwarded-For` and country"
        ' are believed; `"unix"` for a Unix socket.',
    )
    events_per_minute = Setting[int](
        name="OCTANIST_EVENTS_PER_MINUTE",
        default=120,
        parse=rules.whole(1, "events"),
        meaning="First-party pixel: events that one address may send per minute.",
    )

    @property
    def alert_emails(self) -> list[str]:
        """The addresses to alert, with ``"admins"`` resolved through ``ADMINS``."""
        if isinstance(self._alert_emails, str):
            # Until Django 6.0 ADMINS held pairs of name and address.
            return [admin if isinstance(admin, str) else admin[1] for admin in settings.ADMINS]
        return self._alert_emails

    @property
    def pixel(self) -> PixelSetup | None:
        """The pixel to put on pages, or ``None``. A consent mode that is set beats the setup code's."""
        setup = self._pixel_id
        if setup is not None and hasattr(settings, "OCTANIST_PIXEL_CONSENT_MODE"):
            return setup._replace(consent_mode=self._pixel_consent_mode)
        return setup

    @property
    def accounts(self) -> list[str]:
        """The aliases that leads may be captured for: ``default`` and those of ``OCTANIST_API_KEYS``."""
        return [DEFAULT_ACCOUNT, *self._further_keys]

    def api_key(self, account: str) -> str:
        """Return the API key of ``account``; ``""`` where it has none, so that its leads wait."""
        return self._default_key if account == DEFAULT_ACCOUNT else self._further_keys.get(account, "")


conf = Conf()

SETTINGS: dict[str, Setting[Any]] = {
    setting.name: setting for setting in vars(Conf).values() if isinstance(setting, Setting)
}
"""Every setting by its name."""


def key_setting(account: str) -> str:
    """Return what holds, or would hold, the API key of ``account``: ``OCTANIST_API_KEYS["shop"]``."""
    return "OCTANIST_API_KEY" if account == DEFAULT_ACCOUNT else f'OCTANIST_API_KEYS["{account}"]'
