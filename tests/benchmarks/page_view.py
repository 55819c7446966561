"""What a page view costs: this app's middleware beside django-utm-tracker's, each over an empty middleware.

Each figure is the time that the middleware adds to a page view: the median of the runs, of 20,000 page views each,
with requests and responses made beforehand, in batches. The runs of all candidates take turns.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any

from django.contrib.sessions.middleware import SessionMiddleware
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from utm_tracker.middleware import UtmSessionMiddleware

from django_octanist.middleware import OctanistMiddleware

RUNS = 7
QUICK_RUNS = 1
PAGE_VIEWS = 20_000
BATCH = 500

UNTAGGED = "/"
TAGGED = "/?utm_source=google&utm_medium=cpc&utm_campaign=roofs&gclid=CjwKCAjw7pKFBhAuEiwAqIhV1u2Xm5n0Zx3yQ9s8r7p6"
GRANTED = "CookieConsent={stamp:%27x%27%2Cstatistics:true%2Cmarketing:true%2Cmethod:%27explicit%27}"

Middleware = Callable[[HttpRequest], Any]
Make = Callable[[Callable[[HttpRequest], HttpResponse]], Middleware]


class Empty:
    """A middleware that does nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


class StubSession(dict[str, Any]):
    """The least that the peer asks of a session."""

    modified = False


def peer_over_stub(get_response: Callable[[HttpRequest], HttpResponse]) -> Middleware:
    return UtmSessionMiddleware(get_response)  # type: ignore[no-any-return]


def peer_over_signed_cookie(get_response: Callable[[HttpRequest], HttpResponse]) -> Middleware:
    return SessionMiddleware(UtmSessionMiddleware(get_response))


CANDIDATES: dict[str, Make] = {
    "empty": Empty,
    "django-octanist": OctanistMiddleware,
    "django-utm-tracker, stub session": peer_over_stub,
    "django-utm-tracker, signed-cookie session": peer_over_signed_cookie,
}


def main(*, quick: bool = False) -> None:
    """Measure and print the table."""
    runs = QUICK_RUNS if quick else RUNS
    for title, url, cookies in [("untagged", UNTAGGED, ""), ("tagged, remembered", TAGGED, GRANTED)]:
        seconds = measure(url, cookies=cookies, runs=runs)
        added = {name: median(runs) - median(seconds["empty"]) for name, runs in seconds.items() if name != "empty"}
        own = added["django-octanist"]
        print(f"\n{title} page view ({runs} runs of {PAGE_VIEWS:,}; added to an empty middleware's)")
        for name, value in added.items():
            ratio = f"{own / value:5.2f} of it is ours" if name != "django-octanist" else ""
            print(f"  {name:44} {value / PAGE_VIEWS * 1e6:7.2f} µs  {ratio}")
    print(f"\nqueries of 1,000 tagged page views: {queries(TAGGED, cookies=GRANTED)}")


def measure(url: str, *, cookies: str, runs: int) -> dict[str, list[float]]:
    """Return each candidate's seconds for all page views, run by run."""
    seconds: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for _run in range(runs):
        for name, make in CANDIDATES.items():
            seconds[name].append(run(make, url, cookies=cookies))
    return seconds


def run(make: Make, url: str, *, cookies: str, page_views: int = PAGE_VIEWS) -> float:
    """Return the seconds for ``page_views``, made in batches so that they are in the cache, as a server's are."""
    responses: list[HttpResponse] = []
    middleware = make(lambda _request: responses.pop())
    seconds = 0.0
    for _batch in range(page_views // BATCH):
        requests = list(made(url, cookies=cookies, count=BATCH))
        responses += [HttpResponse() for _page in range(BATCH)]
        with steady():
            start = perf_counter()
            for request in requests:
                middleware(request)
            seconds += perf_counter() - start
    return seconds


def made(url: str, *, cookies: str, count: int) -> Iterator[HttpRequest]:
    factory = RequestFactory(headers={"Cookie": cookies, "Referer": "http://testserver/roofs/"})
    for _page in range(count):
        request = factory.get(url)
        request.session = StubSession()  # type: ignore[assignment]
        yield request


@contextmanager
def steady() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def queries(url: str, *, cookies: str) -> int:
    """Return how many queries the app's middleware makes for 1,000 page views."""
    count = 0

    def counting(execute: Any, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        return execute(*arguments)

    with connection.execute_wrapper(counting), override_settings(OCTANIST_DISPATCH="manual"):
        run(OctanistMiddleware, url, cookies=cookies, page_views=1000)
    return count
