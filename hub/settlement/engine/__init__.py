"""Where settlement meets the store: the only part of it that reads and writes the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hub.clock import Clock, SystemClock
from hub.settlement.agreements import Agreements
from hub.settlement.engine.closing import Closing, Signer
from hub.settlement.engine.feelook import FeeCheck, FeeLook
from hub.settlement.engine.gathering import Gatherer, Seen
from hub.settlement.engine.profiles import ProfileBook
from hub.settlement.engine.settler import Books, Settler
from hub.settlement.engine.statements import statement_of
from hub.settlement.engine.terms import TermsBook
from hub.settlement.engine.views import ViewShelf
from hub.store.agreements import AgreementBook
from hub.store.billedfees import FeeBook
from hub.store.closing import ClosingBook
from hub.store.decisions import Decisions
from hub.store.direct import Direct
from hub.store.journal import JournalBook
from hub.store.meterkeys import MeterKeys
from hub.store.periods import Periods
from hub.store.permits import PermitBook
from hub.store.profiles import ProfileTable
from hub.store.statements import Statements
from hub.store.traces import Traces
from hub.store.verdicts import Verdicts
from hub.store.versions import VersionHistory
from hub.store.views import EmspViews

__all__ = ["Books", "Closing", "Settler", "open_books", "open_closing", "open_fee_check", "statement_of"]


def open_books(direct: Direct, clock: Clock | None = None) -> Books:
    """The books in a database."""
    verdicts, now = Verdicts(direct), clock or SystemClock()
    return Books(
        verdicts=verdicts,
        decisions=Decisions(direct),
        periods=Periods(direct),
        journal=JournalBook(direct),
        gatherer=Gatherer(
            verdicts,
            VersionHistory(direct),
            MeterKeys(direct),
            Seen(PermitBook(direct), Traces(direct), ViewShelf(EmspViews(direct))),
        ),
        terms=TermsBook(AgreementBook(direct), now, ProfileBook(ProfileTable(direct), now)),
    )


def open_closing(
    direct: Direct, clock: Clock, agreements: Callable[[], Awaitable[Agreements]], signer: Signer
) -> Closing:
    """Who closes periods in a database; `agreements` gives those that are in force."""
    fees = FeeLook(open_fee_check(direct, clock, agreements), every_seconds=0)
    return Closing((ClosingBook(direct), Statements(direct)), clock, fees, signer)


def open_fee_check(direct: Direct, clock: Clock, agreements: Callable[[], Awaitable[Agreements]]) -> FeeCheck:
    """What computes the fees in a database again."""
    return FeeCheck((FeeBook(direct), Verdicts(direct)), clock, agreements)
