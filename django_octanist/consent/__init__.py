"""What a visitor consented to, as far as the server can know.

``words`` has the four fields and what is posted with a form, ``readers`` the consent platforms' cookies, ``tcf`` the
IAB's consent strings. Unknown is never granted.
"""

from .stored import read_stored
from .words import GRANTING_WORDS, Consent, merge, read_posted, read_word

__all__ = ["GRANTING_WORDS", "Consent", "merge", "read_posted", "read_stored", "read_word"]
