from __future__ import annotations

import datetime
from typing import Any

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import FileField
from django.db.models.fields.files import FieldFile
from django.test import RequestFactory

from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.forms import OctanistFormMixin, OctanistFormSetMixin
from django_octanist.models import Lead
from tests.site.models import Company, Quote

SESSION = "550e8400-e29b-41d4-a716-446655440000"

pytestmark = pytest.mark.django_db


class ContactForm(OctanistFormMixin, forms.Form):
    octanist_form = "contact"
    octanist_fields = {"name": ("first_name", "last_name"), "phone": "mobile", "note": "story"}
    octanist_exclude = ("birthday",)

    first_name = forms.CharField()
    last_name = forms.CharField(required=False)
    where_to = forms.EmailField()
    mobile = forms.CharField(required=False)
    story = forms.CharField(required=False)
    birthday = forms.DateField(required=False)
    visit = forms.DateField(required=False)
    roof = forms.MultipleChoiceField(choices=[("flat", "Flat"), ("tiled", "Tiled")], required=False)
    photo = forms.FileField(required=False)
    login = forms.CharField(widget=forms.PasswordInput, required=False)
    compass = forms.CharField(required=False)


class BusinessForm(OctanistFormMixin, forms.Form):
    octanist_fields = {"phone": "mobile"}

    email = forms.EmailField()
    website = forms.CharField()
    path = forms.CharField(required=False)
    mobile = forms.CharField(required=False)
    phone = forms.BooleanField(required=False)

    def __init__(self, *arguments: Any, with_phone: bool = True, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if not with_phone:
            del self.fields["mobile"]


class TestAFormOfABusiness:
    FILLED = {"email": "jo@example.com", "website": "jo.example", "path": "by ad", "mobile": "06", "phone": "on"}

    def capture(self, rf: RequestFactory, **options: Any) -> Lead:
        form = BusinessForm(self.FILLED, **options)
        assert "email" in str(form)
        assert form.is_valid()
        lead = form.capture_lead(rf.post("/contact/"))
        assert lead is not None
        return lead

    def test_its_website_is_the_visitors_own(self, rf: RequestFactory) -> None:
        lead = self.capture(rf)
        assert lead.custom == {"website": "jo.example", "path": "by ad", "phone": True}
        assert lead.attribution == {"website": "http://testserver", "path": "/contact/"}

    def test_a_mapped_field_may_be_left_out_for_some_visitors(self, rf: RequestFactory) -> None:
        assert self.capture(rf).phone == "06"
        assert self.capture(rf, with_phone=False).phone == ""

    def test_also_by_what_is_built_on_the_form(self) -> None:
        """As Django's admin does with ``readonly_fields``."""

        class Shorter(BusinessForm):
            mobile = None  # type: ignore[assignment]

        assert "email" in str(Shorter(self.FILLED, with_phone=True))


FILLED = {
    "first_name": "Jo",
    "last_name": "Doe",
    "where_to": "jo@example.com",
    "mobile": "06",
    "story": "Line 1\nLine 2",
    "birthday": "1990-01-01",
    "visit": "2026-12-24",
    "roof": ["flat", "tiled"],
    "login": "s3cret",
    "compass": "north",
}


def submitted(form_class: type[Any], data: dict[str, Any], **arguments: Any) -> Any:
    form = form_class(data, **arguments)
    assert form.is_valid(), form.errors
    return form


class TestWhatIsCaptured:
    def test_mapped_and_detected_fields_and_the_rest(self, rf: RequestFactory) -> None:
        form = submitted(ContactForm, FILLED, files={"photo": SimpleUploadedFile("roof.jpg", b"...")})
        lead = form.capture_lead(rf.post("/"))
        lead.refresh_from_db()
        assert (lead.form, lead.name, lead.email, lead.phone) == ("contact", "Jo Doe", "jo@example.com", "06")
        assert lead.note == "Line 1\nLine 2"
        assert lead.custom == {
            "visit": "2026-12-24",
            "roof": ["flat", "tiled"],
            "photo": "roof.jpg",
            "compass": "north",
        }

    def test_without_a_request(self) -> None:
        lead = submitted(ContactForm, FILLED).capture_lead()
        assert lead.email == "jo@example.com"

    def test_the_class_name_is_the_form_by_default(self) -> None:
        class Newsletter(OctanistFormMixin, forms.Form):
            email = forms.EmailField()

        assert submitted(Newsletter, {"email": "jo@example.com"}).capture_lead().form == "Newsletter"

    def test_the_last_word(self) -> None:
        class Own(OctanistFormMixin, forms.Form):
            email = forms.EmailField()
            opt_in = forms.BooleanField(required=False)

            def get_octanist_data(self) -> dict[str, Any]:
                data = super().get_octanist_data()
                return {**data, "note": "from the form"} if self.cleaned_data["opt_in"] else {}

        assert submitted(Own, {"email": "jo@example.com"}).capture_lead() is None
        assert submitted(Own, {"email": "jo@example.com", "opt_in": "1"}).capture_lead().note == "from the form"

    def test_a_model_form(self) -> None:
        class QuoteForm(OctanistFormMixin, forms.ModelForm):  # type: ignore[type-arg]
            class Meta:
                model = Quote
                fields = ["company", "full_name", "email", "roof"]

        company = Company.objects.create(name="Roofs Ltd")
        form = submitted(QuoteForm, {"company": company.pk, "full_name": "Jo", "email": "jo@example.com"})
        lead = form.capture_lead()
        assert (lead.name, lead.custom) == ("Jo", {"company": "Roofs Ltd"})

    def test_a_file_that_the_row_has_already_stays_at_home(self) -> None:
        form = submitted(ContactForm, FILLED)
        form.cleaned_data["photo"] = FieldFile(None, FileField(name="photo"), "roofs/flat.jpg")  # type: ignore[arg-type]
        assert form.capture_lead().custom["photo"] == "flat.jpg"

    def test_what_was_left_empty_is_left_out(self) -> None:
        lead = submitted(ContactForm, {"first_name": "Jo", "where_to": "jo@example.com"}).capture_lead()
        lead.refresh_from_db()
        assert lead.custom == {}

    def test_a_custom_mapping_of_ones_own(self) -> None:
        class Rated(OctanistFormMixin, forms.Form):
            octanist_fields = {"custom": "reference"}
            email = forms.EmailField()
            reference = forms.CharField()

        assert submitted(Rated, {"email": "jo@example.com", "reference": "A1"}).capture_lead().custom == "A1"

    def test_a_field_that_has_an_api_name(self) -> None:
        class Tagged(OctanistFormMixin, forms.Form):
            email = forms.EmailField()
            utm_source = forms.CharField(widget=forms.HiddenInput)
            ad_storage = forms.CharField(widget=forms.HiddenInput)

        lead = submitted(
            Tagged, {"email": "jo@example.com", "utm_source": "Flyer", "ad_storage": "granted"}
        ).capture_lead()
        assert (lead.attribution, lead.custom) == ({"utm_source": "Flyer"}, {})
        assert lead.consent["ad_storage"] is True

    def test_a_time_and_a_decimal_are_readable(self) -> None:
        class Appointment(OctanistFormMixin, forms.Form):
            email = forms.EmailField()
            at = forms.TimeField()
            budget = forms.DecimalField()

        lead = submitted(Appointment, {"email": "jo@example.com", "at": "09:30", "budget": "12.50"}).capture_lead()
        assert lead.custom == {"at": datetime.time(9, 30).isoformat(), "budget": "12.50"}


class TestPostedContext:
    @pytest.mark.parametrize("name", ["octa_sid", "q-octa_sid"])
    def test_session_and_consent_with_and_without_the_prefix(self, rf: RequestFactory, name: str) -> None:
        data = {"q-first_name": "Jo", "q-where_to": "jo@example.com", name: SESSION, "q-ad_storage": "granted"}
        lead = submitted(ContactForm, data, prefix="q").capture_lead(rf.post("/", data))
        assert (lead.session_id, lead.sources["sessionId"]) == (SESSION, "form")
        assert lead.consent["ad_storage"] is True

    def test_a_form_bound_to_a_json_body(self, rf: RequestFactory) -> None:
        data = {"first_name": "Jo", "where_to": "jo@example.com", "octa_sid": SESSION}
        assert submitted(ContactForm, data).capture_lead(rf.post("/")).session_id == SESSION


class TestMapping:
    def test_a_field_that_the_form_does_not_have(self) -> None:
        class Wrong(OctanistFormMixin, forms.Form):
            octanist_fields = {"email": "emial"}
            email = forms.EmailField()

        for use in (lambda: Wrong()["email"], lambda: Wrong().as_p(), lambda: Wrong({}).is_valid()):
            with pytest.raises(OctanistConfigurationError, match=r"maps 'email' to 'emial'.*Its fields: email\."):
                use()

    def test_a_lead_field_that_does_not_exist(self) -> None:
        class Wrong(OctanistFormMixin, forms.Form):
            octanist_fields = {"mail": "email"}
            email = forms.EmailField()

        with pytest.raises(OctanistConfigurationError, match="maps 'mail', which is no field of a lead"):
            Wrong().as_p()

    def test_an_exclusion_that_excludes_nothing(self) -> None:
        class Wrong(OctanistFormMixin, forms.Form):
            octanist_exclude = ("birthdy",)
            birthday = forms.DateField()

        with pytest.raises(OctanistConfigurationError, match="names 'birthdy'"):
            Wrong().as_p()

    @pytest.mark.parametrize(
        ("attributes", "problem"),
        [
            ({"octanist_fields": "email"}, "must be a dict of lead field to form field or fields, not 'email'"),
            ({"octanist_exclude": "email"}, r"did you mean \('email',\)\?"),
        ],
    )
    def test_what_is_no_mapping_at_all(self, attributes: dict[str, Any], problem: str) -> None:
        wrong: Any = type("Wrong", (OctanistFormMixin, forms.Form), {"email": forms.EmailField(), **attributes})
        with pytest.raises(OctanistConfigurationError, match=problem):
            wrong().as_p()

    def test_the_mixin_behind_djangos_class(self) -> None:
        with pytest.raises(OctanistConfigurationError, match="put OctanistFormMixin before Django's form class"):
            type("Wrong", (forms.Form, OctanistFormMixin), {"email": forms.EmailField()})

    def test_before_it_is_valid(self, caplog: pytest.LogCaptureFixture) -> None:
        assert ContactForm(FILLED).capture_lead() is None
        assert "ContactForm: call is_valid() before capture_lead()" in caplog.text

    def test_a_field_that_is_added_when_the_form_is_made(self) -> None:
        class Dynamic(OctanistFormMixin, forms.Form):
            octanist_fields = {"email": "contact_7"}

            def __init__(self, *arguments: Any, **named: Any) -> None:
                super().__init__(*arguments, **named)
                self.fields["contact_7"] = forms.CharField()

        assert submitted(Dynamic, {"contact_7": "jo@example.com"}).capture_lead().email == "jo@example.com"

    def test_a_field_that_it_adds_for_some_visitors_only(self, caplog: pytest.LogCaptureFixture) -> None:
        class ForMembers(OctanistFormMixin, forms.Form):
            octanist_fields = {"phone": "ring_me", "name": ("first", "last")}
            octanist_exclude = ("number",)
            email = forms.EmailField()
            first = forms.CharField()

            def __init__(self, *arguments: Any, member: bool = False, **named: Any) -> None:
                super().__init__(*arguments, **named)
                if member:
                    self.fields |= {name: forms.CharField() for name in ("last", "number", "ring_me")}

        class Inherits(ForMembers):
            pass

        filled = {"email": "jo@example.com", "first": "Jo", "last": "Smith", "number": "7", "ring_me": "0612"}
        member = submitted(ForMembers, filled, member=True).capture_lead()
        assert (member.name, member.phone, member.custom) == ("Jo Smith", "0612", {})
        assert not caplog.records
        for form in (ForMembers, ForMembers, Inherits):
            assert "email" in str(form())
            visitor = submitted(form, filled).capture_lead()
            assert (visitor.name, visitor.phone, visitor.custom) == ("Jo", "", {})
        lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert [line.partition(", which")[0].rpartition(".")[2] for line in lines] == [
            "octanist_fields maps 'phone' to 'ring_me'"
        ] * 2
        assert all(line.endswith("Where __init__ does not add it, it is passed over.") for line in lines)

    def test_what_can_never_be_right_is_an_error_there_too(self) -> None:
        class Wrong(OctanistFormMixin, forms.Form):
            octanist_fields = {"mail": "email"}
            email = forms.EmailField()

            def __init__(self, *arguments: Any, **named: Any) -> None:
                super().__init__(*arguments, **named)

        with pytest.raises(OctanistConfigurationError, match="maps 'mail', which is no field of a lead"):
            str(Wrong())


def test_an_error_in_the_sites_own_method_breaks_no_form(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(OctanistFormMixin, forms.Form):
        email = forms.EmailField()

        def get_octanist_data(self) -> dict[str, Any]:
            raise KeyError("jo@example.com")

    assert submitted(Broken, {"email": "jo@example.com"}).capture_lead() is None
    assert not Lead.objects.exists()
    assert "'Broken' could not be captured: KeyError (in get_octanist_data" in caplog.text
    assert "jo@example.com" not in caplog.text


class TestFormSet:
    def formset(self, form: type[Any] = ContactForm) -> type[Any]:
        base: Any = type("Guests", (OctanistFormSetMixin, forms.BaseFormSet), {})
        return forms.formset_factory(form, formset=base)

    def test_a_form_without_the_mixin_is_a_clear_error(self) -> None:
        class Plain(forms.Form):
            email = forms.EmailField()

        with pytest.raises(OctanistConfigurationError, match=r"its form Plain is no OctanistFormMixin\. Add it"):
            str(self.formset(Plain)())

    def test_the_mixin_behind_djangos_class(self) -> None:
        with pytest.raises(OctanistConfigurationError, match="put OctanistFormSetMixin before Django's formset class"):
            type("Wrong", (forms.BaseFormSet, OctanistFormSetMixin), {})

    @pytest.mark.parametrize(
        "data", [None, {}, {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "0", "form-0-login": 1}]
    )
    def test_one_that_is_not_valid(self, data: Any, caplog: pytest.LogCaptureFixture) -> None:
        assert self.formset()(data).capture_lead() == []
        assert "capture_lead() is for a valid formset" in caplog.text
