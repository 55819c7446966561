from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django import forms
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.views.generic import CreateView, FormView

from django_octanist.exceptions import OctanistConfigurationError
from django_octanist.forms import OctanistFormMixin
from django_octanist.models import Lead
from django_octanist.views import OctanistFormViewMixin
from tests.site.models import Quote

pytestmark = pytest.mark.django_db


class ContactForm(OctanistFormMixin, forms.Form):
    email = forms.EmailField()


class ContactView(OctanistFormViewMixin, FormView):  # type: ignore[type-arg]
    form_class = ContactForm
    success_url = "/thanks/"
    template_name = "unused"


class QuoteForm(OctanistFormMixin, forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Quote
        fields = ["full_name", "email"]

    def get_octanist_data(self) -> dict[str, Any]:
        return {**super().get_octanist_data(), "custom": {"quote": self.instance.pk}}


class QuoteView(OctanistFormViewMixin, CreateView):  # type: ignore[type-arg]
    form_class = QuoteForm
    success_url = "/thanks/"
    template_name = "unused"


def test_a_form_view(rf: RequestFactory) -> None:
    response = ContactView.as_view()(rf.post("/contact/?gclid=x", {"email": "jo@example.com"}))
    assert (response.status_code, response["Location"]) == (302, "/thanks/")
    lead = Lead.objects.get()
    assert (lead.form, lead.email, lead.attribution["gclid"]) == ("ContactForm", "jo@example.com", "x")


def test_a_create_view_captures_after_the_row_is_there(rf: RequestFactory) -> None:
    QuoteView.as_view()(rf.post("/", {"full_name": "Jo", "email": "jo@example.com"}))
    assert Lead.objects.get().custom == {"quote": Quote.objects.get().pk}


def test_an_invalid_form_is_no_lead(rf: RequestFactory) -> None:
    class View(ContactView):
        def form_invalid(self, form: Any) -> HttpResponse:
            return HttpResponse("invalid")

    assert View.as_view()(rf.post("/", {"email": "no"})).content == b"invalid"
    assert not Lead.objects.exists()


def test_a_failing_capture_does_not_break_the_view(rf: RequestFactory, settings: Any) -> None:
    settings.OCTANIST_DEDUPE_SECONDS = "soon"
    assert ContactView.as_view()(rf.post("/", {"email": "jo@example.com"})).status_code == 302


def test_work_of_the_site_that_fails_makes_no_lead(rf: RequestFactory) -> None:
    class View(ContactView):
        def get_success_url(self) -> str:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        View.as_view()(rf.post("/", {"email": "jo@example.com"}))
    assert not Lead.objects.exists()


def test_a_form_without_the_mixin_is_a_clear_error(rf: RequestFactory) -> None:
    class Plain(forms.Form):
        email = forms.EmailField()

    with pytest.raises(OctanistConfigurationError, match=r"its form Plain is no OctanistFormMixin\. Add it"):
        ContactView.as_view(form_class=Plain)(rf.post("/", {"email": "jo@example.com"}))


def test_and_shows_on_the_first_visit(rf: RequestFactory) -> None:
    class Plain(forms.Form):
        email = forms.EmailField()

    with pytest.raises(OctanistConfigurationError, match="Plain is no OctanistFormMixin"):
        ContactView.as_view(form_class=Plain)(rf.get("/"))


def test_the_mixin_behind_djangos_class() -> None:
    with pytest.raises(OctanistConfigurationError, match="put OctanistFormViewMixin before Django's view class"):
        type("Wrong", (FormView, OctanistFormViewMixin), {})


def test_twice_in_a_second_is_one_lead(rf: RequestFactory) -> None:
    for _time in range(2):
        ContactView.as_view()(rf.post("/", {"email": "jo@example.com"}))
    assert Lead.objects.count() == 1


class RefusingView(FormView):  # type: ignore[type-arg]
    """A site's view, whose own work may still say no."""

    form_class = ContactForm

    def form_valid(self, form: Any) -> HttpResponse:
        form.add_error(None, "Our books are full.")
        return self.form_invalid(form)

    def form_invalid(self, form: Any) -> HttpResponse:
        return HttpResponse("no")


class DecliningView(FormView):  # type: ignore[type-arg]
    form_class = ContactForm

    def form_valid(self, form: Any) -> HttpResponse:
        return HttpResponse("no", status=402)


@pytest.mark.parametrize("view", [RefusingView, DecliningView])
def test_what_the_view_refuses_after_all_is_no_lead(rf: RequestFactory, view: type[Any]) -> None:
    capturing = type("View", (OctanistFormViewMixin, view), {})
    assert capturing.as_view()(rf.post("/", {"email": "jo@example.com"})).content == b"no"
    assert not Lead.objects.exists()


class OddView(FormView):  # type: ignore[type-arg]
    """A site's view whose work returns no response, which ``post`` makes of it."""

    form_class = ContactForm
    returned: Any = None

    def post(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        assert self.form_valid(self.get_form()) == self.returned
        return HttpResponse("done")

    def form_valid(self, form: Any) -> Any:
        assert form.is_valid()
        return self.returned


@pytest.mark.parametrize("returned", [None, {"ok": True}])
def test_a_view_whose_work_returns_something_else(rf: RequestFactory, returned: Any) -> None:
    view = type("View", (OctanistFormViewMixin, OddView), {"returned": returned})
    assert view.as_view()(rf.post("/", {"email": "jo@example.com"})).content == b"done"
    assert Lead.objects.exists()


class AsyncView(FormView):  # type: ignore[type-arg]
    form_class = ContactForm
    http_method_names = ["post"]

    async def post(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        form = self.get_form()
        assert form.is_valid()
        return await self.form_valid(form)  # type: ignore[misc]

    async def form_valid(self, form: Any) -> HttpResponse:  # type: ignore[override]
        return HttpResponse("done")


def test_an_async_view(rf: RequestFactory) -> None:
    view = type("View", (OctanistFormViewMixin, AsyncView), {})
    assert async_to_sync(view.as_view())(rf.post("/", {"email": "jo@example.com"})).content == b"done"
    assert Lead.objects.exists()


def test_a_form_that_is_valid_once_only(rf: RequestFactory) -> None:
    """As one that spends a code."""

    class Once(ContactForm):
        spent = False

        def is_valid(self) -> bool:
            before, self.spent = self.spent, True
            return super().is_valid() and not before

    view = type("View", (ContactView,), {"form_class": Once})
    assert view.as_view()(rf.post("/", {"email": "jo@example.com"})).status_code == 302
    assert Lead.objects.exists()


class Refusing(ContactView):
    """A site's view in the README's layout: its own ``form_valid`` goes on after the mixin's."""

    def form_valid(self, form: Any) -> HttpResponse:
        super().form_valid(form)
        if form.cleaned_data["email"] == "typo@example.com":
            form.add_error("email", "Mail to this address bounced.")
            return self.form_invalid(form)
        return HttpResponse("thanks")

    def form_invalid(self, form: Any) -> HttpResponse:
        return HttpResponse("no")


class Unpaid(ContactView):
    def form_valid(self, form: Any) -> HttpResponse:
        super().form_valid(form)
        return HttpResponse("no", status=402)


class AsyncRefusing(ContactView):
    http_method_names = ["post"]

    async def post(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:  # type: ignore[override]
        form = self.get_form()
        assert form.is_valid()
        return await self.form_valid(form)  # type: ignore[misc]

    async def form_valid(self, form: Any) -> HttpResponse:  # type: ignore[override]
        super().form_valid(form)
        return HttpResponse("no", status=402 if form.cleaned_data["email"].startswith("typo") else 200)


class TestTheSitesOwnFormValid:
    @pytest.mark.parametrize("view", [Refusing, Unpaid])
    def test_what_it_refuses_is_no_lead(self, rf: RequestFactory, view: type[Any]) -> None:
        assert view.as_view()(rf.post("/", {"email": "typo@example.com"})).content == b"no"
        assert not Lead.objects.exists()

    def test_the_corrected_submission_is_the_only_lead(self, rf: RequestFactory) -> None:
        for email in ("typo@example.com", "jo@example.com"):
            Refusing.as_view()(rf.post("/", {"email": email}))
        assert Lead.objects.get().email == "jo@example.com"

    def test_nor_is_what_breaks_it(self, rf: RequestFactory) -> None:
        class Broken(ContactView):
            def form_valid(self, form: Any) -> HttpResponse:
                super().form_valid(form)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            Broken.as_view()(rf.post("/", {"email": "jo@example.com"}))
        assert not Lead.objects.exists()

    def test_one_that_does_not_call_the_mixins(self, rf: RequestFactory) -> None:
        class Own(ContactView):
            def form_valid(self, form: Any) -> HttpResponse:
                return HttpResponse("thanks")

        assert Own.as_view()(rf.post("/", {"email": "jo@example.com"})).content == b"thanks"
        assert Lead.objects.get().email == "jo@example.com"

    @pytest.mark.parametrize(("email", "leads"), [("jo@example.com", 1), ("typo@example.com", 0)])
    def test_one_that_is_async(self, rf: RequestFactory, email: str, leads: int) -> None:
        async_to_sync(AsyncRefusing.as_view())(rf.post("/", {"email": email}))
        assert Lead.objects.count() == leads

    def test_it_is_captured_once(self, rf: RequestFactory, settings: Any) -> None:
        settings.OCTANIST_DEDUPE_SECONDS = 0
        Refusing.as_view()(rf.post("/", {"email": "jo@example.com"}))
        assert Lead.objects.count() == 1

    def test_a_view_that_was_not_set_up(self, rf: RequestFactory) -> None:
        view = ContactView()
        view.request = rf.post("/")
        form = ContactForm({"email": "jo@example.com"})
        assert form.is_valid()
        assert view.form_valid(form).status_code == 302
        assert Lead.objects.exists()

    def test_a_post_that_calls_djangos_form_valid_alone(self, rf: RequestFactory) -> None:
        class Own(ContactView):
            def post(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
                form = self.get_form()
                assert form.is_valid()
                return super().form_valid(form)

        assert Own.as_view()(rf.post("/", {"email": "jo@example.com"})).status_code == 302
        assert Lead.objects.exists()

    def test_one_that_calls_itself_for_another_form(self, rf: RequestFactory) -> None:
        class Both(ContactView):
            def form_valid(self, form: Any) -> HttpResponse:
                if form.cleaned_data["email"] == "jo@example.com":
                    friend = ContactForm({"email": "flo@example.com"})
                    assert friend.is_valid()
                    self.form_valid(friend)
                return super().form_valid(form)

        Both.as_view()(rf.post("/", {"email": "jo@example.com"}))
        assert set(Lead.objects.values_list("email", flat=True)) == {"jo@example.com", "flo@example.com"}

    def test_one_that_is_set_up_twice(self, rf: RequestFactory, settings: Any) -> None:
        settings.OCTANIST_DEDUPE_SECONDS = 0
        request = rf.post("/", {"email": "jo@example.com"})
        view = ContactView()
        view.setup(request)
        view.setup(request)
        view.dispatch(request)
        assert Lead.objects.count() == 1


def test_a_get_form_that_returns_another_form_is_an_error_before_the_row_is_saved(rf: RequestFactory) -> None:
    class Plain(forms.ModelForm):  # type: ignore[type-arg]
        class Meta:
            model = Quote
            fields = ["full_name", "email"]

    class View(QuoteView):
        def get_form(self, form_class: Any = None) -> Any:
            return Plain(**self.get_form_kwargs())

    with pytest.raises(OctanistConfigurationError, match="View uses OctanistFormViewMixin, but its form Plain is no"):
        View.as_view()(rf.post("/", {"full_name": "Jo", "email": "jo@example.com"}))
    assert not Quote.objects.exists()
