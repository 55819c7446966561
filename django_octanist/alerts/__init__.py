"""E-mails to the site's operators: what they must hear of, without personal data.

``events`` is told what happened, ``looking`` finds what is due to be told, ``overdue`` what waits too long. ``groups``
is the memory that all processes share, ``limits`` that of this process, for when the database does not answer.
``texts`` are the words, ``links`` where they lead in the admin, ``mailing`` the thread that sends them.

Nothing here raises, and no visitor and no delivery waits for a mail server. The log has everything, once each.
"""

from .events import capture_failed, leads_lost, paused, resumed
from .limits import forget
from .looking import look, look_apart, seconds_until_told
from .mailing import finish

__all__ = [
    "capture_failed",
    "finish",
    "forget",
    "leads_lost",
    "look",
    "look_apart",
    "paused",
    "resumed",
    "seconds_until_told",
]
