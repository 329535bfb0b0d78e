"""What people decided, as rows; with each change the CDRs that it bears on are to be looked at again, in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.store.direct import Connection, Direct, Record
from hub.store.where import Clause, where

Target = tuple[str, str]
"""Scope (``cause``, ``finding``, ``cdr``) and what of it: a key, or a CDR as ``DE/ABC/its folded id``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """A decision to be kept; the fields are those of `DecisionRow`."""

    scope: str
    target: str
    action: str
    reason: str
    note: str
    at_risk: str
    most: Decimal | None
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDecision(NewDecision):
    """A decision as it is kept. Without `stands_since` it waits for a second person."""

    id: int
    decided_at: datetime
    confirmed_by: str
    stands_since: datetime | None
    revoked_at: datetime | None
    revoked_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What a decision about a target bears on: CDRs, those that are billed already, those that findings drop, money at risk by currency."""

    cdrs: int
    billed: int
    dropped: int
    at_risk: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which decisions are wanted, None for all: those after an id, by target, and by whether they stand, wait or are revoked."""

    scope: str | None = None
    target: str | None = None
    actor: str | None = None
    state: str | None = None
    before: int | None = None


class Decisions:
    """The table of decisions."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def keep(self, new: NewDecision, now: datetime, *, stands: bool) -> KeptDecision:
        """Keep a decision; one that stands bears on its CDRs from the next look on."""
        async with self._direct.transaction() as connection:
            values = [getattr(new, name) for name in _NEW]
            (row,) = await connection.fetch(_ADD, *values, now, now if stands else None)
            if stands:
                await look_again(connection, (new.scope, new.target))
            return _kept(row)

    async def confirm(self, decision: KeptDecision, actor: str, now: datetime) -> KeptDecision | None:
        """A second person agrees to a decision that waits; None where it does not wait any more."""
        async with self._direct.transaction() as connection:
            return await self._changed(connection, _CONFIRM, decision, (now, actor))

    async def revoke(self, decision: KeptDecision, actor: str, now: datetime) -> KeptDecision | None:
        """Take a decision back; None where that was done already."""
        async with self._direct.transaction() as connection:
            return await self._changed(connection, _REVOKE, decision, (now, actor))

    async def _changed(
        self, connection: Connection, statement: str, decision: KeptDecision, by: tuple[datetime, str]
    ) -> KeptDecision | None:
        rows = await connection.fetch(statement, decision.id, *by)
        if not rows:
            return None
        await look_again(connection, (decision.scope, decision.target))
        return _kept(rows[0])

    async def load(self, decision_id: int) -> KeptDecision | None:
        """One decision."""
        rows = await self._direct.fetch(f"{_SELECT} where id = $1", decision_id)
        return _kept(rows[0]) if rows else None

    async def page(self, asked: Asked, most: int) -> list[KeptDecision]:
        """Decisions, the newest first."""
        clauses: list[Clause] = [
            ("scope = ?", asked.scope),
            ("target = ?", asked.target),
            ("lower(btrim(actor)) = lower(btrim(?))", asked.actor),
            (f"{_STATE} = ?", asked.state),
            ("id < ?", asked.before),
        ]
        condition, values = where(clauses)
        rows = await self._direct.fetch(f"{_SELECT} {condition} order by id desc limit {int(most)}", *values)
        return [*map(_kept, rows)]

    async def revision(self) -> int:
        """A number that grows with every change of a decision."""
        (row,) = await self._direct.fetch(_REVISION)
        return int(row["revision"])

    async def standing(self, targets: Collection[Target]) -> list[KeptDecision]:
        """The decisions about some targets that stand, in the order in which they were made."""
        if not targets:
            return []
        ordered = sorted(targets)
        columns = [target[0] for target in ordered], [target[1] for target in ordered]
        return [*map(_kept, await self._direct.fetch(_STANDING, *columns))]

    async def about(self, targets: Sequence[Target]) -> list[KeptDecision]:
        """All decisions about some targets, also those that do not stand, in the order in which they were made."""
        columns = [target[0] for target in targets], [target[1] for target in targets]
        return [*map(_kept, await self._direct.fetch(_ABOUT, *columns))]

    async def weigh(self, target: Target) -> Weight | None:
        """What a decision about a target would bear on; None where there is no such target."""
        statement = f"with k as ({_CDRS_OF[target[0]]}), {_WEIGHED.format(only=_ONLY[target[0]])}"
        rows = await self._direct.fetch(statement, *_values(target))
        if not rows:
            return None
        counts = {name: sum(row[name] for row in rows) for name in ("cdrs", "billed", "dropped")}
        return Weight(**counts, at_risk={row["currency"]: row["at_risk"] for row in rows})


async def locked_revision(connection: Connection) -> int:
    """The revision of decisions; it does not grow until the transaction of the connection ends."""
    await connection.execute("lock table decision in share mode")
    (row,) = await connection.fetch(_REVISION)
    return int(row["revision"])


async def look_again(connection: Connection, target: Target) -> None:
    """Let the CDRs of a target be examined again, but for those that an advised statement bills: they do not change any more."""
    await connection.execute(f"with k as ({_CDRS_OF[target[0]]}) {_LOOK_AGAIN}", *_values(target))


def _values(target: Target) -> list[str]:
    scope, what = target
    if scope != "cdr":
        return [what]
    country_code, party_id, cdr_key = what.split("/", 2)
    return [f"{country_code}/{party_id}", cdr_key]


def _kept(row: Record) -> KeptDecision:
    return KeptDecision(**{name: row[name] for name in KeptDecision.__dataclass_fields__})


_NEW = tuple(NewDecision.__dataclass_fields__)
_SELECT = f"select {', '.join(KeptDecision.__dataclass_fields__)} from decision"

_STATE = "case when revoked_at is not null then 'revoked' when stands_since is null then 'proposed' else 'standing' end"

_ADD = (
    f"insert into decision ({', '.join(_NEW)}, decided_at, stands_since, confirmed_by, revoked_by) "
    "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', '') returning *"
)

_CONFIRM = (
    "update decision set stands_since = $2, confirmed_by = $3, most = null "
    "where id = $1 and stands_since is null and revoked_at is null returning *"
)

_REVOKE = "update decision set revoked_at = $2, revoked_by = $3 where id = $1 and revoked_at is null returning *"

_REVISION = "select coalesce(sum(1 + (confirmed_by <> '')::int + (revoked_at is not null)::int), 0)::bigint as revision from decision"

_TARGETED = (
    f"{_SELECT} join unnest($1::text[], $2::text[]) k(k_scope, k_target) on scope = k_scope and target = k_target"
)
_STANDING = f"{_TARGETED} where stands_since is not null and revoked_at is null order by id"
_ABOUT = f"{_TARGETED} order by id"

_CDRS_OF = {
    "cause": "select distinct c.creditor, c.cdr_key from finding f join finding_cdr c on c.finding = f.key "
    "where f.cause = $1 and f.cleared_at is null",
    "finding": "select c.creditor, c.cdr_key from finding f join finding_cdr c on c.finding = f.key "
    "where f.key = $1 and f.cleared_at is null",
    "cdr": "select creditor, cdr_key from claim where creditor = $1 and cdr_key = $2",
}

_LOOK_AGAIN = (
    "update claim set examined_at = null from k where claim.creditor = k.creditor and claim.cdr_key = k.cdr_key "
    "and not exists (select 1 from verdict v where v.creditor = k.creditor and v.cdr_key = k.cdr_key and v.statement is not null)"
)

_ONLY = {"cause": "and f.cause = $1", "finding": "and f.key = $1", "cdr": ""}

_WEIGHED = (
    "w as (select k.creditor, k.cdr_key, coalesce(max(c.at_risk), 0) as at_risk, "
    "count(f.key) filter (where f.disposition = 'DROP') as drops "
    "from k left join (finding_cdr c join finding f on f.key = c.finding and f.cleared_at is null {only}) "
    "on c.creditor = k.creditor and c.cdr_key = k.cdr_key group by 1, 2) "
    "select claim.currency, count(*) as cdrs, count(v.statement) as billed, count(*) filter (where w.drops > 0) as dropped, "
    "sum(w.at_risk) as at_risk from w join claim using (creditor, cdr_key) left join verdict v using (creditor, cdr_key) "
    "group by claim.currency order by claim.currency"
)
