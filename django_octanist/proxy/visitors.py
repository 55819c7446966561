"""Who sent an event, as Octanist asks for it: by headers, since the request that it sees is the site's own."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from django.http import HttpRequest

from ..conf import UNIX_SOCKET, conf

logger = logging.getLogger("django_octanist")

Address = IPv4Address | IPv6Address

COUNTRIES = ("HTTP_CF_IPCOUNTRY", "HTTP_CLOUDFRONT_VIEWER_COUNTRY")
"""Where Cloudflare and CloudFront say the visitor's country."""
BY_CDN = ("HTTP_CF_RAY", "HTTP_CF_CONNECTING_IP", "HTTP_X_AMZ_CF_ID", "HTTP_CLOUDFRONT_VIEWER_ADDRESS", *COUNTRIES)
"""What Cloudflare and CloudFront add to a request."""
UNKNOWN_COUNTRY = "XX"
MOST_HOPS = 20

_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+").fullmatch
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")

_unknown_proxy_told = False


def address_of(request: HttpRequest) -> Address | None:
    """Return the visitor's address, or ``None`` where the request came over a Unix socket and says nothing.

    It is ``REMOTE_ADDR``, unless that is one of ``OCTANIST_TRUSTED_PROXIES``: then ``X-Forwarded-For`` is read from the
    right, past further trusted ones. Where nonsense stands there, the header does not count.
    """
    peer = _peer(request)
    if not is_trusted(peer):
        _tell_of_unknown_proxy(peer, meta=request.META)
        return peer
    found, forwarded = peer, request.META.get("HTTP_X_FORWARDED_FOR", "")
    for entry in reversed(forwarded.split(",")[-MOST_HOPS:]):
        found = _parse(entry)
        if found is None:
            return peer
        if not is_trusted(found):
            break
    return found


def is_trusted(address: Address | None) -> bool:
    """Whether ``address`` is one of the site's own proxies; ``None`` is the other end of a Unix socket."""
    if address is None:
        return UNIX_SOCKET in conf.trusted_proxies
    return any(address in network for network in conf.trusted_proxies if not isinstance(network, str))


def headers_of(request: HttpRequest, *, address: Address | None) -> dict[str, str]:
    """Return the headers, by the names that Octanist's WordPress plugin uses, that say who the visitor is."""
    meta = request.META
    said = {
        "X-Octanist-Client-IP": "" if address is None else str(address),
        "X-Octanist-Client-Country": _country(request),
        "X-Octanist-Client-UA": _line(meta.get("HTTP_USER_AGENT", ""), most=1000),
        "X-Octanist-Client-Referer": _line(meta.get("HTTP_REFERER", ""), most=2000),
        "X-Octanist-Client-Accept-Language": _line(meta.get("HTTP_ACCEPT_LANGUAGE", ""), most=200),
    }
    return {name: value for name, value in said.items() if value}


def _country(request: HttpRequest) -> str:
    """Without a proxy that is known, anybody could write the header."""
    if not is_trusted(_peer(request)):
        return ""
    for name in COUNTRIES:
        country = request.META.get(name, "").strip().upper()
        if re.fullmatch(r"[A-Z][A-Z0-9]", country) and country != UNKNOWN_COUNTRY:
            return str(country)
    return ""


def _line(value: str, *, most: int) -> str:
    """What can stand in a header, whatever the visitor's client sent."""
    return _NOT_PRINTABLE.sub("", value[:most]).strip()


def _peer(request: HttpRequest) -> Address | None:
    return _parse(request.META.get("REMOTE_ADDR", "").partition("%")[0])


def _parse(text: str) -> Address | None:
    text = text.strip()
    with_port = _WITH_PORT(text)
    try:
        address = ip_address(with_port[1] or with_port[2] if with_port else text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def _tell_of_unknown_proxy(peer: Address | None, *, meta: Mapping[str, Any]) -> None:
    """Say once that visitors stand behind a proxy: all of them would count as one."""
    global _unknown_proxy_told
    is_own = peer is None or not peer.is_global
    by_cdn = any(meta.get(name) for name in BY_CDN)
    if _unknown_proxy_told or not (by_cdn or (is_own and meta.get("HTTP_X_FORWARDED_FOR"))):
        return
    _unknown_proxy_told = True
    logger.warning(
        "Octanist: the pixel's events come through a proxy (%s) that OCTANIST_TRUSTED_PROXIES does not name: every"
        " visitor has its address. Add %s.",
        "a Unix socket" if peer is None else peer,
        # Anybody can write a CDN's header: an address that is no proxy's must not be put among the trusted ones.
        repr(UNIX_SOCKET if peer is None else str(peer)) if is_own else "the networks that your CDN publishes",
    )
