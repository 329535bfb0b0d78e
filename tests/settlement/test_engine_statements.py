"""The statement of what stands in the ledger: through the real database, where amounts must keep every digit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hub.demo.world import read_casts, read_expected, read_objects
from hub.settlement.engine import statement_of
from hub.settlement.statement import Month, Pair, Totals
from hub.store.changes import claim_of
from hub.store.database import Database
from hub.store.ledger import Ledger
from hub.store.tables import ClaimRow
from ocpi_modules.parties import Party

OCTOBER = Month(2026, 10)
ACCEPTED = datetime(2026, 11, 1, 8, tzinfo=UTC)


async def keep(database: Database, *rows: ClaimRow) -> None:
    async with database.transaction() as session:
        session.add_all(rows)


def row(cdr_key: str, **changes: Any) -> ClaimRow:
    values: dict[str, Any] = {
        "creditor": "DE/VST",
        "cdr_key": cdr_key,
        "cdr_id": cdr_key,
        "debtor": "NL/GRP",
        "currency": "EUR",
        "excl_vat": Decimal(1),
        "incl_vat": None,
        "is_credit": False,
        "end_date_time": datetime(2026, 10, 15, tzinfo=UTC),
        "accepted_at": ACCEPTED,
    }
    return ClaimRow(**values | changes)


async def test_amounts_come_out_of_the_database_with_every_digit(database: Database) -> None:
    """Y-07."""
    digits = Decimal("999999999999999.999999999999999")
    await keep(database, row("A", excl_vat=digits, incl_vat=digits), row("B", excl_vat=Decimal("1E-15")))
    (only,) = (await statement_of(Ledger(database), OCTOBER)).rows
    assert only.pair == Pair(Party("DE", "VST"), Party("NL", "GRP"), "EUR")
    assert only.totals == Totals(2, 0, Decimal(10**15), digits, 1)


@pytest.mark.parametrize(
    ("end", "counted"),
    [
        pytest.param(datetime(2026, 10, 1, tzinfo=UTC), 1, id="the first moment"),
        pytest.param(datetime(2026, 9, 30, 23, 59, 59, 999_000, tzinfo=UTC), 0, id="the last of September"),
        pytest.param(datetime(2026, 11, 1, tzinfo=UTC), 0, id="the first of November"),
    ],
)
async def test_only_the_month_is_read(database: Database, end: datetime, counted: int) -> None:
    await keep(database, row("A", end_date_time=end))
    assert len((await statement_of(Ledger(database), OCTOBER)).rows) == counted


def row_of(cdr: dict[str, Any]) -> ClaimRow:
    """The claim of a CDR, as it is kept when the hub accepts it."""
    claim = claim_of(cdr)
    assert claim is not None
    return row(
        cdr["id"].upper(),
        cdr_id=claim.cdr_id,
        creditor=str(Party.of(cdr["country_code"], cdr["party_id"])),
        debtor=str(Party.of(cdr["cdr_token"]["country_code"], cdr["cdr_token"]["party_id"])),
        currency=claim.currency,
        excl_vat=claim.excl_vat,
        incl_vat=claim.incl_vat,
        is_credit=claim.is_credit,
        end_date_time=claim.end_date_time,
    )


async def test_the_october_of_the_world_comes_to_what_stands_beside_it(database: Database) -> None:
    """CD-06, CD-12: every row to the last digit, credits and CDRs without `incl_vat` included."""
    parties = [party for cast in read_casts() for party in cast.parties]
    await keep(database, *(row_of(cdr) for party in parties for cdr in read_objects(party, "cdrs")))
    statement = await statement_of(Ledger(database), OCTOBER)
    expected = [
        {
            "creditor": str(row.pair.creditor),
            "debtor": str(row.pair.debtor),
            "currency": row.pair.currency,
            "cdrs": row.totals.cdrs,
            "of_which_credits": row.totals.credits,
            "of_which_state_incl_vat": row.totals.cdrs - row.totals.cdrs_without_incl_vat,
            "total_excl_vat": row.totals.excl_vat,
            "total_incl_vat": row.totals.incl_vat,
        }
        for row in statement.rows
    ]
    assert expected == read_expected()
    assert sum(net.excl_vat for net in statement.net) == sum(net.incl_vat for net in statement.net) == 0
