"""Django's admin: which leads arrived, which did not and why, and what to do."""

from .leads import LeadAdmin
from .pauses import DeliveryPauseAdmin

__all__ = ["DeliveryPauseAdmin", "LeadAdmin"]
