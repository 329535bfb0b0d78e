"""Where settlement meets the store: the only part of it that reads and writes the database."""

from __future__ import annotations

from hub.settlement.engine.gathering import Gatherer
from hub.settlement.engine.settler import Books, Settler
from hub.settlement.engine.statements import statement_of
from hub.store.direct import Direct
from hub.store.journal import JournalBook
from hub.store.periods import Periods
from hub.store.verdicts import Verdicts
from hub.store.versions import VersionHistory

__all__ = ["Books", "Settler", "open_books", "statement_of"]


def open_books(direct: Direct) -> Books:
    """The books in a database."""
    verdicts = Verdicts(direct)
    return Books(
        verdicts=verdicts,
        periods=Periods(direct),
        journal=JournalBook(direct),
        gatherer=Gatherer(verdicts, VersionHistory(direct)),
    )
