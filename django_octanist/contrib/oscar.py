"""django-oscar: an order that is placed is a lead, and so is a customer who registers.

In the ``ready`` of an app of the site::

    from django_octanist.contrib.oscar import capture_orders, capture_registrations

    capture_orders()
    capture_registrations()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.dispatch import Signal
from django.http import HttpRequest

from ..capture import Data, capture_lead
from ..conf import DEFAULT_ACCOUNT
from .missing import missing

try:
    from oscar.apps.customer.signals import user_registered
    from oscar.apps.order.signals import order_placed
except ImportError as error:
    raise missing("oscar", package="django-oscar") from error


def capture_orders(
    *, form: str = "order", account: str = DEFAULT_ACCOUNT, data: Callable[[Any], Data] | None = None
) -> None:
    """Make each order that is placed a lead. Call it in the ``ready`` of an app; a later call replaces it.

    Session, attribution and consent are those of the request that is being answered, so the middleware must be
    installed. ``data(order)`` returns what is captured instead of :func:`order_data`; ``{}`` captures nothing.
    """
    source = data or order_data

    def receiver(*, order: Any, **_more: Any) -> None:
        capture_lead(lambda: source(order), form=form, account=account, row=order)

    _connect(order_placed, receiver)


def capture_registrations(
    *, form: str = "registration", account: str = DEFAULT_ACCOUNT, data: Callable[[Any], Data] | None = None
) -> None:
    """Make each customer who registers a lead. Call it in the ``ready`` of an app; a later call replaces it.

    ``data(user)`` returns what is captured instead of :func:`customer_data`; ``{}`` captures nothing.
    """
    source = data or customer_data

    def receiver(*, user: Any, request: HttpRequest | None = None, **_more: Any) -> None:
        capture_lead(lambda: source(user), request=request, form=form, account=account, row=user)

    _connect(user_registered, receiver)


def order_data(order: Any) -> dict[str, Any]:
    """Return a lead's data of ``order``: who ordered, and in ``custom`` its number, total and currency.

    Name and phone are those of the billing and the shipping address, the first that has one; the e-mail is the
    customer's, or what a guest gave. The total includes tax, as a decimal number in a string.
    """
    addresses = [address for address in (order.billing_address, order.shipping_address) if address]
    phones = (str(getattr(address, "phone_number", None) or "") for address in addresses)
    names = [address.name for address in addresses] + ([_full_name(order.user)] if order.user else [])
    return {
        "name": next(filter(None, names), ""),
        "email": order.email or "",
        "phone": next(filter(None, phones), ""),
        "custom": {"order": str(order.number), "total": str(order.total_incl_tax), "currency": order.currency},
    }


def customer_data(user: Any) -> dict[str, Any]:
    """Return a lead's data of ``user``: full name, where the shop asks for one, and e-mail."""
    return {"name": _full_name(user), "email": user.email}


def _full_name(user: Any) -> str:
    return user.get_full_name() if hasattr(user, "get_full_name") else ""


def _connect(signal: Signal, receiver: Callable[..., None]) -> None:
    signal.disconnect(dispatch_uid=__name__)
    signal.connect(receiver, weak=False, dispatch_uid=__name__)
