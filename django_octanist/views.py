"""``OctanistFormViewMixin``: captures a lead when a class-based view's form is valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpResponse
from django.views.generic.edit import FormMixin, FormView

from .exceptions import OctanistConfigurationError
from .forms import OctanistFormMixin

if TYPE_CHECKING:
    _Base = FormView[Any]
else:
    _Base = object


class OctanistFormViewMixin(_Base):
    """Put it before ``FormView``, ``CreateView`` or ``UpdateView``; the form class carries ``OctanistFormMixin``.

    The lead is captured once the view's own work has succeeded, in the same transaction where the view has one
    (``ATOMIC_REQUESTS``).
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        order = cls.__mro__
        if FormMixin in order and order.index(FormMixin) < order.index(OctanistFormViewMixin):
            raise OctanistConfigurationError(
                f"{cls.__qualname__}: put OctanistFormViewMixin before Django's view class, or it does nothing."
            )

    def get_form_class(self) -> type[Any]:
        """Return the view's form class. Raises a configuration error, on the first visit, if it lacks the mixin."""
        form_class = super().get_form_class()
        if not issubclass(form_class, OctanistFormMixin):
            name = form_class.__name__
            raise OctanistConfigurationError(
                f"{type(self).__name__} uses OctanistFormViewMixin, but its form {name} is no OctanistFormMixin."
                f" Add it: class {name}(OctanistFormMixin, …), from django_octanist.forms."
            )
        return form_class

    def form_valid(self, form: Any) -> HttpResponse:
        """Do the view's own work, then capture."""
        response = super().form_valid(form)
        form.capture_lead(self.request)
        return response
