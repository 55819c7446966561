"""A site's wizards: each of its own storage, with a ``done`` that does the site's work and calls nothing else."""

from __future__ import annotations

from tempfile import gettempdir
from typing import Any

from django.core.files.storage import FileSystemStorage
from django.http import HttpResponse
from formtools.wizard.views import CookieWizardView, NamedUrlSessionWizardView, SessionWizardView

from django_octanist.contrib.formtools import OctanistWizardMixin
from tests.site.models import Quote

from .forms import (
    LastForm,
    LastWordForm,
    MessageForm,
    PersonForm,
    PrivateForm,
    QuoteForm,
    RoofForm,
    WindowFormSet,
)


class Done:
    """The site's own work."""

    def done(self, form_list: Any, form_dict: Any, **kwargs: Any) -> HttpResponse:
        quote = Quote.objects.create(email=form_dict["person"].cleaned_data["email"])
        return HttpResponse(f"Thank you, quote {quote.pk}.")


class Wizard(Done, OctanistWizardMixin, SessionWizardView):
    octanist_form = "contact"
    form_list = [("roof", RoofForm), ("person", PersonForm), ("last", LastForm)]
    file_storage = FileSystemStorage(gettempdir())


class CookieWizard(Done, OctanistWizardMixin, CookieWizardView):
    octanist_form = "contact"
    form_list = Wizard.form_list
    file_storage = Wizard.file_storage


class NamedWizard(Done, OctanistWizardMixin, NamedUrlSessionWizardView):
    octanist_form = "contact"
    form_list = Wizard.form_list
    file_storage = Wizard.file_storage


class MappedWizard(Done, OctanistWizardMixin, SessionWizardView):
    octanist_exclude = ("birthday",)
    octanist_account = "north"
    form_list = [*Wizard.form_list, ("extra", PrivateForm)]
    condition_dict = {"extra": False}
    octanist_fields = {"note": ("comment", "last-comment"), "name": "last_name", "phone": "reach_me"}
    file_storage = Wizard.file_storage


class ManyKindsWizard(OctanistWizardMixin, SessionWizardView):
    """A formset, and forms that have something to say themselves; ``done`` runs twice."""

    form_list = [("windows", WindowFormSet), ("person", PrivateForm), ("word", LastWordForm)]
    runs = 0

    def done(self, form_list: Any, **kwargs: Any) -> HttpResponse:
        self.runs += 1
        return HttpResponse("Thank you.") if self.runs > 1 else self.__dict__["done"](form_list, **kwargs)


class _Fussy:
    """Does as the first step's comment says."""

    def done(self: Any, form_list: Any, form_dict: Any, **kwargs: Any) -> Any:
        match form_dict["roof"].cleaned_data["comment"]:
            case "refused":
                return HttpResponse("Out of slate.", status=409)
            case "back":
                return self.render_goto_step("roof")
            case "declined":
                form_dict["person"].add_error("email", "We know this one.")
                return self.render(form_dict["person"])
            case "reset":
                self.storage.reset()
                self.storage.current_step = "roof"
        return HttpResponse("Thank you.")


class FussyWizard(_Fussy, OctanistWizardMixin, SessionWizardView):
    form_list = [("roof", RoofForm), ("person", PersonForm)]


class NamedFussyWizard(_Fussy, OctanistWizardMixin, NamedUrlSessionWizardView):
    form_list = FussyWizard.form_list


class BrokenWizard(OctanistWizardMixin, SessionWizardView):
    form_list = [("person", PersonForm)]

    def done(self, form_list: Any, **kwargs: Any) -> HttpResponse:
        raise ValueError("the site's own")


class SavingWizard(OctanistWizardMixin, SessionWizardView):
    """``done`` saves the first step's form, and another row beside it."""

    form_list = [("quote", QuoteForm), ("message", MessageForm)]

    def done(self, form_list: Any, form_dict: Any, **kwargs: Any) -> HttpResponse:
        Quote.objects.create(full_name="The roofer", email="roofer@example.com")
        form_dict["quote"].save()
        return HttpResponse("Thank you.")
