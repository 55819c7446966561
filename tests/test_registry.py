from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import Value

from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.models import Lead
from django_octanist.registry import REGISTRATIONS, register, unregister
from tests.site.models import Company, Quote

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
            ("emial", "site.Quote has no 'emial'. Its fields: company, email, full_name, id, roof"),
            ("company__nam", "site.Company has no 'nam'"),
            ("company__name", ""),
            ("greeting", ""),
        ],
    )
    def test_a_path_that_leads_nowhere_is_found_by_the_check(self, path: str, problem: str) -> None:
        register(Quote, email=path)
        found = REGISTRATIONS[Quote].problem()
        assert problem in found
        assert bool(problem) == bool(found)
