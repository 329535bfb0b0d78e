"""The statement of a month over what the ledger holds."""

from __future__ import annotations

from hub.settlement.statement import Claim, Month, Statement, build_statement
from hub.store.ledger import Ledger
from hub.store.tables import ClaimRow
from ocpi_modules.parties import Party


async def statement_of(ledger: Ledger, month: Month) -> Statement:
    """The statement of a month over what the ledger holds now."""
    rows = await ledger.claims(month.start, month.end)
    return build_statement(month, map(read_claim, rows))


def read_claim(row: ClaimRow) -> Claim:
    """A row of the ledger as a value."""
    return Claim(
        creditor=Party.parse(row.creditor),
        debtor=Party.parse(row.debtor),
        currency=row.currency,
        excl_vat=row.excl_vat,
        incl_vat=row.incl_vat,
        is_credit=row.is_credit,
        end_date_time=row.end_date_time,
    )
