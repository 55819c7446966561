"""``OctanistFormViewMixin``: captures a lead when a class-based view's form is valid."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.views.generic.edit import FormMixin, FormView

from .capture import shielded
from .exceptions import OctanistConfigurationError
from .forms import OctanistFormMixin, OctanistFormSetMixin

if TYPE_CHECKING:
    _Base = FormView[Any]
else:
    _Base = object


class OctanistFormViewMixin(_Base):
    """Put it before ``FormView``, ``CreateView`` or ``UpdateView``; the form class carries ``OctanistFormMixin``
    (a formset ``OctanistFormSetMixin``).

    The lead is captured once the view's ``form_valid``, the site's own included, has succeeded (its answer is below
    400, and the form still valid), in the same transaction where the view has one (``ATOMIC_REQUESTS``).
    """

    # The forms of which `form_valid` is under way: it is captured once the whole of it is done.
    _octanist_under_way: tuple[Any, ...] = ()

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        order = cls.__mro__
        if FormMixin in order and order.index(FormMixin) < order.index(OctanistFormViewMixin):
            raise OctanistConfigurationError(
                f"{cls.__qualname__}: put OctanistFormViewMixin before Django's view class, or it does nothing."
            )

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        # The site's own `form_valid` comes before the mixin's: only from outside can it be followed.
        self.form_valid = self._octanist_followed(self.form_valid)  # type: ignore[method-assign]

    def get_form_class(self) -> type[Any]:
        """Return the view's form class. Raises a configuration error, on the first visit, if it lacks the mixin."""
        form_class = super().get_form_class()
        if not issubclass(form_class, (OctanistFormMixin, OctanistFormSetMixin)):
            raise OctanistConfigurationError(_lacks_the_mixin(form_class, view=self))
        return form_class

    def form_valid(self, form: Any) -> HttpResponse:
        """Do the view's own work, then capture, unless the whole of it is followed already."""
        return self._octanist_followed(super().form_valid)(form)  # type: ignore[no-any-return]

    def _octanist_followed(self, form_valid: Callable[..., Any]) -> Callable[..., Any]:
        def form_valid_followed(form: Any, *arguments: Any, **named: Any) -> Any:
            if any(other is form for other in self._octanist_under_way):
                return form_valid(form, *arguments, **named)
            # What a `get_form` of the site's returned, before anything is saved of it.
            if not callable(getattr(form, "capture_lead", None)):
                raise OctanistConfigurationError(_lacks_the_mixin(type(form), view=self))
            with self._octanist_follow(form):
                response = form_valid(form, *arguments, **named)
            if inspect.isawaitable(response):
                return self._octanist_answered_later(response, form)
            if _is_good(response, form):
                form.capture_lead(self.request)
            return response

        return form_valid_followed

    @contextmanager
    def _octanist_follow(self, form: Any) -> Iterator[None]:
        before, self._octanist_under_way = self._octanist_under_way, (*self._octanist_under_way, form)
        try:
            yield
        finally:
            self._octanist_under_way = before

    async def _octanist_answered_later(self, response: Awaitable[Any], form: Any) -> Any:
        with self._octanist_follow(form):
            answered = await response
        if _is_good(answered, form):
            await shielded(lambda: form.capture_lead(self.request))
        return answered


def _lacks_the_mixin(form_class: type[Any], *, view: Any) -> str:
    name = form_class.__name__
    return (
        f"{type(view).__name__} uses OctanistFormViewMixin, but its form {name} is no OctanistFormMixin."
        f" Add it: class {name}(OctanistFormMixin, …), from django_octanist.forms."
    )


def _is_good(response: Any, form: Any) -> bool:
    """Whether the view has not refused after all: by an error that it added to ``form``, or by its answer."""
    has_errors = isinstance(form, BaseForm) and bool(form.errors)
    return not has_errors and getattr(response, "status_code", 200) < 400
