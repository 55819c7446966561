"""What can go wrong, as types.

The texts of these exceptions hold a status, a code and a request id, and never a person's data or the API key,
so that they may be logged. What Octanist said in words is in :attr:`OctanistError.detail`, which is kept in the
lead's own row and goes nowhere else.
"""

from __future__ import annotations

import re

from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, IntegrityError, OperationalError, ProgrammingError


class OctanistConfigurationError(ImproperlyConfigured):
    """A setting or a mapping is wrong. Not an :class:`OctanistError`: what handles those must not swallow it."""


class OctanistError(Exception):
    """An exchange with Octanist did not end in a created lead.

    ``status`` is the HTTP status (``None`` where there was no answer), ``code`` the API's error code,
    ``request_id`` the API's ``meta.requestId``, ``retry_after`` seconds that the answer asked to wait.
    """

    summary = "the lead was not created"

    def __init__(
        self,
        reason: str = "",
        *,
        status: int | None = None,
        code: str = "",
        request_id: str = "",
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.code = code
        self.request_id = request_id
        self.detail = detail
        self.retry_after = retry_after

    def __str__(self) -> str:
        facts = [
            self.reason or self.summary,
            f"HTTP {self.status}" if self.status else "",
            self.code,
            f"request {self.request_id}" if self.request_id else "",
        ]
        return ", ".join(fact for fact in facts if fact)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


class TransientError(OctanistError):
    """Nothing was created, and it may well work later (never connected, 408, 425, 429)."""

    summary = "Octanist could not take the lead now"


class UncertainError(OctanistError):
    """The request left, and no answer says what became of it: the lead may exist (5xx, lost or unreadable answer)."""

    summary = "no answer says whether the lead was created"


class RejectedError(OctanistError):
    """The organisation's filtering rules turned the lead away (403): final, and not a failure."""

    summary = "the organisation's rules turned the lead away"


class InvalidLeadError(OctanistError):
    """Octanist refuses the lead's data (400, 413, 422): a person must look."""

    summary = "Octanist refuses the lead's data"


class AuthenticationError(OctanistError):
    """The API key is missing or wrong (401): it concerns every lead of the account."""

    summary = "Octanist refuses the API key"


class EndpointError(OctanistError):
    """Something else than the API answers at ``OCTANIST_API_URL`` (404, 405, 410, a redirect)."""

    summary = "what answers at OCTANIST_API_URL is not the Create Lead API"


# Incorrect string value, out of range, truncated, invalid JSON, constraint: mysqlclient raises OperationalError.
_MYSQL_DATA_ERRORS = frozenset({1264, 1265, 1366, 1406, 3140, 3819, 4025})


def is_about_data(error: BaseException) -> bool:
    """Whether a database refuses what is written for what it is, and not for the moment: it would again."""
    if isinstance(error, OperationalError):
        return bool(error.args) and error.args[0] in _MYSQL_DATA_ERRORS
    return isinstance(error, (DataError, IntegrityError))


def describe(error: BaseException) -> str:
    """Return the type of ``error``, with its first line where that cannot hold a person's data, and where it arose.

    For logs and alerts. A database's message about *data* may quote the data; one about the operation does not.
    """
    text = type(error).__name__
    if isinstance(error, (OctanistError, OctanistConfigurationError)):
        text = f"{text}: {error}"
    elif isinstance(error, (OperationalError, ProgrammingError)) and not is_about_data(error):
        text = f"{text}: {str(error).partition(chr(10))[0][:200]}"
        if re.search(r"octanist_\w+", text) and re.search(r"no such table|does not exist|doesn't exist", text):
            text = f"{text} (run manage.py migrate)"
    elif isinstance(error, ImportError):
        text = f"{text}: {error}"
    return f"{text}{_place(error)}"


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    code = trace.tb_frame.f_code
    return f" (in {code.co_name}, {code.co_filename}:{trace.tb_lineno})"
