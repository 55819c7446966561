"""Django's admin: which leads arrived, which did not and why, and what to do."""

from .bulkactions import BulkActionAdmin
from .leads import LeadAdmin
from .pauses import DeliveryPauseAdmin

__all__ = ["BulkActionAdmin", "DeliveryPauseAdmin", "LeadAdmin"]
