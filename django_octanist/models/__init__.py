"""The outbox: leads, the attempts to deliver them, and the accounts whose deliveries wait.

The rows are the truth; everything else is a nudge. ``leads`` has what a visitor sent and what became of it,
``operations`` what concerns many leads at once.
"""

from .leads import DUPLICATE_CODE, HELD_CODE, UNCERTAIN_SECONDS, DeliveryAttempt, Lead, LeadQuerySet
from .operations import AlertGroup, BulkAction, DeliveryPause

__all__ = [
    "DUPLICATE_CODE",
    "HELD_CODE",
    "UNCERTAIN_SECONDS",
    "AlertGroup",
    "BulkAction",
    "DeliveryAttempt",
    "DeliveryPause",
    "Lead",
    "LeadQuerySet",
]
