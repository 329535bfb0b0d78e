"""A hub with the small world of settlement in its database, and a month that is billed: what the desks of settlement work on."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from hub.settlement.engine.records import entry_lines
from hub.settlement.journal import billed
from hub.settlement.netting import Amount, Pair
from hub.store.database import Database
from ocpi_modules.parties import Party
from tests.conftest import World
from tests.settlement.test_settler import House

BILLED_AT = datetime.fromisoformat("2026-11-05T18:00:00Z")


class Office(House):
    """The house behind a hub that runs: its own settler is used, that of the hub sleeps."""

    def __init__(self, world: World) -> None:
        super().__init__(Database(world.database_url))
        self.http = world.admin

    async def post(self, path: str, status: int, **content: Any) -> Any:
        """The answer to a request, which has a status."""
        answer = await self.http.post(f"/settlement{path}", json=content)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, path: str, status: int = 200) -> Any:
        answer = await self.http.get(f"/settlement{path}")
        assert answer.status_code == status, answer.text
        return answer.json()

    async def bill(self, cdr_id: str, at: datetime | None = None) -> None:
        """Put a CDR on an advised statement of its own, with the entry that goes with it."""
        at = at or datetime.now(BILLED_AT.tzinfo)
        ((creditor, key, debtor, period, currency, excl, incl),) = await self.rows(
            "select creditor, cdr_key, debtor, period, currency, excl_vat, incl_vat from verdict "
            f"where cdr_id = '{cdr_id}' and disposition = 'SETTLE'"
        )
        statement = f"{period}_{key}"
        async with self.database.direct.transaction() as connection:
            await connection.execute("update period set state = 'advised' where id = $1 and state = 'open'", period)
            await connection.execute(
                "insert into settlement_statement (id, period, creditor, debtor, currency, draft, state, excl_vat, "
                "incl_vat, cdrs, credits, fees, adjustments, kept_out, energy, digest, kept_out_digest, made_at) "
                "values ($1, $2, $3, $4, $5, $7, 'draft', $6, $8, 1, 0, 0, 0, 0, 0, '', '', $9)",
                *(statement, period, creditor, debtor, currency, excl, sum(key.encode()), incl, at),
            )
            await connection.execute(
                "insert into statement_line (statement, line, kind, cdr_creditor, cdr_key, excl_vat, incl_vat) "
                "values ($1, 1, 'cdr', $2, $3, $4, $5)",
                *(statement, creditor, key, excl, incl),
            )
            await connection.execute("update settlement_statement set state = 'advised' where id = $1", statement)
            await connection.execute(
                "update verdict set statement = $1 where creditor = $2 and cdr_key = $3", statement, creditor, key
            )
        pair = Pair(Party.parse(creditor), Party.parse(debtor), currency)
        entry = billed(statement, pair, Amount(excl, incl), period)
        await self.books.journal.write([entry_lines(entry)], at)

    async def accounts(self, party: Party) -> dict[str, Decimal]:
        """What the accounts of a party hold, over all periods, without VAT: positive is owed by it."""
        sums: dict[str, Decimal] = {}
        for line in await self.books.journal.balances():
            if line.party == str(party):
                sums[line.kind] = sums.get(line.kind, Decimal(0)) + line.excl_vat
        return {kind: amount for kind, amount in sums.items() if amount}

    async def close(self) -> None:
        await self.copies.close()
        await self.database.close()


async def listed(office: Office, path: str) -> Any:
    """The items on the only page of a list."""
    page = await office.get(path)
    assert page["next"] is None
    return page["items"]
