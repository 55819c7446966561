"""Django REST framework: ``OctanistCreateMixin`` makes what an API creates a lead.

In an ``APIView`` of one's own, ``capture_lead(request.data, request=request, form="contact")`` takes the framework's
request as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

from django.db import connections, router

from ..capture import capture_lead, report_failure
from ..conf import DEFAULT_ACCOUNT
from ..exceptions import OctanistConfigurationError
from ..forms import mapped_fields
from ..mapping import FieldMapping, problem, with_nested
from ..models import Lead
from .missing import missing

try:
    from rest_framework import serializers
    from rest_framework.mixins import CreateModelMixin

    from ._serializers import (
        declared,
        is_kept,
        items_of,
        keep,
        keep_when_saved,
        makes_own_fields,
        names_of,
        read_serializer,
        saved_of,
    )
except ImportError as error:
    raise missing("drf", package="djangorestframework") from error

logger = logging.getLogger("django_octanist")


class OctanistCreateMixin:
    """Put it before ``CreateAPIView``, ``ModelViewSet`` or whatever else has a ``create``.

    The lead is captured from the ``validated_data`` of the serializer that ``perform_create`` was given, the mixin's or
    the view's own: in the transaction that the view opened for it, if it did, else once the view has answered with a
    status below 400. What its fields are is detected, or mapped by ``octanist_fields``, as in a form. A nested
    serializer's field is called ``contact__email``. With ``many=True`` each item is a lead. Where a ``create`` of one's
    own calls neither ``perform_create`` nor ``super()``, call :meth:`capture_lead`.
    """

    octanist_form: str = ""
    octanist_fields: FieldMapping = {}
    octanist_exclude: Collection[str] = ()
    octanist_account: str = DEFAULT_ACCOUNT

    request: Any
    # What was created and is captured once the request is answered. None: no request is being answered.
    _octanist_waiting: list[Any] | None = None
    # The serializers with data that the view made; a package's `create` need not tell which of them it saved.
    _octanist_built: tuple[Any, ...] = ()
    # How many serializers were captured or are to be: what passed meanwhile needs no second lead.
    _octanist_heard: int = 0
    # How many transactions were open before the view's own.
    _octanist_depth: int = 0

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        order = cls.__mro__
        if CreateModelMixin in order and order.index(CreateModelMixin) < order.index(OctanistCreateMixin):
            raise OctanistConfigurationError(
                f"{cls.__qualname__}: put OctanistCreateMixin before Django REST framework's class, or it does nothing."
            )

    def get_octanist_data(self, serializer: Any) -> dict[str, Any]:
        """Return what is captured, by API name. Override it to have the last word; ``{}`` captures nothing."""
        return read_serializer(serializer, mapping=self.octanist_fields, exclude=self.octanist_exclude)

    def capture_lead(self, serializer: Any) -> list[Lead]:
        """Capture this valid serializer's data; with ``many=True`` each item's. Never raises."""
        self._octanist_heard += 1
        if self._octanist_waiting:
            self._octanist_waiting = [other for other in self._octanist_waiting if other is not serializer]
        form = self.octanist_form or type(getattr(serializer, "child", serializer)).__name__
        try:
            items = list(items_of(serializer))
        except Exception as error:  # noqa: BLE001 - the site's API must answer
            report_failure(error, form=form, names={})
            return []
        captured = [self._octanist_capture(item, form=form) for item in items]
        return [lead for lead in captured if lead is not None]

    def _octanist_capture(self, serializer: Any, *, form: str) -> Lead | None:
        return capture_lead(
            lambda: self.get_octanist_data(serializer),
            request=self.request,
            form=form,
            account=self.octanist_account,
            row=serializer.instance,
        )

    def initial(self, request: Any, *arguments: Any, **named: Any) -> None:
        parent: Any = super()
        parent.initial(request, *arguments, **named)
        self._octanist_waiting, self._octanist_depth = [], _transactions()
        # The site's own `perform_create` comes before the mixin's: only from outside can it be followed.
        self.perform_create = self._octanist_followed(self.perform_create)  # type: ignore[method-assign]

    def handle_exception(self, error: Exception) -> Any:
        """Forget what was created: the view did not succeed, whatever it will answer."""
        self._octanist_waiting = []
        parent: Any = super()
        return parent.handle_exception(error)

    def finalize_response(self, request: Any, response: Any, *arguments: Any, **named: Any) -> Any:
        """Capture what was created, where the answer is a good one."""
        parent: Any = super()
        response = parent.finalize_response(request, response, *arguments, **named)
        waiting, self._octanist_waiting = self._octanist_waiting, None
        for serializer in (waiting or ()) if _is_good(response) else ():
            self.capture_lead(serializer)
        return response

    def get_serializer(self, *arguments: Any, **named: Any) -> Any:
        """Return the view's serializer. Raises a configuration error where ``create`` lacks a mapped field."""
        parent: Any = super()
        serializer = parent.get_serializer(*arguments, **named)
        if hasattr(serializer, "initial_data"):
            if not self._octanist_built:
                self._octanist_check(serializer)
            self._octanist_built = (*self._octanist_built, serializer)
            keep_when_saved(serializer)
        return serializer

    def perform_create(self, serializer: Any, *arguments: Any, **named: Any) -> Any:
        """Save, to be captured."""
        parent: Any = super()
        made = parent.perform_create(serializer, *arguments, **named)
        self._octanist_created(serializer)
        return made

    def create(self, request: Any, *arguments: Any, **named: Any) -> Any:
        """Create, and have that captured which the framework's class saved without ``perform_create``."""
        parent: Any = super()
        heard = self._octanist_heard
        response = parent.create(request, *arguments, **named)
        if self._octanist_heard == heard and _is_good(response):
            for serializer in saved_of(self._octanist_built):
                self._octanist_created(serializer)
        return response

    def _octanist_followed(self, perform_create: Callable[..., Any]) -> Callable[..., Any]:
        def perform_create_followed(serializer: Any, *arguments: Any, **named: Any) -> Any:
            if not any(other is serializer for other in self._octanist_built[:1]):
                self._octanist_check(serializer)
            if not is_kept(serializer):
                keep(serializer)
            keep_when_saved(serializer)
            heard = self._octanist_heard
            made = perform_create(serializer, *arguments, **named)
            # What the site captured itself meanwhile stands for it.
            if self._octanist_heard == heard:
                self._octanist_created(serializer)
            return made

        return perform_create_followed

    def _octanist_created(self, serializer: Any) -> None:
        self._octanist_heard += 1
        if self._octanist_waiting is None or _transactions() > self._octanist_depth:
            # With the transaction that the view opened the lead is stored or not at all, as the row is.
            self.capture_lead(serializer)
        elif not any(other is serializer for other in self._octanist_waiting):
            self._octanist_waiting.append(serializer)

    def _octanist_check(self, serializer: Any) -> None:
        """Raise a configuration error where the mapping names what is no field of what ``create`` is given.

        Other actions may have other serializers, and one that makes its own fields may have others the next time:
        there the log says so.
        """
        action, serializer = getattr(self, "action", None), getattr(serializer, "child", serializer)
        creates = action == "create" or (action is None and self.request.method == "POST")
        is_mapped = self.octanist_fields or self.octanist_exclude
        if not (creates and is_mapped and isinstance(serializer, serializers.Serializer)):
            return
        names = names_of(serializer)
        if not self._octanist_problem(names):
            return
        names |= names_of(serializer, fields=declared)
        wrong = self._octanist_problem(names)
        if wrong and makes_own_fields(serializer):
            logger.warning("Octanist: %s Where the serializer does not add it, it is skipped.", wrong)
            wrong = self._octanist_problem(names | mapped_fields(self))
        if wrong:
            raise OctanistConfigurationError(wrong)

    def _octanist_problem(self, names: Collection[str]) -> str:
        exclude = self.octanist_exclude
        if not isinstance(exclude, str):
            exclude = with_nested(exclude, names=names)
        owner = type(self).__qualname__
        return problem(self.octanist_fields, exclude=exclude, fields=names, owner=owner, of="serializer")


def _is_good(response: Any) -> bool:
    return bool(getattr(response, "status_code", 200) < 400)


def _transactions() -> int:
    """How many transactions and savepoints are open where leads are stored."""
    connection = connections[router.db_for_write(Lead)]
    return connection.in_atomic_block + len(connection.savepoint_ids)
