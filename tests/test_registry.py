from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import Value

from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.models import Lead
from django_octanist.registry import REGISTRATIONS, register, unregister
from tests.site.models import CallBack, Company, Complaint, Enquiry, Praise, Quote, UrgentQuote

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    for model in list(REGISTRATIONS):
        unregister(model)


def quote(**values: Any) -> Quote:
    return Quote.objects.create(**{"full_name": "Jo", "email": "jo@example.com", **values})


class TestValues:
    def test_paths_callables_constants(self) -> None:
        register(
            Quote,
            form="quote",
            name="full_name",
            email=lambda instance: instance.email.upper(),
            note=Value("From the quote form"),
            custom={"company": "company__name", "greeting": "greeting", "priority": 1},
        )
        quote(company=Company.objects.create(name="Roofs Ltd"))
        lead = Lead.objects.get()
        assert (lead.form, lead.name, lead.email) == ("quote", "Jo", "JO@EXAMPLE.COM")
        assert lead.note == "From the quote form"
        assert lead.custom == {"company": "Roofs Ltd", "greeting": "Dear Jo", "priority": 1}

    def test_an_empty_relation_on_the_way(self) -> None:
        register(Quote, email="email", custom=["company__name", "roof"])
        quote(roof="flat")
        assert Lead.objects.get().custom == {"roof": "flat"}

    def test_many_rows_are_nothing_and_cost_no_lead(self) -> None:
        register(Quote, email="email", custom={"others": "company__quote_set", "roof": "roof"})
        quote(company=Company.objects.create(name="Roofs Ltd"), roof="flat")
        assert Lead.objects.get().custom == {"roof": "flat"}

    def test_the_model_is_the_form_by_default(self) -> None:
        register(Quote, email="email")
        quote()
        assert Lead.objects.get().form == "Quote"

    def test_a_condition(self) -> None:
        register(Quote, email="email", when=lambda instance: instance.roof == "flat")
        quote()
        assert not Lead.objects.exists()
        quote(roof="flat")
        assert Lead.objects.count() == 1


class TestWhen:
    def test_only_new_rows(self) -> None:
        register(Quote, email="email")
        row = quote()
        Lead.objects.all().delete()
        row.full_name = "Other"
        row.save()
        assert not Lead.objects.exists()

    def test_never_fixtures(self, tmp_path: Any) -> None:
        register(Quote, email="email")
        fixture = tmp_path / "quotes.json"
        fixture.write_text(
            '[{"model": "site.quote", "pk": 7, "fields": {"full_name": "Jo", "email": "jo@example.com"}}]'
        )
        call_command("loaddata", str(fixture), verbosity=0)
        assert Quote.objects.filter(pk=7).exists()
        assert not Lead.objects.exists()

    def test_other_models_are_none(self) -> None:
        register(Quote, email="email")
        Company.objects.create(name="x")
        assert not Lead.objects.exists()

    def test_unregistered(self) -> None:
        register(Quote, email="email")
        unregister(Quote)
        quote()
        assert not Lead.objects.exists()

    def test_a_failing_value_does_not_break_the_save(self, caplog: pytest.LogCaptureFixture) -> None:
        register(Quote, email=lambda instance: instance.nothing)
        assert quote().pk
        assert "'Quote' could not be captured: AttributeError" in caplog.text


class TestOncePerRow:
    def test_saved_twice(self) -> None:
        register(Quote, email="email")
        row = Quote(full_name="Jo", email="jo@example.com")
        row.save()
        row.email = "jo@example.org"
        row.save()
        assert [lead.email for lead in Lead.objects.all()] == ["jo@example.com"]

    def test_made_through_a_proxy(self) -> None:
        register(Quote, form="quote", email="email")
        UrgentQuote.objects.create(full_name="Jo", email="jo@example.com")
        assert Lead.objects.get().form == "quote"

    def test_a_proxy_of_its_own(self) -> None:
        register(Quote, form="quote", email="email")
        register(UrgentQuote, form="urgent", email="email")
        UrgentQuote.objects.create(full_name="Jo", email="jo@example.com")
        assert Lead.objects.get().form == "urgent"

    def test_only_the_proxy(self) -> None:
        register(UrgentQuote, email="email")
        quote()
        assert not Lead.objects.exists()

    @pytest.mark.parametrize("models", [[Quote], [CallBack], [Quote, CallBack], [CallBack, Quote]])
    def test_a_row_over_two_tables(self, models: list[Any]) -> None:
        for model in models:
            register(model, email="email")
        CallBack.objects.create(full_name="Jo", email="jo@example.com", at="noon")
        assert Lead.objects.get().form == ("CallBack" if CallBack in models else "Quote")

    @pytest.mark.parametrize("link", ["quote_ptr", "id"])
    def test_what_is_added_to_a_row_that_is_a_lead_already(self, link: str) -> None:
        register(Quote, email="email")
        row = quote()
        CallBack(
            **{link: row if link == "quote_ptr" else row.pk}, full_name="Jo", email="jo@example.org", at="noon"
        ).save()
        assert [lead.email for lead in Lead.objects.all()] == ["jo@example.com"]

    def test_unless_that_is_what_is_registered(self) -> None:
        register(CallBack, email="email")
        CallBack(quote_ptr=quote(), full_name="Jo", email="jo@example.org", at="noon").save()
        assert Lead.objects.get().email == "jo@example.org"

    def test_each_model_of_an_abstract_base(self) -> None:
        register(Enquiry, form="enquiry", email="email", custom=["company__name", "follows__email"])
        for number, model in enumerate((Complaint, Praise)):
            model.objects.create(email=f"jo{number}@example.com")
        assert [lead.form for lead in Lead.objects.all()] == ["enquiry", "enquiry"]
        assert REGISTRATIONS[Enquiry].problem() == ""

    def test_a_transaction_that_is_rolled_back(self) -> None:
        register(Quote, email="email")
        with transaction.atomic():
            quote()
            transaction.set_rollback(True)
        assert not Lead.objects.exists()

    def test_nothing_is_left_on_the_row(self) -> None:
        register(Quote, email="email")
        assert [name for name in vars(quote()) if "octanist" in name] == []

    def test_no_query_beyond_the_leads_own(self, django_assert_num_queries: Any) -> None:
        quote()
        with django_assert_num_queries(1):
            quote()
        register(Complaint, email="email")
        with django_assert_num_queries(1):
            quote()


class TestForms:
    def test_a_decorator(self) -> None:
        decorated = register(form="quote", email="email")(Quote)
        assert decorated is Quote
        quote()
        assert Lead.objects.get().form == "quote"

    def test_twice(self) -> None:
        register(Quote, email="email")
        with pytest.raises(OctanistConfigurationError, match=r"site\.Quote is registered already"):
            register(Quote, email="email")

    def test_unknown_names(self) -> None:
        with pytest.raises(OctanistConfigurationError, match="got 'mail', which is no field of a lead"):
            register(Quote, mail="email")

    def test_nobody_to_identify(self) -> None:
        with pytest.raises(OctanistConfigurationError, match="at least one of name, email, phone and custom"):
            register(Quote, note="roof")

    def test_unregistering_what_is_not_registered(self) -> None:
        with pytest.raises(OctanistConfigurationError, match=r"site\.Quote is not registered. Registered: none"):
            unregister(Quote)

    @pytest.mark.parametrize(
        ("path", "problem"),
        [
            (
                "emial",
                "site.Quote has no 'emial'. Its fields: callback, company, email, full_name, id, roof. (Constant",
            ),
            ("company__nam", "site.Company has no 'nam'"),
            (
                "company__quote__roof",
                "site.Company has no 'quote'. Its fields: id, name. (Constant text: Value(…). Any",
            ),
            ("company__quote_set__roof", "'quote_set' of site.Company is any number of rows, which no path can follow"),
            ("callback__at", ""),
            ("company__name", ""),
            ("greeting", ""),
        ],
    )
    def test_a_path_that_leads_nowhere_is_found_by_the_check(self, path: str, problem: str) -> None:
        register(Quote, email=path)
        found = REGISTRATIONS[Quote].problem()
        assert problem in found
        assert bool(problem) == bool(found)

    @pytest.mark.parametrize(
        ("source", "shown"),
        [
            ({"a": "roof", "b": "rooff"}, "custom={'b': 'rooff'}"),
            ({"a": {"b": "rooff"}}, "custom={'a': {'b': 'rooff'}}"),
            ({"a": ["roof", "rooff"]}, "custom={'a': ['rooff']}"),
            (["roof", "rooff"], "custom=['rooff']"),
        ],
    )
    def test_which_part_of_custom_leads_nowhere_and_of_which_model_is_said_once(self, source: Any, shown: str) -> None:
        register(Quote, custom=source)
        found = REGISTRATIONS[Quote].problem()
        assert found.startswith(f"register() has {shown}, but site.Quote has no 'rooff'. ")
        assert found.count("site.Quote") == 1
