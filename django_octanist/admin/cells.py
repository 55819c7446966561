"""What tables on the overview are made of, and where their numbers lead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode


@dataclass(frozen=True)
class Cell:
    """What stands in a table, and where it leads, if anywhere."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Row:
    """A line of a table; ``name`` is a status, or empty."""

    label: str
    cells: tuple[Cell, ...]
    name: str = ""


@dataclass(frozen=True)
class Links:
    """Addresses of the list of leads, at ``base``."""

    base: str

    def to(self, *, account: str, status: str = "", form: str | None = None, since: datetime | None = None) -> str:
        """Return the address of the leads of ``account``: with ``status``, of ``form``, captured after ``since``."""
        filters = {"account": account}
        if status:
            filters["status__exact"] = status
        if form is not None:
            filters["form"] = form
        if since is not None:
            filters["created_at__gte"] = since.isoformat(timespec="seconds")
        return f"{self.base}?{urlencode(filters)}"
