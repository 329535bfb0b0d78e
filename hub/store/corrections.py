"""What corrects bills: adjustment pairs and write-offs as rows, and credits with the CDRs that they credit and that replace them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.store.direct import Connection, Direct, Record
from hub.store.journal import EntryLines, write_entries
from hub.store.verdicts import Name

REPLACED_WITHIN_DAYS = 7  # J04

Fits = Callable[[Decimal, Decimal], bool]
"""Whether an amount still fits, given what others take of the same bill, without and with VAT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAdjustment:
    """An adjustment, a corrected fee or a write-off; the fields are those of `AdjustmentRow`. `id` is None until it is kept."""

    id: int | None = None
    kind: str
    owner: str
    creditor: str
    debtor: str
    cdr_key: str
    cdr_id: str
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal
    reason: str
    note: str
    state: str
    proposed_by: str
    proposed_for: str
    proposed_at: datetime
    answered_by: str = ""
    answered_at: datetime | None = None
    dispute: int | None = None
    period: str | None = None
    statement: str | None = None
    reverses: int | None = None

    @property
    def name(self) -> Name:
        """The CDR that it corrects."""
        return (self.owner, self.cdr_key)


@dataclass(frozen=True, slots=True)
class Superseded:
    """A correction whose CDR a credit was sent for (`credit_id`): `is_credited` while that settles.

    `turns` is how often it was taken back, or put back, so far.
    """

    kept: KeptAdjustment
    credit_id: str
    is_credited: bool
    turns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentQuery:
    """Which adjustments, by number; None is any."""

    kind: str | None = None
    creditor: str | None = None
    debtor: str | None = None
    state: str | None = None
    period: str | None = None
    after: int = 0
    most: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A credit, the CDR that it credits, and the one that replaces that (empty, and no amounts, where none came)."""

    creditor: str
    debtor: str
    currency: str
    session_key: str | None
    original: str
    original_key: str
    original_period: str
    original_disposition: str
    original_excl_vat: Decimal
    original_incl_vat: Decimal | None
    credit: str
    credit_key: str
    credit_period: str
    credit_disposition: str
    credit_excl_vat: Decimal
    credit_incl_vat: Decimal | None
    replacement: str | None
    replacement_period: str | None
    replacement_disposition: str | None
    replacement_excl_vat: Decimal | None
    replacement_incl_vat: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionQuery:
    """Which corrections, by creditor and credit; `period` is that of the credit."""

    creditor: str | None = None
    debtor: str | None = None
    period: str | None = None
    after: Name = ("", "")
    most: int = 100


class Corrections:
    """The table of adjustments, and the chains of credits."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def propose(self, kept: KeptAdjustment, fits: Fits) -> int | None:
        """Keep a proposal and give it its number; None where its amount does not fit beside the others about the same CDR."""
        async with self._direct.transaction() as connection:
            if not fits(*await taken(connection, kept.name)):
                return None
            return (await add_adjustments(connection, [kept]))[0]

    async def propose_fee(self, kept: KeptAdjustment, seen: Sequence[int]) -> int | None:
        """Keep a proposal that corrects a fee; None where other ones than those that were `seen` correct it meanwhile."""
        async with self._direct.transaction() as connection:
            await _hold(connection, kept.name)
            if _ids(await connection.fetch(_OF_FEE, *_fee_name(kept))) != [*seen]:
                return None
            return (await add_adjustments(connection, [kept]))[0]

    async def of_fee(self, kept: KeptAdjustment) -> list[tuple[int, str]]:
        """What corrects the same fee and was not refused: number and state, by number."""
        return [(row["id"], row["state"]) for row in await self._direct.fetch(_OF_FEE, *_fee_name(kept))]

    async def answer(self, kept: KeptAdjustment, entries: Sequence[EntryLines], now: datetime) -> bool:
        """Keep what became of a proposal; False where somebody else answered it already, or its period went on meanwhile."""
        async with self._direct.transaction() as connection:
            if kept.period is not None and not await _takes(connection, kept):
                return False
            values = (kept.id, kept.state, kept.answered_by, kept.answered_at, kept.period)
            changed = await connection.fetch(_ANSWER, *values)
            if changed:
                await write_entries(connection, entries, now)
            return bool(changed)

    async def superseded(self, most: int) -> list[Superseded]:
        """Corrections that do not fit with a credit of their CDR: they stand beside one, or were taken back for one that is held."""
        return [_superseded(row) for row in await self._direct.fetch(_SUPERSEDED, most)]

    async def turn(
        self, found: Superseded, kept: KeptAdjustment, entry_of: Callable[[int], EntryLines], now: datetime
    ) -> bool:
        """Keep that a correction is taken back, or put back; False where somebody else did, or its period went on meanwhile."""
        async with self._direct.transaction() as connection:
            (row,) = await connection.fetch(_TURNS, found.kept.id)
            if row["turns"] != found.turns or not await _takes(connection, kept):
                return False
            (number,) = await add_adjustments(connection, [kept])
            await write_entries(connection, [entry_of(number)], now)
            return True

    async def one(self, adjustment: int) -> KeptAdjustment | None:
        """One adjustment."""
        rows = await self._direct.fetch(f"{_SELECT} where id = $1", adjustment)
        return _kept(rows)[0] if rows else None

    async def page(self, query: AdjustmentQuery) -> list[KeptAdjustment]:
        """Adjustments by number."""
        wanted = (query.kind, query.creditor, query.debtor, query.state, query.period)
        return _kept(await self._direct.fetch(_PAGE, *wanted, query.after, query.most))

    async def chains(self, query: CorrectionQuery) -> list[Correction]:
        """Credits with what they credit and what replaces it (J04)."""
        wanted = (query.creditor, query.debtor, query.period, *query.after, query.most, REPLACED_WITHIN_DAYS)
        return [Correction(**dict(row)) for row in await self._direct.fetch(_CHAINS, *wanted)]


async def add_adjustments(connection: Connection, adjustments: Sequence[KeptAdjustment]) -> list[int]:
    """Keep adjustments on a connection that has a transaction; returns their numbers."""
    numbers = []
    for one in adjustments:
        (row,) = await connection.fetch(_ADD, *(getattr(one, name) for name in _OWN))
        numbers.append(int(row["id"]))
    return numbers


async def _takes(connection: Connection, kept: KeptAdjustment) -> bool:
    """Whether the period of a correction takes it; it stays so until the transaction ends."""
    return bool(await connection.fetch(_TAKES_ENTRIES, kept.period, list(_TAKEN_IN[kept.kind])))


async def taken(connection: Connection, name: Name) -> tuple[Decimal, Decimal]:
    """What is taken of the bill for a CDR: by disputes that are open or were won, adjustments in the debtor's favour, and write-offs.

    Until the transaction ends nobody else can take anything of it.
    """
    await _hold(connection, name)
    (row,) = await connection.fetch(_TAKEN, *name)
    return row["excl_vat"], row["incl_vat"]


async def _hold(connection: Connection, name: Name) -> None:
    await connection.execute("select 1 from verdict where creditor = $1 and cdr_key = $2 for update", *name)


def _fee_name(kept: KeptAdjustment) -> tuple[str, ...]:
    return (kept.owner, kept.cdr_key, kept.creditor, kept.debtor, kept.currency)


def _ids(rows: Sequence[Record]) -> list[int]:
    return [row["id"] for row in rows]


_COLUMNS = tuple(KeptAdjustment.__dataclass_fields__)
_OWN = tuple(name for name in _COLUMNS if name != "id")
_SELECT = f"select {', '.join(_COLUMNS)} from adjustment"

_ADD = f"insert into adjustment ({', '.join(_OWN)}) values ({', '.join(f'${n}' for n, _ in enumerate(_OWN, 1))}) returning id"
# an adjustment is to stand on a statement that is not made yet, a write-off is about one that is advised and not netted
_TAKEN_IN = {"adjustment": ("open",), "fee": ("open",), "write_off": ("cut_off", "advised")}
_TAKES_ENTRIES = "select 1 from period where id = $1 and state = any($2::text[]) for share"
_ANSWER = (
    "update adjustment set state = $2, answered_by = $3, answered_at = $4, period = $5 "
    "where id = $1 and state = 'proposed' returning id"
)
# adjustments that come out of disputes are counted with those
_TAKEN = (
    "select coalesce(sum(excl_vat), 0) as excl_vat, coalesce(sum(incl_vat), 0) as incl_vat from ("
    "select excl_vat, incl_vat from dispute "
    "where creditor = $1 and cdr_key = $2 and state <> 'refused' and yielded <> 'debtor' "
    "union all select excl_vat, incl_vat from adjustment "
    "where creditor = $1 and cdr_key = $2 and state <> 'refused' and kind = 'write_off' "
    "union all select greatest(-excl_vat, 0), greatest(-incl_vat, 0) from adjustment "
    "where creditor = $1 and cdr_key = $2 and state <> 'refused' and kind = 'adjustment' and dispute is null and reverses is null) t"
)
_OF_FEE = (
    "select id, state from adjustment where owner = $1 and cdr_key = $2 and creditor = $3 and debtor = $4 and currency = $5 "
    "and kind = 'fee' and state <> 'refused' order by id"
)
_PAGE = (
    f"{_SELECT} where ($1::text is null or kind = $1) and ($2::text is null or creditor = $2) "
    "and ($3::text is null or debtor = $3) and ($4::text is null or state = $4) and ($5::text is null or period = $5) "
    "and id > $6 order by id limit $7"
)
# the original is asked for one by one: a join would be thought so rare that all credits are read before the first is shown
_CHAINS = (
    "select c.creditor, c.debtor, c.currency, o.session_key, o.cdr_id as original, o.cdr_key as original_key, "
    "o.period as original_period, o.disposition as original_disposition, "
    "o.excl_vat as original_excl_vat, o.incl_vat as original_incl_vat, c.cdr_id as credit, "
    "c.cdr_key as credit_key, c.period as credit_period, c.disposition as credit_disposition, "
    "c.excl_vat as credit_excl_vat, c.incl_vat as credit_incl_vat, r.cdr_id as replacement, "
    "r.period as replacement_period, r.disposition as replacement_disposition, r.excl_vat as replacement_excl_vat, "
    "r.incl_vat as replacement_incl_vat from (select * from verdict c "
    "where c.credit_of is not null and ($1::text is null or c.creditor = $1) and ($2::text is null or c.debtor = $2) "
    "and ($3::text is null or c.period = $3) and (c.creditor, c.cdr_key) > ($4::text, $5::text) "
    "and (select true from verdict o where o.creditor = c.creditor and o.cdr_key = c.credit_of limit 1) "
    "order by c.creditor, c.cdr_key limit $6) c "
    "join verdict o on o.creditor = c.creditor and o.cdr_key = c.credit_of "
    "left join lateral (select * from verdict n where n.creditor = o.creditor and n.session_key = o.session_key "
    "and not n.is_credit and n.cdr_key <> o.cdr_key and n.received_at >= o.received_at "
    "and n.received_at <= c.received_at + make_interval(days => $7) "
    "and not exists (select 1 from verdict x where x.creditor = n.creditor and x.credit_of = n.cdr_key) "
    "order by n.received_at, n.cdr_key limit 1) r on true "
    "order by c.creditor, c.cdr_key"
)


# a credit gives back the fees that are agreed: what corrects the fees of its CDR stays as it is
_SUPERSEDED = (
    "select * from (select a.*, c.credit_id, c.is_credited, "
    "(select count(*) from adjustment r where r.reverses = a.id) as turns from adjustment a cross join lateral ("
    "select (array_agg(c.cdr_id order by c.disposition <> 'SETTLE', c.received_at, c.cdr_key))[1] as credit_id, "
    "bool_or(c.disposition = 'SETTLE') as is_credited from verdict c "
    "where c.creditor = a.creditor and c.credit_of = a.cdr_key and c.is_credit) c "
    "where a.state = 'agreed' and a.reverses is null and a.kind <> 'fee' and c.credit_id is not null) s "
    "where is_credited <> (turns % 2 = 1) order by id limit $1"
)
_TURNS = (
    "select (select count(*) from adjustment r where r.reverses = a.id) as turns from ("
    "select id from adjustment where id = $1 for update) a"
)


def _superseded(row: Record) -> Superseded:
    return Superseded(_kept([row])[0], row["credit_id"], row["is_credited"], row["turns"])


def _kept(rows: Sequence[Record]) -> list[KeptAdjustment]:
    return [KeptAdjustment(**{name: row[name] for name in _COLUMNS}) for row in rows]
