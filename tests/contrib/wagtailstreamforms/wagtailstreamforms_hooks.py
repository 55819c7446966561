"""What a site writes, with more than the two lines that are needed."""

from __future__ import annotations

from typing import Any

from django_octanist.contrib.wagtailstreamforms import register_hook


def last_word(form_model: Any, form: Any, data: dict[str, Any]) -> dict[str, Any]:
    return {} if form.cleaned_data.get("test") else data


register_hook(
    fields={"phone": "ring-me", "name": "nick-name"}, exclude=("birthday",), account="north", get_data=last_word
)
