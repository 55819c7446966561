"""What the admin's pages cost with a million leads, beside what they cost with ten thousand.

Both databases are filled alike (see ``realistic``), and asked by turns in one process: Django's test client, logged in
as an operator with all permissions, warm. The figures are medians; each page must not take more than 1.5 times as long,
and must make the same number of queries, at most 12.
"""

from __future__ import annotations

from .contenders import Figures, run
from .delivery import verdict
from .realistic import ATTEMPTS, columns
from .throwaway import Database, UnavailableError, database

FEW, MANY = 10_000, 1_000_000
QUICK_FEW, QUICK_MANY = 10_000, 100_000
REQUESTS, QUICK_REQUESTS = 15, 5
MOST_GROWTH = 1.5
MOST_QUERIES = 12
LIMIT_SECONDS = 900.0


def main(*, quick: bool = False) -> None:
    """Measure and print the table."""
    few, many, requests = (QUICK_FEW, QUICK_MANY, QUICK_REQUESTS) if quick else (FEW, MANY, REQUESTS)
    try:
        with database() as small, database() as large:
            for filled, leads in ((small, few), (large, many)):
                fill(filled, leads)
            print(f"\nadmin: medians of {requests} requests in ms; PostgreSQL {small.version}\n")
            found = run("admin", database=small.url, full_database=large.url, limit=LIMIT_SECONDS, leads=requests)
            show(found, few=few, many=many)
    except UnavailableError as reason:
        print(f"\nadmin: skipped, {reason}")


def fill(filled: Database, leads: int) -> None:
    """Hold ``leads`` and half as many attempts more."""
    filled.empty()
    filled.add(leads, columns(leads))
    filled.execute(ATTEMPTS, "VACUUM ANALYZE octanist_deliveryattempt", "VACUUM ANALYZE octanist_lead")


def show(found: Figures, *, few: int, many: int) -> None:
    print(f"{'':44} {few:>10,} {many:>10,} {'ratio':>6}  {'queries':>7}")
    for page in dict.fromkeys(key.partition(":")[0] for key in found):
        if f"{page}:missing" in found:
            print(f"{page:44} skipped: there is no such page")
            continue
        small, large = found[f"{page}:few"], found[f"{page}:many"]
        queries = (found[f"{page}:few queries"], found[f"{page}:many queries"])
        ratio = large / small
        shown = "/".join(f"{number:.0f}" for number in dict.fromkeys(queries))
        fits = ratio <= MOST_GROWTH and len(set(queries)) == 1 and queries[0] <= MOST_QUERIES
        print(f"{page:44} {small:10.1f} {large:10.1f} {ratio:6.2f}  {shown:>7}  {verdict(fits)}")
