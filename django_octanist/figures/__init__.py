"""How deliveries go, in figures: what the overview, ``octanist_status`` and alerts say.

Computed from the leads at most once a minute and shared through Django's cache: a replay or a prune shows a minute
later, and nothing has to be kept in step. Leads are counted in the span in which they were *captured*.
"""

from .kept import forget, read
from .shapes import AccountFigures, Day, Figures, FormFigures, Span

__all__ = ["AccountFigures", "Day", "Figures", "FormFigures", "Span", "forget", "read"]
