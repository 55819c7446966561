"""What the list's search field finds."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.utils import timezone

from django_octanist.admin import search
from django_octanist.models import Lead
from tests.figures import attempted

from . import LIST, make, page, staff

LONG = "x" * 5_000


def found(client: Client, term: str) -> set[int]:
    response = client.get(LIST, {"q": term})
    assert response.status_code == 200, term
    return {lead.pk for lead in response.context["cl"].result_list}


@pytest.fixture
def jo(db: None) -> Lead:
    make(name="Other Person", email="other@example.com", phone="0687654321")
    return make(
        name="Jo van der Doe",
        email="Jo.Doe@Example.com",
        phone="+31 6 1234-5678",
        octanist_id="lead_AbC",
        request_id="req_9",
    )


class TestFound:
    @pytest.mark.parametrize(
        "term",
        [
            *("Jo.Doe@Example.com", "jo.doe@example.com", "JO.DOE@", "JO.DOE", "jo.doe", "Jo."),
            *("@example.com jo", "van der", "DOE", "doe Jo", '"der Doe"', "'van der'"),
            *("lead_AbC", "req_9", "  req_9  ", "req_9 doe"),
            *("+31612345678", "0612345678", "06 12 34 56 78", "0031 6 12345678", "06-12345678", "12345678", "345678"),
            *("(06) 1234", "1234 doe"),
        ],
    )
    def test_terms(self, admin_client: Client, jo: Lead, term: str) -> None:
        assert found(admin_client, term) == {jo.pk}

    @pytest.mark.parametrize("term", ["JOSÉ@MÜLLER.de", "JOSÉ", "josé@müller.de"])
    def test_letters_beyond_ascii(self, admin_client: Client, jo: Lead, term: str) -> None:
        Lead.objects.filter(pk=jo.pk).update(email="JOSÉ@MÜLLER.de" if term != term.lower() else term)
        assert found(admin_client, term) == {jo.pk}

    @pytest.mark.parametrize("phone", ["0612345678", "06-1234 5678", "0031612345678", "(+31) 6 12.34.56.78"])
    def test_a_phone_however_it_is_written(self, admin_client: Client, jo: Lead, phone: str) -> None:
        Lead.objects.filter(pk=jo.pk).update(phone=phone)
        for term in ("+31612345678", "0612345678", "+31 6 1234-5678", "0031612345678"):
            assert found(admin_client, term) == {jo.pk}

    @pytest.mark.parametrize("permissions", [["view_lead"], ["view_lead", "view_lead_personal_data"]])
    def test_the_request_id_of_an_earlier_attempt(self, client: Client, jo: Lead, permissions: list[str]) -> None:
        """The one that Octanist's support asks about."""
        for request_id in ("req_8", "req_9"):
            attempted(jo, timezone.now(), request_id=request_id)
        attempted(make(), timezone.now(), request_id="req_7")
        staff(client, *permissions)
        assert found(client, "req_8") == found(client, "req_8 req_9") == {jo.pk}
        assert found(client, "req_8 req_7") == found(client, "req_6") == set()

    @pytest.mark.parametrize("form", [str, lambda value: value.hex, lambda value: str(value).upper()])
    def test_submission_id(self, admin_client: Client, jo: Lead, form: object) -> None:
        assert found(admin_client, form(jo.submission_id)) == {jo.pk}  # type: ignore[operator]

    @pytest.mark.parametrize(
        "term",
        [
            *(
                "doe@example.com",
                "lead_Ab",
                "req",
                "jo nobody",
                "%",
                "_",
                "o_van",
                "d%e",
                "12345679",
                "56 78 12 34",
                "0",
                "000",
                "\\",
            ),
            *("jo van der doe a b c d e f g", '""x', "'", LONG, "😀", "= 1"),
        ],
    )
    def test_not_found(self, admin_client: Client, jo: Lead, term: str) -> None:
        assert jo.pk not in found(admin_client, term)

    @pytest.mark.parametrize("term", ["", "   ", '""'])
    def test_nothing_to_search_for(self, admin_client: Client, jo: Lead, term: str) -> None:
        assert len(found(admin_client, term)) == 2

    def test_a_nul_is_told(self, admin_client: Client, jo: Lead) -> None:
        assert "Null characters are not allowed" in admin_client.get(LIST, {"q": "a\0b"}).content.decode()

    def test_with_a_filter(self, admin_client: Client, jo: Lead) -> None:
        response = admin_client.get(LIST, {"q": "doe", "form": "other"})
        assert not response.context["cl"].result_list


class TestNewest:
    """A part of a name or phone is not looked for among all leads, which would mean to look at all of them."""

    @pytest.fixture(autouse=True)
    def _newest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(search, "NEWEST", 2)

    @pytest.mark.parametrize(
        ("term", "is_found"),
        [
            ("doe", False),
            ("12345678", False),
            ("@example.com", False),
            ("jo.doe@example", True),
            ("jo.doe", True),
            ("lead_AbC", True),
        ],
    )
    def test_older(self, admin_client: Client, jo: Lead, term: str, is_found: bool) -> None:
        make(email="")
        assert jo.pk in found(admin_client, term)
        make(email="")
        assert (jo.pk in found(admin_client, term)) is is_found

    def test_it_is_said(self, admin_client: Client, jo: Lead, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(search, "NEWEST", 10_000)
        assert "name and phone among the newest 10,000 leads" in admin_client.get(LIST).content.decode()


class TestMasked:
    """Who may not see a contact does not find out by searching for it, either."""

    @pytest.mark.parametrize("term", ["jo.doe@example.com", "jo.", "doe", "12345678", "@example.com", "other", "o"])
    def test_nothing_personal(self, client: Client, jo: Lead, term: str) -> None:
        staff(client, "view_lead")
        assert found(client, term) == set()

    def test_ids(self, client: Client, jo: Lead) -> None:
        staff(client, "view_lead")
        assert found(client, str(jo.submission_id)) == found(client, "lead_AbC") == found(client, "req_9") == {jo.pk}
        text = client.get(LIST).content.decode()
        assert "Submission ID, Octanist ID or request ID." in text
        assert "E-mail" not in text

    def test_no_more_of_a_word_than_an_id(self) -> None:
        assert "email" not in str(search.condition("jo doe", personal=False, after=0))


class TestCondition:
    def test_more_words_than_anybody_types_find_nothing(self) -> None:
        """Nor too much, on which somebody may then act."""
        assert search.condition("word " * 11, personal=True, after=0) == Q(pk__in=[])

    def test_an_address_is_looked_for_by_its_index_alone(self) -> None:
        asked = str(search.condition("Jo@Example.com", personal=True, after=7))
        assert asked == "(AND: ('email_lower__startswith', 'jo@example.com'))"

    def test_the_begin_of_an_address_in_any_letter_case(self) -> None:
        assert "('email_lower__startswith', 'jo.doe')" in str(search.condition("JO.Doe", personal=True, after=7))

    def test_short_words_only_among_the_newest(self) -> None:
        asked = str(search.condition("jo", personal=True, after=7))
        assert asked == "(AND: ('pk__gt', 7), ('name__icontains', 'jo'))"


@pytest.mark.django_db
def test_hostile_words(admin_client: Client) -> None:
    lead = make(name="'; DROP TABLE octanist_lead; --", email="a'b@example.com")
    assert found(admin_client, "drop table") == {lead.pk}
    assert found(admin_client, "a'b@") == {lead.pk}
    text = admin_client.get(LIST, {"q": '"><script>alert(1)</script>'}).content.decode()
    assert "<script>alert" not in text
    assert page(lead) not in text
    assert connection.introspection.table_names()
