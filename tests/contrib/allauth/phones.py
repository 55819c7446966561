"""An account adapter that keeps phones, as allauth asks a site to write one."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter

PHONES: dict[int, tuple[str, bool]] = {}


class PhoneAdapter(DefaultAccountAdapter):
    def set_phone(self, user: Any, phone: str, verified: bool) -> None:
        PHONES[user.pk] = (phone, verified)

    def get_phone(self, user: Any) -> tuple[str, bool] | None:
        return PHONES.get(user.pk)

    def get_user_by_phone(self, phone: str) -> None:
        return None

    def send_verification_code_sms(self, user: Any, phone: str, code: str, **more: Any) -> None: ...

    def set_phone_verified(self, user: Any, phone: str) -> None:
        PHONES[user.pk] = (phone, True)
