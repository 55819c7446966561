"""What the list's search field finds: from the words in it to a condition, without a database.

Only what an index answers is looked for among all leads. Names and phones, of which a part is enough, are looked for
among the newest ones.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import reduce
from operator import and_, or_
from string import ascii_lowercase, ascii_uppercase
from uuid import UUID

from django.db.models import Expression, F, Q, Value
from django.db.models.functions import Replace
from django.db.models.lookups import Contains
from django.utils.text import smart_split, unescape_string_literal

NEWEST = 10_000
"""Leads among which names and phones are looked for."""
MOST_WORDS = 10
"""Words; who types more finds nothing, rather than leads that do not match them all."""
LEAST_START = 3
"""Characters that a word must have to be taken for an id or the start of an address."""
REQUEST = "req_"
"""With which Octanist's request ids begin (its API's documentation)."""
COMPARED_DIGITS = 8
"""The last digits of a phone number by which it is found: ``+31 6…``, ``00316…`` and ``06…`` are the same phone."""

_NOTHING = Q(pk__in=[])
_NONE: Mapping[str, Collection[int]] = {}
_SEPARATORS = " -./()"
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
_PHONE = re.compile(r"\+?[\d\s./()-]{5,}")


def request_ids(term: str) -> list[str]:
    """Return the words of ``term`` that are request ids, of whatever attempt."""
    return [word for word in _words(term.strip())[:MOST_WORDS] if word.startswith(REQUEST)]


def needs_newest(term: str) -> bool:
    """Whether a word of ``term`` is looked for among the newest leads."""
    return not all(word.startswith(REQUEST) or "@" in word[1:] or _uuid(word) for word in _words(term.strip()))


def condition(term: str, *, personal: bool, after: int, attempted: Mapping[str, Collection[int]] = _NONE) -> Q:
    """Return the condition that each word of ``term`` puts on a lead.

    ``personal``: whether names, addresses and phones are looked at, or ids only. ``after``: the key above which leads
    are among the :data:`NEWEST`. ``attempted``: the keys of leads by the request ids of their attempts.
    """
    words = _words(term.strip())
    if len(words) > MOST_WORDS:
        return _NOTHING
    return reduce(and_, (_word(word, attempted, personal=personal, after=after) for word in words), Q())


def _words(term: str) -> list[str]:
    """Split as Django's admin does, with quotes; a phone number is one word, however it is written."""
    if _PHONE.fullmatch(term):
        return [term]
    return [word for part in smart_split(term) if (word := _unquoted(part).strip())]


def _unquoted(word: str) -> str:
    return unescape_string_literal(word) if word[:1] in ("'", '"') and len(word) > 1 and word[0] == word[-1] else word


def _word(word: str, attempted: Mapping[str, Collection[int]], *, personal: bool, after: int) -> Q:
    """Few alternatives for each kind of word, so that a database sees at once which index to use."""
    if word.startswith(REQUEST):
        return Q(request_id=word) | Q(pk__in=attempted.get(word, ()))
    submission_id = _uuid(word)
    if submission_id is not None:
        return _ids(word) | Q(submission_id=submission_id)
    if not personal:
        return _ids(word)
    if "@" in word[1:]:
        return _address(word)
    if len(word) < LEAST_START:
        return _among_newest(word, after=after)
    return _ids(word) | _address(word) | _among_newest(word, after=after)


def _address(word: str) -> Q:
    """How an address begins, in small letters as the database makes them: SQLite knows ASCII's only."""
    spellings = dict.fromkeys([word.lower(), word.translate(_SMALL)])
    return reduce(or_, (Q(email_lower__startswith=spelling) for spelling in spellings))


def _uuid(word: str) -> UUID | None:
    try:
        return UUID(word)
    except ValueError:
        return None


def _ids(word: str) -> Q:
    return Q(octanist_id=word) | Q(request_id=word)


def _among_newest(word: str, *, after: int) -> Q:
    """Whose name has ``word`` in it, or whose phone its digits; or whose address, where it starts with an ``@``."""
    found = [Q(name__icontains=word)]
    if word.startswith("@"):
        found.append(Q(email_lower__contains=word.lower()))
    digits = "".join(filter(str.isdigit, word)).lstrip("0") if _is_number(word) else ""
    if digits:
        found.append(Q(Contains(_digits_of_phone(), Value(digits[-COMPARED_DIGITS:]))))
    return Q(pk__gt=after) & reduce(or_, found)


def _is_number(word: str) -> bool:
    return re.fullmatch(r"\+?[\d\s./()-]+", word, re.ASCII) is not None


def _digits_of_phone() -> Expression | F:
    """The phone without what people put between its digits."""
    return reduce(lambda text, sign: Replace(text, Value(sign), Value("")), _SEPARATORS, F("phone"))  # type: ignore[arg-type,return-value]
