"""The last error of a lead in a short sentence, for people who know no codes."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..exceptions import (
    AuthenticationError,
    EndpointError,
    InvalidLeadError,
    RejectedError,
    TransientError,
    UncertainError,
)
from ..models import DUPLICATE_CODE, HELD_CODE, Lead

_KEY = _("The API key was refused.")
_DATA = _("Octanist refused the data.")
_RULES = _("Turned away by Octanist's filtering rules.")
_NOT_THE_API = _("Something else than the API answered.")
_NO_ANSWER = _("No full answer came.")

BY_CODE: dict[str, Promise] = {
    "UNAUTHORIZED": _KEY,
    "VALIDATION_ERROR": _DATA,
    "FORBIDDEN": _RULES,
    "INTERNAL_ERROR": _("Octanist had an error."),
    "NOT_FOUND": _NOT_THE_API,
    "METHOD_NOT_ALLOWED": _NOT_THE_API,
    "CONFLICT": _("Octanist reported a conflict."),
    HELD_CODE: _("An answer was lost: a person must decide."),
    DUPLICATE_CODE: _("The same was sent twice; another lead stands for it."),
}
BY_TEXT: dict[str, Promise] = {
    "no connection": _("Octanist could not be reached."),
    "no full answer": _NO_ANSWER,
    AuthenticationError.summary: _KEY,
    InvalidLeadError.summary: _DATA,
    RejectedError.summary: _RULES,
    EndpointError.summary: _NOT_THE_API,
    TransientError.summary: _("Octanist asked to come later."),
    UncertainError.summary: _NO_ANSWER,
}
"""By how the texts begin that this app itself writes where an answer brings no code."""

_OWN_WORDS = tuple(
    kind.summary
    for kind in (
        TransientError,
        UncertainError,
        RejectedError,
        InvalidLeadError,
        AuthenticationError,
        EndpointError,
    )
)


def said(error: str) -> str:
    """Return what Octanist said, where it stands behind this app's own words; else ``error`` as it is."""
    own, mark, rest = error.partition(": ")
    return rest if mark and own in _OWN_WORDS else error


def error_in_words(lead: Lead) -> str:
    """Return a sentence; the code, where there is none for it; ``""`` where nothing went wrong. Never personal data."""
    if lead.error_code:
        return str(BY_CODE.get(lead.error_code, lead.error_code))
    known = (words for start, words in BY_TEXT.items() if lead.error.startswith(start))
    return str(next(known, _("It did not work.") if lead.error else ""))
