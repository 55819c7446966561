"""``OctanistFormViewMixin``: captures a lead when a class-based view's form is valid."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.forms import BaseForm
from django.http import HttpResponse
from django.views.generic.edit import FormMixin, FormView

from .exceptions import OctanistConfigurationError
from .forms import OctanistFormMixin, OctanistFormSetMixin

if TYPE_CHECKING:
    _Base = FormView[Any]
else:
    _Base = object


class OctanistFormViewMixin(_Base):
    """Put it before ``FormView``, ``CreateView`` or ``UpdateView``; the form class carries ``OctanistFormMixin``
    (a formset ``OctanistFormSetMixin``).

    The lead is captured once the view's own work has succeeded (its answer is below 400, and the form still valid), in
    the same transaction where the view has one (``ATOMIC_REQUESTS``).
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
        if not issubclass(form_class, (OctanistFormMixin, OctanistFormSetMixin)):
            name = form_class.__name__
            raise OctanistConfigurationError(
                f"{type(self).__name__} uses OctanistFormViewMixin, but its form {name} is no OctanistFormMixin."
                f" Add it: class {name}(OctanistFormMixin, …), from django_octanist.forms."
            )
        return form_class

    def form_valid(self, form: Any) -> HttpResponse:
        """Do the view's own work, then capture."""
        response: Any = super().form_valid(form)
        if inspect.isawaitable(response):
            return self._octanist_answered_later(response, form)  # type: ignore[return-value]
        if _is_good(response, form):
            form.capture_lead(self.request)
        return response  # type: ignore[no-any-return]

    async def _octanist_answered_later(self, response: Awaitable[Any], form: Any) -> Any:
        answered = await response
        if _is_good(answered, form):
            await sync_to_async(form.capture_lead)(self.request)
        return answered


def _is_good(response: Any, form: Any) -> bool:
    """Whether the view has not refused after all: by an error that it added to ``form``, or by its answer."""
    has_errors = isinstance(form, BaseForm) and bool(form.errors)
    return not has_errors and getattr(response, "status_code", 200) < 400
