"""django-allauth: whoever signs up is a lead, by form, by social login or by the headless API.

In the ``ready`` of an app of the site::

    from django_octanist.contrib.allauth import capture_sign_ups

    capture_sign_ups()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from ..attribution import visit_of
from ..capture import Data, capture_lead
from ..conf import DEFAULT_ACCOUNT
from ..models import Lead
from .missing import missing

try:
    from allauth.account import app_settings
    from allauth.account.adapter import get_adapter
    from allauth.account.models import EmailAddress
    from allauth.account.signals import email_confirmed, user_signed_up
    from allauth.account.utils import user_email, user_username
    from allauth.socialaccount import app_settings as social_settings
except ImportError as error:
    raise missing("allauth", package="django-allauth") from error

CARRIED = "octanist_sign_up"
"""Key in ``request.session``: who signed up in this browser, and the pixel's session id, until the confirmation."""


def capture_sign_ups(
    *,
    form: str = "sign-up",
    account: str = DEFAULT_ACCOUNT,
    verified_only: bool = False,
    data: Callable[[Any], Data] | None = None,
) -> None:
    """Make each user who signs up a lead, once. Call it in the ``ready`` of an app; a later call replaces it.

    ``verified_only``: not at the sign-up, but when the user's first e-mail address is confirmed. At once where a social
    login vouches for it, and where nobody will ask to confirm one: allauth's ``EMAIL_VERIFICATION`` is ``"none"``, or
    the user has given no address (but a phone, say). The pixel's session is that of the sign-up where both happen in
    one browser.
    ``data(user)`` returns what is captured instead of :func:`sign_up_data`; ``{}`` captures nothing.
    """
    sign_ups = _SignUps(form=form, account=account, verified_only=verified_only, data=data or sign_up_data)
    for signal, receiver in ((user_signed_up, sign_ups.on_signed_up), (email_confirmed, sign_ups.on_confirmed)):
        signal.disconnect(dispatch_uid=__name__)
        signal.connect(receiver, weak=False, dispatch_uid=__name__)


def sign_up_data(user: Any) -> dict[str, Any]:
    """Return a lead's data of ``user``: full name, e-mail, phone where allauth asks for one, user name."""
    return {
        "name": user.get_full_name() if hasattr(user, "get_full_name") else "",
        "email": user_email(user) or "",
        "phone": _phone(user),
        "custom": {"username": user_username(user)},
    }


def _phone(user: Any) -> str:
    # Only then must the site's adapter have `get_phone`. Older releases have no such setting.
    if "phone" not in getattr(app_settings, "SIGNUP_FIELDS", {}):
        return ""
    phone = get_adapter().get_phone(user)
    return phone[0] if phone else ""


@dataclass(frozen=True, kw_only=True)
class _SignUps:
    form: str
    account: str
    verified_only: bool
    data: Callable[[Any], Data]

    def on_signed_up(self, *, request: HttpRequest | None, user: Any, sociallogin: Any = None, **_more: Any) -> None:
        row = None if self.verified_only else user
        self._capture(
            lambda: self._signed_up(user, request=request, social=sociallogin is not None), request=request, row=row
        )

    def on_confirmed(self, *, request: HttpRequest | None, email_address: Any, **_more: Any) -> None:
        if self.verified_only:
            own = None if _is_somebody_else(request, email_address=email_address) else request
            # Of a member of staff's request nothing is this user's: rather none.
            self._capture(lambda: self._confirmed(email_address, request=own), request=own or HttpRequest())

    def _capture(self, data: Callable[[], Data], *, request: HttpRequest | None, row: object = None) -> None:
        capture_lead(data, request=request, form=self.form, account=self.account, row=row)

    def _signed_up(self, user: Any, *, request: Any, social: bool) -> Data:
        if not self.verified_only or not _will_be_asked(user, social=social):
            return self.data(user)
        if hasattr(request, "session"):
            request.session[CARRIED] = {"user": str(user.pk), "session": visit_of(request).session_id}
        return {}

    def _confirmed(self, email_address: Any, *, request: Any) -> Data:
        user = email_address.user
        others = EmailAddress.objects.filter(user=user, verified=True).exclude(pk=email_address.pk)
        if others.exists() or self._is_captured(user, email=email_address.email):
            return {}
        data = self.data(user)
        verified = {"email": email_address.email} if data.get("email") else {}
        return {**_carried(request, user=user), **data, **verified} if data else {}

    def _is_captured(self, user: Any, *, email: str) -> bool:
        """By the address, or before the user had one."""
        leads = Lead.objects.filter(form=self.form, account=self.account)
        username, phone = user_username(user), _phone(user)
        same = Q(custom__username=username) if username else Q(phone=phone)
        without = leads.filter(email="").filter(same) if username or phone else leads.none()
        return leads.of_person(email).exists() or without.exists()


def _will_be_asked(user: Any, *, social: bool) -> bool:
    """Whether allauth asks ``user``, who signed up just now, to confirm an address."""
    # As allauth itself: a social login's own setting, if it is set.
    method = (social and social_settings.EMAIL_VERIFICATION) or app_settings.EMAIL_VERIFICATION
    if method == app_settings.EmailVerificationMethod.NONE:
        return False
    verified = set(EmailAddress.objects.filter(user=user).values_list("verified", flat=True))
    return True not in verified and bool(verified or user_email(user))


def _is_somebody_else(request: HttpRequest | None, *, email_address: Any) -> bool:
    """Whether who is logged in is another: a member of staff who marks the address as verified."""
    visitor = getattr(request, "user", None)
    return visitor is not None and visitor.is_authenticated and visitor.pk != email_address.user_id


def _carried(request: Any, *, user: Any) -> dict[str, Any]:
    """The pixel's session at the sign-up: the link in the e-mail opens another tab, which has another."""
    carried = request.session.pop(CARRIED, None) if hasattr(request, "session") else None
    if not carried or carried["user"] != str(user.pk) or not carried["session"]:
        return {}
    return {"sessionId": carried["session"]}
