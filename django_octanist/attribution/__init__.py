"""Where a visitor came from: session, page, UTM parameters, click IDs, browser IDs and consent of a request.

A module each: ``session``, ``query``, ``cookies`` (the ad platforms' own) and ``remembered`` (the app's) read one
source; ``merge`` says which wins, ``source`` puts it in one word, ``names`` says what hides in a form; ``visit`` is the
class behind ``request.octanist``.
Nothing is read before it is asked for, so that a page view costs nothing; and whatever arrives in a cookie, a query, a
header or a body, nothing here raises: the field is absent.
"""

from .found import NOTHING, Found
from .names import is_campaign_name
from .query import MAX_QUERY, parse_query
from .session import REFUSED, first_session_id, form_session_id, nested_session_id, read_session_id
from .source import source_word
from .visit import Visit, current_visit, visit_of

__all__ = [
    "MAX_QUERY",
    "NOTHING",
    "REFUSED",
    "Found",
    "Visit",
    "current_visit",
    "first_session_id",
    "form_session_id",
    "is_campaign_name",
    "nested_session_id",
    "parse_query",
    "read_session_id",
    "source_word",
    "visit_of",
]
