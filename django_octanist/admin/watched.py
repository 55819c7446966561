"""What the admin's classes share: rows that are looked at and acted on."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from ..masking import MASKED, PLAIN, Sight


class Watched:
    """What is looked at and acted on; not added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether the user may send leads again, cancel them and end pauses (``octanist.replay_lead``)."""
        return request.user.has_perm("octanist.replay_lead")

    def has_erase_permission(self, request: HttpRequest) -> bool:
        """Whether the user may erase what leads say of a person (``octanist.erase_lead``)."""
        return request.user.has_perm("octanist.erase_lead")

    def has_personal_permission(self, request: HttpRequest) -> bool:
        """Whether the user may see contacts and free text (``octanist.view_lead_personal_data``), not only masks."""
        return request.user.has_perm("octanist.view_lead_personal_data")

    def sight(self, request: HttpRequest) -> Sight:
        """How personal data is shown to the user: as it is, or masked."""
        return PLAIN if self.has_personal_permission(request) else MASKED
