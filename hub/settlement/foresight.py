"""What a decision about a cause would make of its CDRs, before anybody decides. Pure: findings and decisions in, counts and money out.

It is what the next look at the books comes to, as far as that depends on decisions: CDRs that a statement bills do not change, and a
credit waits, and is dropped, with its original.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain

from hub.settlement.amounts import EXACT
from hub.settlement.decisions import Decision, Raised, Scope, decided, keeping_out
from hub.settlement.facts import Cost
from hub.settlement.findings import STRICTNESS, Disposition
from hub.settlement.relations import is_right_credit
from ocpi_modules.parties import Party

_ZERO = Decimal(0)
_WAITING = frozenset({Disposition.DEFER, Disposition.HOLD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """A CDR as it stands now, and what was found about it.

    `name` and `credit_of` are ``DE/ABC/its folded id``, `to` is its eMSP; `is_asked`: it is one of the cause, and not only related to one
    by a credit.
    """

    name: str
    to: Party
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal | None
    disposition: Disposition
    is_billed: bool
    is_asked: bool
    is_credit: bool
    credit_of: str | None
    raised: tuple[Raised, ...]

    @property
    def total(self) -> Cost:
        """Its claim."""
        return Cost(self.excl_vat, self.incl_vat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """CDRs of a cause that are alike: what is made of them now, by findings of the cause, and by others (None: there are none)."""

    currency: str
    disposition: Disposition
    own: Disposition
    other: Disposition | None
    is_billed: bool
    cdrs: int
    excl_vat: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How many CDRs go from one disposition to another (or stay), and their claims without VAT."""

    currency: str
    before: Disposition
    after: Disposition
    cdrs: int
    excl_vat: Decimal


@dataclass(frozen=True, slots=True)
class Holder:
    """Another cause, and how many of the CDRs that stay kept out it keeps out; a CDR may have several."""

    cause: str
    cdrs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """What a decision would change. `billed` CDRs stay as they are; `is_estimate`: alike CDRs were counted, none looked at.

    `holders` are the other causes of those that stay kept out, the one of most CDRs first; `otherwise` is how many stay kept out without
    one: a check of the cause drops them, a decision is about them alone, or they wait for what they credit.
    """

    changes: tuple[Change, ...]
    billed: int
    is_estimate: bool = False
    holders: tuple[Holder, ...] = ()
    otherwise: int = 0

    @property
    def settles(self) -> int:
        """How many would settle that do not now."""
        return sum(one.cdrs for one in self.changes if one.after is Disposition.SETTLE is not one.before)

    @property
    def stays(self) -> int:
        """How many are kept out and would be still."""
        return sum(one.cdrs for one in self.changes if one.after is not Disposition.SETTLE is not one.before)

    @property
    def stops(self) -> int:
        """How many settle now and would not."""
        return sum(one.cdrs for one in self.changes if one.before is Disposition.SETTLE is not one.after)

    def sums(self, currency: str) -> Mapping[Disposition, tuple[int, Decimal, int, Decimal]]:
        """CDRs and money by disposition, before and after, of one currency."""
        found: defaultdict[Disposition, list[tuple[int, Decimal, int, Decimal]]] = defaultdict(list)
        for one in self.changes:
            if one.currency == currency:
                found[one.before].append((one.cdrs, one.excl_vat, 0, _ZERO))
                found[one.after].append((0, _ZERO, one.cdrs, one.excl_vat))
        return {name: _added(found[name]) for name in sorted(found, key=lambda name: STRICTNESS[name])}

    @property
    def currencies(self) -> Sequence[str]:
        """The currencies of its CDRs."""
        return sorted({one.currency for one in self.changes})


def foreseen(prospects: Sequence[Prospect], standing: Iterable[Decision], new: Decision) -> Foresight:
    """What a new decision would make of some CDRs, beside those that stand; `prospects` in the order in which they came."""
    decisions = [*standing, new]
    judged = {one.name: decided(Disposition.SETTLE, one.raised, _bearing(one, decisions)) for one in prospects}
    after = {**judged, **_with_originals(prospects, judged)}
    open_ones = [one for one in prospects if not one.is_billed]
    moved = [
        (one.currency, one.disposition, after[one.name], 1, one.excl_vat)
        for one in open_ones
        if one.is_asked or after[one.name] is not one.disposition
    ]
    billed = sum(one.is_billed and one.is_asked for one in prospects)
    out = [_others(one, decisions) for one in open_ones if _stays_out(one, after[one.name])]
    return Foresight(
        changes=_counted(moved),
        billed=billed,
        holders=_holders(Counter(chain(*out))),
        otherwise=sum(not one for one in out),
    )


def _stays_out(one: Prospect, after: Disposition) -> bool:
    is_shown = one.is_asked or after is not one.disposition
    return is_shown and one.disposition is not Disposition.SETTLE is not after


def _others(one: Prospect, decisions: Sequence[Decision]) -> set[str]:
    """The causes that keep a CDR out beside the one that is decided about last."""
    return {found.cause for found in keeping_out(one.raised, _bearing(one, decisions))} - {decisions[-1].target}


def _holders(counts: Mapping[str, int]) -> tuple[Holder, ...]:
    return tuple(Holder(cause, cdrs) for cause, cdrs in sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def estimated(groups: Iterable[Group], holders: Mapping[str, int], new: Decision) -> Foresight:
    """The same by counting: no other decision, and no credit, is looked at.

    `holders` are other causes with findings that keep CDRs of this one out, and how many of those that are not billed.
    """
    groups = [*groups]
    moved = [
        (one.currency, one.disposition, _after(one, new), one.cdrs, one.excl_vat) for one in groups if not one.is_billed
    ]
    billed = sum(one.cdrs for one in groups if one.is_billed)
    alone = sum(one.cdrs for one in groups if not one.is_billed and _stays_out_alone(one, new))
    return Foresight(
        changes=_counted(moved), billed=billed, is_estimate=True, holders=_holders(holders), otherwise=alone
    )


def _stays_out_alone(group: Group, new: Decision) -> bool:
    is_held_by_others = group.other is not None and STRICTNESS[group.other] > STRICTNESS[Disposition.SETTLE]
    return not is_held_by_others and group.disposition is not Disposition.SETTLE is not _after(group, new)


def _after(group: Group, new: Decision) -> Disposition:
    others = [] if group.other is None else [Raised(key="", cause="", disposition=group.other)]
    own = Raised(key="", cause=new.target, disposition=group.own)
    return decided(Disposition.SETTLE, [own, *others], [new])


def _bearing(one: Prospect, decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions that may be about a CDR: those about other CDRs are not."""
    return [decision for decision in decisions if decision.scope is not Scope.CDR or decision.target == one.name]


def _with_originals(prospects: Sequence[Prospect], judged: Mapping[str, Disposition]) -> dict[str, Disposition]:
    """What becomes of credits because of their originals."""
    named = {one.name: one for one in prospects}
    found: dict[str, Disposition] = {}
    for original, credit in _credits(prospects, named).items():
        verdict = judged[original]
        waits = verdict in _WAITING and STRICTNESS[verdict] > STRICTNESS[judged[credit]]
        is_dropped_by_people = (
            verdict is Disposition.DROP is not decided(Disposition.SETTLE, named[original].raised, ())
        )
        if waits or is_dropped_by_people:
            found[credit] = verdict
    return found


def _credits(prospects: Sequence[Prospect], named: Mapping[str, Prospect]) -> dict[str, str]:
    """Originals and the first right credit for each."""
    found: dict[str, str] = {}
    for one in prospects:
        original = named.get(one.credit_of or "")
        if original is not None and is_right_credit(one, original):
            found.setdefault(original.name, one.name)
    return found


def _counted(moved: Iterable[tuple[str, Disposition, Disposition, int, Decimal]]) -> tuple[Change, ...]:
    counts: defaultdict[tuple[str, Disposition, Disposition], tuple[int, Decimal]] = defaultdict(lambda: (0, _ZERO))
    for currency, before, after, cdrs, excl_vat in moved:
        known = counts[currency, before, after]
        counts[currency, before, after] = (known[0] + cdrs, EXACT.add(known[1], excl_vat))
    return tuple(
        Change(currency=currency, before=before, after=after, cdrs=cdrs, excl_vat=excl_vat)
        for (currency, before, after), (cdrs, excl_vat) in sorted(counts.items())
    )


def _added(rows: Iterable[tuple[int, Decimal, int, Decimal]]) -> tuple[int, Decimal, int, Decimal]:
    total = (0, _ZERO, 0, _ZERO)
    for row in rows:
        total = (
            total[0] + row[0],
            EXACT.add(total[1], row[1]),
            total[2] + row[2],
            EXACT.add(total[3], row[3]),
        )
    return total
