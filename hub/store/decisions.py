"""What people decided, as rows; with each change the CDRs that it bears on are to be looked at again, in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.store.direct import Connection, Direct, Record
from hub.store.where import Clause, where

Name = tuple[str, str]
"""Creditor (``DE/ABC``) and folded id of a CDR."""

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
    """A decision as it is kept. Without `stands_since` it waits for a second person.

    `beyond_from`: more hangs on its target than one person may waive, with what came then or later (UTC); known since `beyond_known_at`.
    It counts while `most` is set, which a second person takes away.
    """

    id: int
    decided_at: datetime
    confirmed_by: str
    confirmed_at: datetime | None
    stands_since: datetime | None
    revoked_at: datetime | None
    revoked_by: str
    beyond_from: datetime | None
    beyond_known_at: datetime | None

    @property
    def covers_until(self) -> datetime | None:
        """It bears on no CDR that came then or later; None where it bears on all."""
        return None if self.most is None else self.beyond_from


@dataclass(frozen=True, slots=True)
class Waived:
    """What a decision would waive of a CDR that came at a moment (UTC), in the currency of its cause."""

    creditor: str
    cdr_key: str
    received_at: datetime
    at_risk: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """What a decision about a target bears on: CDRs, those that are billed already, those that findings drop, money at risk by currency.

    `told` are findings that are about no CDR that the hub accepted: of refused ones, or of a whole period.
    """

    cdrs: int
    billed: int
    dropped: int
    at_risk: Mapping[str, Decimal]
    told: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which decisions are wanted, None for all: before an id, by target, and by whether they stand, are proposed, exceeded or revoked.

    The state ``waiting`` is both that wait for a second person: proposed and exceeded.
    """

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
        """A second person agrees to a decision that waits, or to what is beyond its limit; None where nothing waits for them."""
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
            (f"{_STATE} = ?", None if asked.state == WAITING else asked.state),
            (f"{IS_WAITING} and ?", True if asked.state == WAITING else None),
            ("id < ?", asked.before),
        ]
        condition, values = where(clauses)
        rows = await self._direct.fetch(f"{_SELECT} {condition} order by id desc limit {int(most)}", *values)
        return [*map(_kept, rows)]

    async def revision(self) -> int:
        """A number that grows with every change of a decision, and whenever a driver is forgotten."""
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

    async def beyond(
        self, cause: str, most: Decimal, known: Collection[Name], new: Sequence[Waived]
    ) -> datetime | None:
        """From when on (UTC) what CDRs of a cause came to is more than `most`, in the order in which they came; None where it is not.

        `new` is what is found about some of the `known` CDRs now, in the place of what is kept of those.
        """
        ordered = sorted(known)
        names = [creditor for creditor, _ in ordered], [key for _, key in ordered]
        fresh = [[getattr(one, name) for one in new] for name in Waived.__dataclass_fields__]
        (row,) = await self._direct.fetch(_BEYOND, cause, most, *names, *fresh)
        found: datetime | None = row["beyond_from"]
        return found

    async def weigh(self, target: Target) -> Weight | None:
        """What a decision about a target would bear on; None where there is no such target."""
        statement = f"with k as ({_CDRS_OF[target[0]]}), {_WEIGHED.format(only=_ONLY[target[0]])}"
        rows = await self._direct.fetch(statement, *_values(target))
        if not rows:
            return await self._weigh_told(target)
        counts = {name: sum(row[name] for row in rows) for name in ("cdrs", "billed", "dropped")}
        return Weight(**counts, at_risk={row["currency"]: row["at_risk"] for row in rows})

    async def _weigh_told(self, target: Target) -> Weight | None:
        """What a decision bears on that is about no accepted CDR."""
        rows = await self._direct.fetch(_TOLD[target[0]], target[1]) if target[0] in _TOLD else ()
        told = sum(row["findings"] for row in rows)
        at_risk = {row["currency"]: row["at_risk"] for row in rows}
        return Weight(cdrs=0, billed=0, dropped=0, at_risk=at_risk, told=told) if told else None


async def exceed(connection: Connection, limits: Mapping[int, datetime], now: datetime, seen: Collection[Name]) -> None:
    """Keep that decisions bear on no CDR that came at a moment or later, and have others than those that were `seen` looked at again."""
    names = [creditor for creditor, _ in seen], [key for _, key in seen]
    for decision, beyond_from in sorted(limits.items()):
        if await connection.fetch(_EXCEED, decision, beyond_from, now):
            await connection.execute(_LOOK_BEYOND, decision, beyond_from, *names)


async def locked_revision(connection: Connection) -> int:
    """The revision of decisions; it does not grow until the transaction of the connection ends."""
    await connection.execute(
        "lock table forgetting, decision in share mode"
    )  # in the order in which forgetting takes them
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
_LIMIT = "(select {column} from decision_limit l where l.decision = decision.id order by beyond_from limit 1) as {name}"
_COMPUTED = {
    "beyond_from": _LIMIT.format(column="l.beyond_from", name="beyond_from"),
    "beyond_known_at": _LIMIT.format(column="l.known_at", name="beyond_known_at"),
}
_COLUMNS = ", ".join(_COMPUTED.get(name, name) for name in KeptDecision.__dataclass_fields__)
_SELECT = f"select {_COLUMNS} from decision"

_IS_EXCEEDED = "most is not null and exists (select 1 from decision_limit l where l.decision = decision.id)"
WAITING = "waiting"
IS_WAITING = f"revoked_at is null and (stands_since is null or {_IS_EXCEEDED})"
"""Whether a decision waits for a second person: as it was made, or for what came since and is beyond its limit."""

_STATE = (
    "case when revoked_at is not null then 'revoked' when stands_since is null then 'proposed' "
    f"when {_IS_EXCEEDED} then 'exceeded' else 'standing' end"
)

_ADD = (
    f"insert into decision ({', '.join(_NEW)}, decided_at, stands_since, confirmed_by, revoked_by) "
    f"values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', '') returning {_COLUMNS}"
)

_CONFIRM = (
    "update decision set stands_since = coalesce(stands_since, $2), confirmed_at = $2, confirmed_by = $3, most = null "
    f"where id = $1 and revoked_at is null and (stands_since is null or {_IS_EXCEEDED}) returning {_COLUMNS}"
)

_REVOKE = (
    f"update decision set revoked_at = $2, revoked_by = $3 where id = $1 and revoked_at is null returning {_COLUMNS}"
)

_REVISION = (
    "select coalesce(sum(1 + (confirmed_by <> '')::int + (revoked_at is not null)::int), 0)::bigint "
    "+ (select count(*) from forgetting) as revision from decision"
)

# what a finding holds that is more than one person may waive is not waived, and so takes nothing of the limit
_BEYOND = (
    "with risky as (select claim.accepted_at as received_at, max(c.at_risk) as at_risk from finding f "
    "join finding_cdr c on c.finding = f.key join claim using (creditor, cdr_key) "
    "where f.cause = $1 and f.cleared_at is null and f.disposition = 'HOLD' and f.at_risk <= $2 and not exists ("
    "select 1 from unnest($3::text[], $4::text[]) k(creditor, cdr_key) "
    "where k.creditor = c.creditor and k.cdr_key = c.cdr_key) group by claim.creditor, claim.cdr_key "
    "union all select received_at, max(at_risk) from unnest($5::text[], $6::text[], $7::timestamptz[], $8::numeric[]) "
    "n(creditor, cdr_key, received_at, at_risk) group by creditor, cdr_key, received_at) "
    "select min(received_at) as beyond_from from "
    "(select received_at, sum(at_risk) over (order by received_at) as total from risky) r where total > $2"
)

# what a seal was made without belongs to the next one, whenever the look began that found it
_EXCEED = (
    "insert into decision_limit (decision, beyond_from, known_at) "
    "select $1, $2, greatest($3::timestamptz, (select max(sealed_at) from seal)) where not exists ("
    "select 1 from decision_limit where decision = $1 and beyond_from <= $2) returning 1"
)
_LOOK_BEYOND = (
    "update claim set examined_at = null from finding_cdr c join finding f on f.key = c.finding "
    "join decision d on d.target = f.cause where d.id = $1 and d.scope = 'cause' and f.cleared_at is null "
    "and claim.creditor = c.creditor and claim.cdr_key = c.cdr_key and claim.accepted_at >= $2 "
    "and (c.creditor, c.cdr_key) not in (select * from unnest($3::text[], $4::text[])) and not exists ("
    "select 1 from verdict v where v.creditor = c.creditor and v.cdr_key = c.cdr_key and v.statement is not null)"
)

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

_TOLD = {
    scope: "select currency, count(*) as findings, sum(at_risk) as at_risk from finding "
    f"where {column} = $1 and cleared_at is null and source <> '' group by currency order by currency"
    for scope, column in (("cause", "cause"), ("finding", "key"))
}

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
