"""The front door."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django import forms
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, connection, transaction
from django.db.models import Value
from django.test import RequestFactory

from django_octanist.attribution import Visit
from django_octanist.attribution.remembered import COOKIE
from django_octanist.capture import acapture_lead, capture_lead
from django_octanist.forms import OctanistFormMixin
from django_octanist.models import Lead
from django_octanist.registry import register, unregister
from tests.capture import SESSION, capture
from tests.site.models import Quote

pytestmark = pytest.mark.django_db


class TestFailure:
    @pytest.fixture(autouse=True)
    def _operators(self, settings: Any) -> None:
        settings.OCTANIST_ALERT_EMAILS = ["ops@example.com"]

    def test_an_error_in_the_data_function(
        self, caplog: pytest.LogCaptureFixture, mailoutbox: list[Any], sent_alerts: Any
    ) -> None:
        def data() -> dict[str, str]:
            raise ValueError("jo@example.com")

        assert capture_lead(data, form="contact") is None
        sent_alerts()
        assert "'contact' could not be captured: ValueError (in data, " in caplog.text
        assert "jo@example.com" not in caplog.text
        (mail,) = mailoutbox
        assert mail.to == ["ops@example.com"]
        assert "contact" in mail.body
        assert "jo@example.com" not in mail.body

    def test_a_query_of_the_data_function_that_fails_leaves_the_callers_transaction_usable(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with transaction.atomic():
            assert capture_lead(query_that_fails, form="contact") is None
            Lead.objects.create(email="after@example.com")
        assert Lead.objects.get().email == "after@example.com"
        assert "'contact' could not be captured" in caplog.text

    def test_a_consent_reader_whose_query_fails_costs_neither_the_transaction_nor_the_lead(
        self, rf: RequestFactory, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.OCTANIST_CONSENT_READERS = [f"{__name__}.query_that_fails"]
        with transaction.atomic():
            assert capture_lead({"email": "jo@example.com"}, request=rf.post("/"))
        assert Lead.objects.get().email == "jo@example.com"
        assert "query_that_fails broke" in caplog.text

    def test_a_database_error_leaves_the_callers_transaction_usable(
        self, caplog: pytest.LogCaptureFixture, mailoutbox: list[Any], sent_alerts: Any
    ) -> None:
        with transaction.atomic():
            with connection.execute_wrapper(refuse_leads):
                assert capture_lead({"email": "jo@example.com", "roof": "flat"}, form="contact") is None
            Lead.objects.create(email="after@example.com")
        assert Lead.objects.get().email == "after@example.com"
        assert "Fields: email, roof." in caplog.text
        assert "jo@example.com" not in caplog.text
        sent_alerts()
        assert len(mailoutbox) == 1

    def test_an_alert_of_a_form_is_sent_once_an_hour(self, mailoutbox: list[Any], sent_alerts: Any) -> None:
        for _time in range(3):
            capture_lead(bad_data, form="contact")
        capture_lead(bad_data, form="other")
        sent_alerts()
        assert len(mailoutbox) == 2

    def test_what_is_no_mapping(self, caplog: pytest.LogCaptureFixture) -> None:
        assert capture_lead("jo@example.com") is None  # type: ignore[arg-type]
        assert "takes a mapping, or a function that returns one, not str" in caplog.text
        assert "jo@example.com" not in caplog.text

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("API_KEYS", {"nl": None}),
            ("CONSENT_READERS", "shop.consent"),
            ("DEDUPE_SECONDS", "soon"),
            ("ENABLED", "true"),
            ("GA4_CONTAINER", None),
            ("REMEMBER", "x"),
            ("REMEMBER_DAYS", "x"),
            ("REQUIRE_CONSENT", "yes"),
        ],
    )
    def test_a_bad_setting_costs_no_lead(
        self, rf: RequestFactory, settings: Any, caplog: pytest.LogCaptureFixture, name: str, value: Any
    ) -> None:
        request = rf.post("/?gclid=AbC", {"octa_sid": SESSION})
        request.COOKIES[COOKIE] = "whatever"
        setattr(settings, f"OCTANIST_{name}", value)
        assert capture(request=request).session_id == SESSION
        if name != "REMEMBER_DAYS":
            assert f"OCTANIST_{name} must be " in caplog.text

    def test_no_campaign_where_it_is_not_known_whether_consent_is_required(
        self, rf: RequestFactory, settings: Any
    ) -> None:
        settings.OCTANIST_REQUIRE_CONSENT = "yes"
        assert "gclid" not in capture(request=rf.post("/?gclid=AbC")).attribution


def query_that_fails(*_request: Any) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    return {}


def bad_data() -> dict[str, str]:
    raise SuspiciousOperation


def refuse_leads(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    if "INSERT INTO" in sql and "octanist_lead" in sql:
        raise DatabaseError("DETAIL: Failing row contains (jo@example.com)")
    return execute(sql, params, many, context)


def test_async(rf: RequestFactory) -> None:
    async def view() -> Lead | None:
        return await acapture_lead({"email": "jo@example.com"}, request=rf.post("/?gclid=x"), form="async")

    lead = async_to_sync(view)()
    assert lead is not None
    assert Lead.objects.get().attribution["gclid"] == "x"


@pytest.mark.django_db(transaction=True)
def test_async_visitors_who_go_away_have_sent_the_form_all_the_same() -> None:
    async def view(number: int) -> None:
        await Quote.objects.acreate(full_name="Jo", email=f"{number}@example.com")
        current = asyncio.current_task()
        assert current is not None
        # As a server does where the connection is closed.
        current.cancel()
        await acapture_lead({"email": f"{number}@example.com"})

    async def serve() -> None:
        for number in range(20):
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(view(number))
        await sync_to_async(lambda: connection.close())()

    asyncio.run(serve())
    assert Lead.objects.count() == 20


def test_nothing_personal_is_logged(caplog: pytest.LogCaptureFixture, rf: RequestFactory) -> None:
    caplog.set_level(logging.DEBUG)
    capture({"email": "jo@example.com", "name": "Jo"}, request=rf.post("/?gclid=Secret", {"octa_sid": SESSION}))
    own = [record.getMessage() for record in caplog.records if record.name.startswith("django_octanist")]
    assert not [line for line in own if "jo@" in line or "Secret" in line or SESSION in line]


class TestAnotherFrameworksVisit:
    def test_it_beats_the_request(self, rf: RequestFactory) -> None:
        visit = Visit.from_headers({}, url=f"https://example.com/?octa_sid={SESSION}")
        lead = capture_lead({"email": "jo@example.com"}, request=rf.post("/?octa_sid=other"), visit=visit)
        assert lead is not None
        assert lead.session_id == SESSION


class TestARowThatIsALeadAlready:
    """A registered model, saved by a form that is captured, too: one submission, one lead."""

    @pytest.fixture(autouse=True)
    def _registered(self) -> Iterator[None]:
        register(Quote, form="quote", name="full_name", email="email")
        yield
        unregister(Quote)

    def test_its_lead_is_returned(self) -> None:
        row = Quote.objects.create(full_name="Jo", email="jo@example.com")
        lead = capture_lead({"email": "jo@example.com", "note": "By the form"}, form="contact", row=row)
        assert lead == Lead.objects.get()
        assert lead.form == "quote"

    def test_a_form_that_saves_it(self, rf: RequestFactory) -> None:
        class QuoteForm(OctanistFormMixin, forms.ModelForm):  # type: ignore[type-arg]
            class Meta:
                model = Quote
                fields = ["full_name", "email"]

        form = QuoteForm({"full_name": "Jo", "email": "jo@example.com"})
        form.save()
        assert form.capture_lead(rf.post("/")) == Lead.objects.get()

    def test_it_gets_what_it_lacks(self, rf: RequestFactory) -> None:
        """The session stands in the form's own data, which only the form knows."""
        row = Quote.objects.create(full_name="Jo", email="jo@example.com")
        told = {"email": "other@example.com", "phone": "06", "note": "Hi", "roof": "flat", "octa_sid": SESSION}
        lead = capture_lead(told, request=rf.post("/contact/"), form="contact", row=row)
        assert lead == Lead.objects.get()
        lead = Lead.objects.get()
        assert (lead.email, lead.phone, lead.note) == ("jo@example.com", "06", "Hi")
        assert lead.custom == {"roof": "flat", "email": "other@example.com"}
        assert (lead.session_id, lead.linked, lead.form) == (SESSION, Lead.Linked.YES, "quote")
        assert lead.attribution["path"] == "/contact/"

    @pytest.mark.parametrize("taken", [{"lease": uuid.uuid4()}, {"attempts": 1}, {"status": Lead.Status.DELIVERED}])
    def test_one_that_is_under_way_stays_as_it_is(self, taken: dict[str, Any]) -> None:
        row = Quote.objects.create(full_name="Jo", email="jo@example.com")
        Lead.objects.update(**taken)
        assert capture_lead({"email": "jo@example.com", "phone": "06"}, row=row) == Lead.objects.get()
        assert Lead.objects.get().phone == ""

    @pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda row: pickle.loads(pickle.dumps(row))])
    def test_a_copy_of_the_row_is_another_submissions(self, again: Callable[[Any], Any]) -> None:
        row = again(Quote.objects.create(full_name="Jo", email="jo@example.com"))
        assert capture_lead({"email": "jo@example.com", "note": "Call me"}, form="call back", row=row)
        assert Lead.objects.count() == 2

    def test_a_row_that_is_changed_later_makes_its_own(self) -> None:
        Quote.objects.create(full_name="Jo", email="jo@example.com")
        row = Quote.objects.get()
        assert capture_lead({"email": "jo@example.com"}, form="changed", row=row) != Lead.objects.earliest("pk")
        assert Lead.objects.count() == 2

    def test_a_row_whose_lead_was_rolled_back(self) -> None:
        with transaction.atomic():
            row = Quote.objects.create(full_name="Jo", email="jo@example.com")
            transaction.set_rollback(True)
        somebody = capture_lead({"email": "somebody@example.com"})
        lead = capture_lead({"email": "jo@example.com"}, form="contact", row=row)
        assert lead is not None
        assert lead != somebody
        assert lead.form == "contact"


class RoofForm(OctanistFormMixin, forms.ModelForm):  # type: ignore[type-arg]
    octanist_form = "quote"

    message = forms.CharField(required=False)

    class Meta:
        model = Quote
        fields = ["full_name", "email", "roof"]


def saved(message: str = "", *, roof: str = "flat") -> RoofForm:
    form = RoofForm({"full_name": "Jo", "email": "jo@example.com", "roof": roof, "message": message})
    form.save()
    return form


class TestTheSamePersonTwice:
    """A registered model and a form that captures: rows that say the same may come from different submissions."""

    @pytest.fixture(autouse=True)
    def _registered(self) -> Iterator[None]:
        register(Quote, form="quote", name="full_name", email="email")
        yield
        unregister(Quote)

    def test_different_submissions_are_two_leads(self, rf: RequestFactory) -> None:
        for message in ("The garage leaks", "And the house needs solar panels"):
            saved(message).capture_lead(rf.post("/"))
        found = Lead.objects.order_by("pk")
        assert [lead.note for lead in found] == ["The garage leaks", "And the house needs solar panels"]
        assert {(lead.form, lead.name, lead.email) for lead in found} == {("quote", "Jo", "jo@example.com")}

    def test_another_session_is_another_submission(self, rf: RequestFactory) -> None:
        for session in ("one", "two"):
            saved().capture_lead(rf.post("/", {"octa_sid": session}))
        assert set(Lead.objects.values_list("session_id", flat=True)) == {"one", "two"}

    def test_a_double_click_is_one(self, rf: RequestFactory) -> None:
        first, second = (saved("The garage leaks").capture_lead(rf.post("/")) for _click in range(2))
        assert first == second == Lead.objects.get()

    def test_a_double_click_on_the_second_one_is_none_either(self, rf: RequestFactory) -> None:
        for message in ("The garage leaks", "The house", "The house"):
            saved(message).capture_lead(rf.post("/"))
        assert Lead.objects.count() == 2

    def test_a_note_of_the_row_s_hides_none_of_the_visitor_s(self, rf: RequestFactory) -> None:
        unregister(Quote)
        register(Quote, form="quote", name="full_name", email="email", note=Value("From the quote form"))
        for message in ("The garage leaks", "The house", "The house"):
            saved(message).capture_lead(rf.post("/"))
        assert list(Lead.objects.order_by("pk").values_list("note", flat=True)) == [
            "From the quote form\n\nThe garage leaks",
            "From the quote form\n\nThe house",
        ]

    def test_another_contact_than_the_row_s_is_kept(self) -> None:
        row = saved().instance
        data = {"name": "JO", "email": "office@example.com", "phone": "06 12345678"}
        for _capture in range(2):
            assert capture_lead(data, row=row) == Lead.objects.get()
        lead = Lead.objects.get()
        assert (lead.name, lead.email, lead.phone) == ("Jo", "jo@example.com", "06 12345678")
        assert lead.custom == {"email": "office@example.com"}

    @pytest.mark.parametrize("registered", [True, False])
    def test_a_form_that_is_captured_before_it_is_saved(self, rf: RequestFactory, registered: bool) -> None:
        if not registered:
            unregister(Quote)
        for message in ("The garage leaks", "The house"):
            form = RoofForm({"full_name": "Jo", "email": "jo@example.com", "roof": "flat", "message": message})
            form.is_valid()
            lead = form.capture_lead(rf.post("/"))
            form.save()
            assert form.capture_lead(rf.post("/")) == lead
        assert list(Lead.objects.order_by("pk").values_list("note", flat=True)) == ["The garage leaks", "The house"]
        if not registered:
            register(Quote, form="quote", name="full_name", email="email")

    def test_where_the_row_says_it_in_other_words(self, rf: RequestFactory) -> None:
        unregister(Quote)
        register(Quote, form="quote", email="email", custom={"roof": lambda row: row.roof.upper()})
        for _click in range(2):
            saved("Hi").capture_lead(rf.post("/"))
        assert Lead.objects.get().custom == {"roof": "FLAT"}

    def test_without_a_form_that_captures_it_stays_one(self) -> None:
        assert saved("a").instance.pk != saved("b").instance.pk
        assert Lead.objects.count() == 1

    def test_a_form_that_says_nothing_returns_it(self) -> None:
        lead = Lead.objects.get(pk=saved("a").capture_lead().pk)  # type: ignore[union-attr]
        assert capture_lead({}, row=saved("a").instance) == lead

    def test_captured_twice_by_the_second_form(self, rf: RequestFactory) -> None:
        saved("The garage leaks").capture_lead(rf.post("/"))
        form = saved("The house")
        assert form.capture_lead(rf.post("/")) == form.capture_lead(rf.post("/")) == Lead.objects.latest("pk")
        assert Lead.objects.count() == 2

    def test_a_double_click_whose_second_request_is_the_faster_one(self, rf: RequestFactory) -> None:
        """Between its row and its form, the first sends a mail."""
        first, second = saved("The garage leaks"), saved("The garage leaks")
        faster, slower = second.capture_lead(rf.post("/")), first.capture_lead(rf.post("/"))
        assert faster == slower == Lead.objects.get(status=Lead.Status.PENDING)
        gone = Lead.objects.get(status=Lead.Status.CANCELLED)
        assert (gone.next_attempt_at, gone.dedupe_key) == (None, None)
        assert gone.error == f"The same was sent twice: lead {slower.pk} stands for it."  # type: ignore[union-attr]

    def test_different_ones_in_that_order(self, rf: RequestFactory) -> None:
        first, second = saved("The garage leaks"), saved("The house")
        second.capture_lead(rf.post("/"))
        first.capture_lead(rf.post("/"))
        assert set(Lead.objects.waiting().values_list("note", flat=True)) == {"The garage leaks", "The house"}
