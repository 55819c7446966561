"""In a shop of django-oscar an order is a lead, and so is a customer who registers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from oscar.apps.order.models import Order
from oscar.test.factories import CountryFactory, create_product, create_stockrecord

from django_octanist.contrib.oscar import capture_orders, capture_registrations, order_data
from django_octanist.models import Lead
from tests.ways import EMAIL, SESSION, WayIn

PASSWORD = "correct-horse-battery"
ADDRESS = {
    "first_name": "Jo",
    "last_name": "Roof",
    "line1": "Main Street 1",
    "line4": "Utrecht",
    "postcode": "3511 AA",
    "country": "NL",
    "phone_number": "+31612345678",
}


@pytest.fixture(autouse=True)
def shop(db: None) -> Any:
    """A shop with one product, of 49.95 euros."""
    CountryFactory(iso_3166_1_a2="NL", name="Netherlands", is_shipping_country=True)
    product = create_product(title="Ladder")
    create_stockrecord(product, price=Decimal("49.95"), num_in_stock=100)
    return product


@pytest.fixture
def connected() -> Iterator[tuple[Callable[..., None], Callable[..., None]]]:
    """``capture_orders`` and ``capture_registrations`` for one test; then as the shop has them."""
    yield capture_orders, capture_registrations
    capture_orders()
    capture_registrations()


def fill_basket(client: Client) -> None:
    from oscar.apps.catalogue.models import Product

    product = Product.objects.get()
    assert client.post(f"/basket/add/{product.pk}/", {"quantity": "1"}).status_code == 302


def check_out(client: Client, **posted: str) -> Any:
    """Through every page of the checkout, as a guest or as who is logged in, to the last button."""
    fill_basket(client)
    client.post("/checkout/", {"username": EMAIL, "options": "anonymous"})
    assert client.post("/checkout/shipping-address/", ADDRESS).status_code == 302
    client.get("/checkout/shipping-method/")
    client.get("/checkout/payment-method/")
    assert client.get("/checkout/preview/").status_code == 200
    return place(client, **posted)


def place(client: Client, **posted: str) -> Any:
    return client.post("/checkout/preview/", {"action": "place_order", **posted})


def register(client: Client, **posted: str) -> Any:
    passwords = {"registration-password1": PASSWORD, "registration-password2": PASSWORD}
    form = {"registration-email": EMAIL, "registration-redirect_url": "", **passwords, "registration_submit": "1"}
    return client.post("/accounts/login/", {**form, **posted})


class TestOrder(WayIn):
    form = "order"

    def send(self, client: Client, **posted: str) -> Any:
        # Who presses the last button twice has no basket any more.
        return place(client, **posted) if Order.objects.exists() else check_out(client, **posted)

    def accepted(self, response: Any) -> bool:
        return response.status_code == 302 and Order.objects.filter(guest_email=EMAIL).exists()


class TestRegistration(WayIn):
    form = "registration"

    def send(self, client: Client, **posted: str) -> Any:
        return register(client, **posted)

    def accepted(self, response: Any) -> bool:
        # 200: the address has an account already.
        return response.status_code in {200, 302} and User.objects.filter(email=EMAIL).exists()


class TestWhatIsCaptured:
    def test_a_guest(self, client: Client) -> None:
        response = check_out(client)
        assert client.get(response.url).status_code == 200
        order, lead = Order.objects.get(), Lead.objects.get()
        assert (lead.name, lead.email, lead.phone) == ("Jo Roof", EMAIL, "+31612345678")
        assert lead.custom == {"order": order.number, "total": "49.95", "currency": "EUR"}

    def test_a_customer(self, client: Client) -> None:
        client.force_login(User.objects.create_user("kim", "kim@example.com"))
        check_out(client)
        lead = Lead.objects.get()
        assert (lead.name, lead.email, lead.phone) == ("Jo Roof", "kim@example.com", "+31612345678")

    def test_two_orders_are_two_leads(self, client: Client) -> None:
        check_out(client)
        check_out(client)
        assert Lead.objects.filter(form="order").count() == Order.objects.count() == 2

    def test_whoever_registers(self, client: Client) -> None:
        register(client)
        lead = Lead.objects.get()
        assert (lead.email, lead.name, lead.phone, lead.custom) == (EMAIL, "", "", {})

    def test_whoever_registers_on_the_way_to_the_checkout(self, client: Client) -> None:
        fill_basket(client)
        response = client.post("/checkout/", {"username": EMAIL, "options": "new"})
        form = {"email": EMAIL, "password1": PASSWORD, "password2": PASSWORD, "octa_sid": SESSION}
        assert client.post(response.url, form).status_code == 302
        assert (Lead.objects.get().form, Lead.objects.get().session_id) == ("registration", SESSION)

    def test_the_shop_has_the_last_word(self, client: Client, connected: Any) -> None:
        orders, registrations = connected
        orders(form="sale", data=lambda order: {**order_data(order), "note": f"{order.num_items} item"})
        registrations(data=lambda user: {})
        register(client)
        check_out(client)
        assert (Lead.objects.get().form, Lead.objects.get().note) == ("sale", "1 item")


class TestNothingBreaksTheShop:
    def test_an_order(self, client: Client, connected: Any, caplog: pytest.LogCaptureFixture) -> None:
        connected[0](data=lambda order: order.no_such_attribute)
        assert client.get(check_out(client).url).status_code == 200
        assert Order.objects.exists()
        assert "could not be captured: AttributeError" in caplog.text

    def test_a_query_that_fails(self, client: Client, connected: Any) -> None:
        """On PostgreSQL it would end the shop's transaction, if it were not in a savepoint."""

        def data(row: Any) -> dict[str, Any]:
            with connection.cursor() as cursor:
                cursor.execute("SELECT no_such_column FROM order_order")
            return {}

        connected[0](data=data)
        connected[1](data=data)
        assert register(client).status_code == 302
        assert client.get(check_out(client).url).status_code == 200
        assert Order.objects.exists()
        assert User.objects.exists()


def test_without_the_package() -> None:
    code = (
        "import sys; sys.modules['oscar'] = None\nimport django; django.setup()\nimport django_octanist.contrib.oscar"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'needs django-oscar: pip install "django-octanist[oscar]"' in done.stderr
