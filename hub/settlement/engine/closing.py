"""The end of a period, step by step: cut off, draft, advise, net, close, seal.

Each step is one transaction: killed in the middle, nothing of it is kept, and the same step taken again does it. A step that was taken
already changes nothing. Whoever takes one is named; closing takes two different people.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from hub import __version__
from hub.clock import Clock
from hub.settlement.agreements import Agreements
from hub.settlement.bundle import party_text
from hub.settlement.closing import Count, Figures, Item, checklist, control_totals
from hub.settlement.configuration import agreement_content, by_name, catalogue_digest, profile_content
from hub.settlement.counting import counted
from hub.settlement.drafts import (
    Changes,
    StatementHead,
    changes,
    head_content,
    kept_out_content,
    line_content,
    period_content,
    sealed_head,
    statement_id,
)
from hub.settlement.engine.digests import Digests, changed_statements, digests_of, unless_changed
from hub.settlement.engine.feelook import FeeLook
from hub.settlement.engine.records import entry_lines
from hub.settlement.engine.settler import read_period
from hub.settlement.findings import Disposition
from hub.settlement.journal import Entry, billed
from hub.settlement.netplan import NetPlan, net_plan
from hub.settlement.netting import Amount, Pair
from hub.settlement.outputs import Content
from hub.settlement.people import is_same_person
from hub.settlement.period_seal import (
    Growing,
    SealedPeriod,
    faults_of_seal,
    leaves_root,
    posting_leaves,
    proof_of,
    read_sealed,
    seal_head,
    signed_bytes,
)
from hub.settlement.periods import ORDER, NotNow, Period, State
from hub.settlement.pseudonyms import personal_values, sealed_form
from hub.settlement.seal import canonical
from hub.store.closing import ClosingBook, KeptFigures, KeptSeal, PairSum, PeriodStep, StepUnderWay
from hub.store.direct import Record
from hub.store.drafting import Drafting, Gathered
from hub.store.periods import KeptPeriod
from hub.store.statements import KeptStatement, PairName, Statements, StepMade
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json, format_datetime

BY_ITSELF = ""
"""The actor where the hub takes a step by itself."""

_FROM_GATHERED = ("excl_vat", "incl_vat", "cdrs", "credits", "fees", "adjustments", "kept_out", "energy")
_EVER = datetime.min.replace(tzinfo=UTC)


class UnknownPeriod(LookupError):
    """There is no such period."""


class UnknownStatement(LookupError):
    """There is no such statement."""


class Signer(Protocol):
    """What seals are signed with."""

    @property
    def public_key(self) -> str: ...
    def sign(self, content: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodHead:
    """A period and how far it is."""

    period: Period
    closed_by: str
    steps: Sequence[StepMade]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodCounts:
    """What is to be known before the next step of a period: its checklist, what came in and what became of it by currency."""

    items: Sequence[Item]
    totals: Mapping[str, Mapping[str, Count]]


@dataclass(frozen=True, slots=True)
class PeriodView:
    """A period with what is to be known before its next step."""

    head: PeriodHead
    counts: PeriodCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeStatement:
    """A statement with its lines and what was kept out, as its files are made of them."""

    head: Content
    lines: Sequence[Record]
    kept_out: Sequence[Content]

    def line_contents(self) -> Iterable[Content]:
        """The lines in their order."""
        return (line_content(number, row) for number, row in enumerate(self.lines, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementBeginning:
    """How a statement begins, and how many lines it has."""

    lines: Sequence[Content]
    line_count: int
    kept_out: Sequence[Content]


class Closing:
    """Takes the steps of periods, and shows what they came to, under the agreements that `fees` are computed by."""

    def __init__(
        self,
        books: tuple[ClosingBook, Statements],
        clock: Clock,
        fees: FeeLook,
        signer: Signer,
    ) -> None:
        self._book, self._statements = books
        self._clock, self._agreements, self.signer = clock, fees.agreements, signer
        self._fees = fees

    # --- cut off

    async def due(self) -> list[KeptPeriod]:
        """The open periods whose time to be cut off has come, and for which nothing waits to be looked at that came in time."""
        return [period for period in await self._book.due(self._clock.now()) if not await self._waits_for(period)]

    async def holding_up(self, period: Period) -> int:
        """How many CDRs that came in time keep a period from being cut off whose time has come; 0 for any other."""
        if period.state is not State.OPEN or self._clock.now() < period.closes_at:
            return 0
        return await self._book.waiting(period.closes_at)

    async def cut_off(self, period_id: str, actor: str, *, is_early: bool = False) -> Period:
        """CDRs that are looked at from now on count in a later period. Before the period ended only if that is wanted (`is_early`)."""
        async with self._step(period_id) as step:
            period, now = read_period(step.period), self._clock.now()
            if period.state is not State.OPEN:
                return period
            if now < period.end and not is_early:
                raise NotNow(f"period {period.id} has not ended: what comes until then would count in the next one")
            if waiting := await self._waits_for(step.period):
                raise NotNow(
                    f"{counted(waiting, 'CDR that came in time waits', 'CDRs that came in time wait')} to be looked at"
                )
            await step.cut_off(min(now, period.closes_at), actor)
            return read_period(step.period)

    async def _waits_for(self, period: KeptPeriod) -> int:
        return await self._book.waiting(min(self._clock.now(), period.closes_at))

    # --- draft

    async def draft(self, period_id: str, actor: str) -> list[KeptStatement]:
        """Draft the statements of a period over the books as they are; those that stay as they were keep their number. Returns all."""
        async with self._drafting(period_id) as (kept, drafting):
            period = read_period(kept)
            if ORDER.index(period.state) > ORDER.index(State.CUT_OFF):
                raise NotNow(f"the statements of {period.id} are advised, they do not change any more")
            live, numbers, gathered = await drafting.live(), await drafting.last_drafts(), await drafting.gather()
            digests = await digests_of(drafting, gathered)
            drafts = [self._draft(period, one, digests[one.pair], numbers.get(one.pair, 0) + 1) for one in gathered]
            made = [unless_changed(live.get(draft.pair), draft) for draft in drafts]
            new = [(draft, one) for draft, one, kept in zip(drafts, gathered, made, strict=True) if kept is draft]
            gone = [statement for pair, statement in live.items() if pair not in digests]
            replaced = [live[draft.pair] for draft, _ in new if draft.pair in live]
            if new or gone:
                await drafting.supersede([statement.id for statement in (*gone, *replaced)])
                await drafting.add(new)
                counts = {"statements": len(made), "new": len(new), "superseded": len(gone)}
                await drafting.note(actor, self._clock.now(), encode_json(counts).decode())
            return made

    def _draft(self, period: Period, gathered: Gathered, digests: Digests, number: int) -> KeptStatement:
        creditor, debtor, currency = gathered.pair
        return KeptStatement(
            id=statement_id(period.id, read_pair(gathered.pair), number),
            period=period.id,
            creditor=creditor,
            debtor=debtor,
            currency=currency,
            draft=number,
            state="draft",
            **{name: getattr(gathered, name) for name in _FROM_GATHERED},
            digest=digests[0],
            kept_out_digest=digests[1],
            made_at=self._clock.now(),
        )

    # --- advise and net

    async def advise(self, period_id: str, actor: str) -> Period:
        """The drafts become advised: they never change, and what they hold is billed in the books."""
        async with self._step(period_id) as step:
            if _is_past(step, State.ADVISED):
                return read_period(step.period)
            period = read_period(step.period).stepped(State.ADVISED)
            if waiting := await step.unsettled():
                raise NotNow(
                    f"{waiting} CDRs of {period.id} wait for another look: something was said or decided about them"
                )
            if await step.stale():
                raise NotNow(f"the drafts of {period.id} are not what the books say now: draft them again")
            statements = await step.statements()
            await step.advise(statements)
            await step.post([entry_lines(_billed(statement)) for statement in statements])
            await step.become(State.ADVISED, actor, encode_json({"statements": len(statements)}).decode())
            return period

    async def net(self, period_id: str, actor: str) -> Period:
        """What is billed and not disputed becomes positions and transfers, by what each pair agreed."""
        agreements = await self._agreements()
        async with self._step(period_id) as step:
            if _is_past(step, State.NETTED):
                return read_period(step.period)
            period = read_period(step.period).stepped(State.NETTED)
            plan = net_plan(_sums(await step.owed()), agreements, period)
            await step.post([*map(entry_lines, plan.entries(period.id))])
            await step.become(State.NETTED, actor, encode_json(plan.content()).decode())
            return period

    async def net_of(self, period_id: str) -> Content:
        """Positions, what is owed within pairs, and transfers: as they were netted, before that as they would be now."""
        kept = await self._known(period_id)
        netted = next((one for one in await self._book.steps(period_id) if one.step == State.NETTED), None)
        if netted is not None:
            return {"is_final": True, **decode_json(netted.content.encode())}
        owed = [*await self._book.owed(period_id), *await self._book.claimed(period_id)]
        plan: NetPlan = net_plan(_sums(owed), await self._agreements(), read_period(kept))
        return {"is_final": False, **plan.content()}

    # --- close and seal

    async def close(self, period_id: str, actor: str) -> Period:
        """One of two people closes a period; the second one does. Raises NotNow while anything of the checklist is not so.

        Fees that nobody looked at since they were drafted, or since other ones were agreed on, are computed again first (M03).
        """
        if not await self._fees.has_seen(period_id):
            raise NotNow(
                f"the fees on the statements of {period_id} are being computed again: close it when that is done"
            )
        async with self._step(period_id) as step:
            if _is_past(step, State.CLOSED):
                return read_period(step.period)
            period, first = read_period(step.period).stepped(State.CLOSED), step.period.closed_by
            figures = _figures(await step.figures())
            if unmet := [item.sentence for item in checklist(figures) if not item.is_met]:
                raise NotNow(" ".join(unmet))
            if not first:
                await step.sign(actor, actor)
                return read_period(step.period)
            if is_same_person(first, actor):
                raise NotNow(f"{first} closed it already; a second person has to as well")
            await step.close(f"{first} and {actor}", actor, encode_json(_closed_content(figures)).decode())
            return period

    async def seal(self, period_id: str, actor: str) -> KeptSeal:
        """Put a closed period under its root, chained to that of the period before, and sign it."""
        agreements = await self._agreements()
        async with self._step(period_id) as step:
            if (kept := await step.own_seal()) is not None:
                return kept
            period = read_period(step.period).stepped(State.SEALED)
            if earlier := await step.earlier_unsealed():
                raise NotNow(f"period {earlier} comes first: seals are a chain")
            now = self._clock.now()
            sealed = await self._sealed(step, period, agreements, now)
            seal = self._signed(sealed, period, now)
            await step.seal(seal)
            await step.become(State.SEALED, actor, encode_json({"root": seal.root.hex()}).decode())
            return seal

    async def _sealed(self, step: PeriodStep, period: Period, agreements: Agreements, now: datetime) -> SealedPeriod:
        before, netted = await step.seal_before(), await step.last_step(State.NETTED)
        statements = await step.statements()
        if changed := await changed_statements(step, statements):
            raise NotNow(f"the lines of {changed[0].id} are not those that were advised")
        plan = decode_json(netted.content.encode()) if netted is not None else {"net": [], "transfers": []}
        return SealedPeriod(
            configuration=_configuration(period, agreements),
            statements=[sealed_head(head_of(statement), period) for statement in statements],
            net=plan["net"],
            transfers=plan["transfers"],
            journal=await self._journal(step),
            decisions=await self._decisions(step, before, now),
            limits=await self._limits(step, before, now),
            previous=before.root.hex() if before is not None else None,
        )

    async def _journal(self, step: PeriodStep) -> Content:
        grown = Growing()
        async for rows in step.postings():
            grown.extend(await asyncio.to_thread(posting_leaves, rows))
        return _root_content(grown)

    async def _decisions(self, step: PeriodStep, before: KeptSeal | None, until: datetime) -> Content:
        """The root over what was decided since the seal before; tokens, after which a cause may be named, are salted hashes under it."""
        since = before.sealed_at if before is not None else _EVER
        return await _salted_root(step, step.decisions(since, until), _decision_content)

    async def _limits(self, step: PeriodStep, before: KeptSeal | None, until: datetime) -> Content:
        """The root over what became known to be beyond the limit of decisions since the last seal that has such a root."""
        has_limits = (
            before is not None and read_sealed(decode_json(before.content.encode())["sealed"]).limits is not None
        )
        since = before.sealed_at if before is not None and has_limits else _EVER
        return await _salted_root(step, step.limits(since, until), _limit_content)

    def _signed(self, sealed: SealedPeriod, period: Period, now: datetime) -> KeptSeal:
        tree = sealed.tree()
        about = {
            "period": {"id": period.id, **period_content(period)},
            "engine": __version__,
            "sealed_at": format_datetime(now),
            "public_key": self.signer.public_key,
        }
        head = seal_head(sealed, tree, about)
        signature = self.signer.sign(signed_bytes(head))
        content = {"seal": {"head": head, "signature": signature.hex()}, "sealed": sealed.content()}
        return KeptSeal(
            period=period.id,
            root=tree.root,
            previous=bytes.fromhex(sealed.previous) if sealed.previous is not None else None,
            leaves=len(tree.levels[0]),
            content=canonical(content).decode(),
            signature=signature,
            sealed_at=now,
        )

    async def faults_of(self, period_id: str) -> list[str]:
        """What the books say now that is not under the seal of a period; nothing where all is as it was sealed."""
        async with self._step(period_id) as step:
            seal, before = await step.own_seal(), await step.seal_before()
            if seal is None:
                raise NotNow(f"period {period_id} is not sealed")
            content = decode_json(seal.content.encode())
            sealed, faults = read_sealed(content["sealed"]), [*faults_of_seal(content)]
            statements = await step.statements()
            faults += [f"the lines of {one.id} were changed" for one in await changed_statements(step, statements)]
            heads = [sealed_head(head_of(one), read_period(step.period)) for one in statements]
            if heads != [dict(one) for one in sealed.statements]:
                faults.append("the statements are others than those that were sealed")
            if await self._journal(step) != sealed.journal:
                faults.append("the journal is another one than was sealed")
            if await self._decisions(step, before, seal.sealed_at) != sealed.decisions:
                faults.append("the decisions are others than those that were sealed")
            if sealed.limits is not None and await self._limits(step, before, seal.sealed_at) != sealed.limits:
                faults.append("the limits of decisions are others than those that were sealed")
            if sealed.previous != (before.root.hex() if before is not None else None):
                faults.append("the seal before is another one")
            return faults

    # --- what is shown

    async def view(self, period_id: str) -> PeriodView:
        """A period with its steps and checklist; after it was closed as these were then."""
        head = await self.head(period_id)
        return PeriodView(head, await self.counts(head))

    async def head(self, period_id: str) -> PeriodHead:
        """A period with its steps."""
        kept, steps = await self._known(period_id), await self._book.steps(period_id)
        return PeriodHead(period=read_period(kept), closed_by=kept.closed_by, steps=steps)

    async def counts(self, head: PeriodHead) -> PeriodCounts:
        """The checklist of a period and what came of it: as it is now, which is read out of all its rows, or as it was closed."""
        closed = next((one for one in head.steps if one.step == State.CLOSED), None)
        if closed is not None:
            items, totals = _read_closed(decode_json(closed.content.encode()))
            return PeriodCounts(items=items, totals=totals)
        figures = _figures(await self._book.figures(head.period.id))
        return PeriodCounts(items=checklist(figures), totals=control_totals(figures))

    async def whole(self, statement_name: str) -> WholeStatement:
        """A statement with all its lines. Raises UnknownStatement."""
        kept = await self.statement(statement_name)
        period = read_period(await self._known(kept.period))
        lines = [row async for rows in self._statements.lines(kept.id) for row in rows]
        kept_out = [kept_out_content(row) for row in await self._statements.kept_out(kept.id)]
        head = {"state": kept.state, **head_content(head_of(kept), period)}
        return WholeStatement(head=head, lines=lines, kept_out=kept_out)

    async def beginning(self, statement_name: str, most: int) -> StatementBeginning:
        """The first lines of a statement, and of what was kept out of it. Raises UnknownStatement."""
        kept = await self.statement(statement_name)
        lines = await self._statements.first_lines(kept.id, most)
        return StatementBeginning(
            lines=[line_content(number, row) for number, row in enumerate(lines, 1)],
            line_count=await self._statements.count_lines(kept.id),
            kept_out=[kept_out_content(row) for row in await self._statements.kept_out(kept.id, most)],
        )

    async def statement(self, name: str) -> KeptStatement:
        """A statement. Raises UnknownStatement."""
        kept = await self._statements.load(name)
        if kept is None:
            raise UnknownStatement(f"there is no statement {name}")
        return kept

    async def changes_of(self, name: str) -> tuple[KeptStatement | None, Changes]:
        """The draft before a statement, and how they differ; without one everything is new. Raises UnknownStatement."""
        kept = await self.statement(name)
        before = await self._statements.before(kept)
        old = [row async for rows in self._statements.lines(before.id) for row in rows] if before is not None else []
        new = [row async for rows in self._statements.lines(kept.id) for row in rows]
        return before, await asyncio.to_thread(changes, old, new)

    async def proof(self, name: str) -> Content:
        """The proof that a statement is under the seal of its period. Raises UnknownStatement, and NotNow before it is sealed."""
        kept = await self.statement(name)
        seal = await self._book.seal(kept.period)
        if seal is None or kept.state != "advised":
            raise NotNow(f"{name} is not sealed yet")
        content = decode_json(seal.content.encode())
        names = [one.id for one in await self._statements.live(kept.period)]
        return proof_of(read_sealed(content["sealed"]), names.index(name), content["seal"])

    # --- inside

    async def _known(self, period_id: str) -> KeptPeriod:
        kept = await self._book.load(period_id)
        if kept is None:
            raise UnknownPeriod(f"there is no period {period_id}")
        return kept

    @asynccontextmanager
    async def _step(self, period_id: str) -> AsyncIterator[PeriodStep]:
        try:
            async with self._book.step(period_id, self._clock.now()) as step:
                if step is None:
                    raise UnknownPeriod(f"there is no period {period_id}")
                yield step
        except StepUnderWay as exc:
            raise NotNow("another step is under way: try again when it is done") from exc

    @asynccontextmanager
    async def _drafting(self, period_id: str) -> AsyncIterator[tuple[KeptPeriod, Drafting]]:
        try:
            async with self._book.drafting(period_id) as opened:
                if opened is None:
                    raise UnknownPeriod(f"there is no period {period_id}")
                yield opened
        except StepUnderWay as exc:
            raise NotNow("another step is under way: try again when it is done") from exc


# --- values out of rows ------------------------------------------------------------------------


def head_of(kept: KeptStatement) -> StatementHead:
    """The head of a statement out of its row."""
    return StatementHead(
        id=kept.id,
        pair=read_pair(kept.pair),
        draft=kept.draft,
        state=kept.state,
        counts={"cdr": kept.cdrs, "credit": kept.credits, "fee": kept.fees, "adjustment": kept.adjustments},
        energy=kept.energy,
        amount=Amount(kept.excl_vat, kept.incl_vat),
        digest=kept.digest,
        kept_out_digest=kept.kept_out_digest,
    )


def read_pair(name: PairName) -> Pair:
    """A pair out of a row."""
    return Pair(Party.parse(name[0]), Party.parse(name[1]), name[2])


def _is_past(step: PeriodStep, state: State) -> bool:
    return ORDER.index(State(step.period.state)) >= ORDER.index(state)


def _billed(statement: KeptStatement) -> Entry:
    amount = Amount(statement.excl_vat, statement.incl_vat)
    return billed(statement.id, read_pair(statement.pair), amount, statement.period)


def _sums(rows: Iterable[PairSum]) -> dict[Pair, Amount]:
    sums: dict[Pair, Amount] = {}
    for row in rows:
        pair = read_pair((row.creditor, row.debtor, row.currency))
        sums[pair] = sums.get(pair, Amount()) + Amount(row.excl_vat, row.incl_vat)
    return sums


def _figures(kept: KeptFigures) -> Figures:
    return Figures(
        waiting=kept.waiting,
        proposed=kept.proposed,
        wrong_fees=kept.wrong_fees,
        came_in={row["currency"]: Count(row["cdrs"], row["excl_vat"]) for row in kept.came_in},
        dispositions={
            (row["currency"], Disposition(row["disposition"])): Count(row["cdrs"], row["excl_vat"])
            for row in kept.dispositions
        },
        returned={row["currency"]: Count(row["cdrs"], row["excl_vat"]) for row in kept.returned},
        unlined=kept.unlined,
        astray=kept.astray,
        advised=_sums(kept.advised),
        billed=_sums(kept.billed),
        trial_balance=_by_currency(kept.trial_balance),
        unbilled_accounts=kept.unbilled_accounts,
        billed_accounts=kept.billed_accounts,
        positions=_by_currency(kept.positions),
    )


def _by_currency(rows: Iterable[Record]) -> dict[str, Amount]:
    return {row["currency"]: Amount(row["excl_vat"], row["incl_vat"]) for row in rows}


# --- contents ----------------------------------------------------------------------------------


def _configuration(period: Period, agreements: Agreements) -> Content:
    return {
        "engine": __version__,
        "catalogue": catalogue_digest(),
        "period": {"id": period.id, **period_content(period)},
        "hub": party_text(agreements.hub),
        "agreements": [agreement_content(one) for one in sorted(agreements.known, key=by_name)],
        "profiles": [profile_content(one) for one in agreements.profiles.known],
    }


def _closed_content(figures: Figures) -> Content:
    totals = {
        currency: {name: asdict(count) for name, count in counts.items()}
        for currency, counts in control_totals(figures).items()
    }
    return {"checklist": [asdict(item) for item in checklist(figures)], "totals": totals}


def _read_closed(content: Mapping[str, Any]) -> tuple[tuple[Item, ...], dict[str, dict[str, Count]]]:
    totals = {
        currency: {name: Count(**count) for name, count in counts.items()}
        for currency, counts in content["totals"].items()
    }
    return tuple(Item(**item) for item in content["checklist"]), totals


def _decision_content(row: Record) -> Content:
    moments = {
        name: format_datetime(row[name]) if row[name] is not None else None
        for name in ("decided_at", "stands_since", "revoked_at")
    }
    texts = {name: row[name] for name in ("scope", "action", "reason", "actor", "confirmed_by", "revoked_by")}
    return texts | moments | _target_content(row)


def _limit_content(row: Record) -> Content:
    """That a decision bears on nothing that came at a moment or later, and since when that is known."""
    texts = {name: row[name] for name in ("scope", "action", "actor")}
    moments = {name: format_datetime(row[name]) for name in ("decided_at", "beyond_from", "known_at")}
    return texts | moments | _target_content(row)


def _target_content(row: Record) -> Content:
    cause, found, token_uid = row["target"].partition("|token|")
    return {"target": cause, **({"token_uid": token_uid} if found else {})}


async def _salted_root(
    step: PeriodStep, portions: AsyncIterator[Sequence[Record]], content_of: Callable[[Record], Content]
) -> Content:
    """The root over contents of rows, with what stands for a driver in the place of a token."""
    grown = Growing()
    async for rows in portions:
        contents = [*map(content_of, rows)]
        digests = await step.digests(personal_values(contents))
        grown = leaves_root(sealed_form(contents, digests), grown)
    return _root_content(grown)


def _root_content(grown: Growing) -> Content:
    return {"count": grown.size, "root": grown.root.hex()}
