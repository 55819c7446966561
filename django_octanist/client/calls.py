"""One call of Octanist's API: the key, and the deadline that the settings give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..conf import conf
from ..exchanges import MAX_ANSWER, send
from .answers import Answer


def call(
    method: str,
    path: str,
    *,
    account: str,
    json: Any = None,
    params: Mapping[str, str] | None = None,
    idempotency_key: str = "",
    cap: int = MAX_ANSWER,
    seconds: float | None = None,
    until: float = math.inf,
) -> Answer:
    """Send one request to ``path`` with the key of ``account``; read at most ``cap`` bytes of the answer.

    It may take ``seconds`` in all (``None``: ``OCTANIST_TIMEOUT``), and not beyond ``until``. Raises what
    :func:`django_octanist.exchanges.send` does.
    """
    url = conf.api_url
    headers = {"X-API-KEY": conf.api_key(account)}
    if idempotency_key:
        headers["Idempotency-Key"] = idempotency_key
    answer = send(
        method,
        url + path,
        base=url,
        headers=headers,
        seconds=conf.timeout if seconds is None else seconds,
        json=json,
        params=params,
        cap=cap,
        until=until,
    )
    return Answer(status=answer.status, headers=answer.headers, text=answer.text, whole=answer.whole)
