"""Disputes of billed CDRs: states and clocks. A pure machine; what it does to the books is said in `journal`.

draft → raised → conceded | countered → conceded | insisted → arbitration → decided. The debtor raises, the creditor answers. Every stage
has a deadline; whoever is silent until then gives way. A deadline never moves backwards. In arbitration nobody is silent: its deadline is
for people to see.
Source: the states, clocks and reason codes of the clearing domain model, "States" and "Dispute reason codes" (I03, invariant 10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from hub.settlement.amounts import EXACT
from hub.settlement.netting import Amount
from hub.settlement.periods import NotNow

ANSWER_WITHIN = timedelta(days=14)
"""How long a side may be silent, where nothing else was agreed."""

ARBITRATION_TAKES = timedelta(days=60)
"""By when an arbitration should be decided."""


class Reason(StrEnum):
    """Why an amount is disputed or corrected; a small public list."""

    DUP = "DUP"
    NOSESS = "NOSESS"
    NOAUTH = "NOAUTH"
    TOKEN = "TOKEN"
    ENERGY = "ENERGY"
    TIME = "TIME"
    TARIFF = "TARIFF"
    PRICE = "PRICE"
    ROUND = "ROUND"
    TAX = "TAX"
    SIGN = "SIGN"
    LATE = "LATE"
    SCOPE = "SCOPE"
    MICRO = "MICRO"
    INVOICE = "INVOICE"
    OTHER = "OTHER"


class Side(StrEnum):
    """The two sides of a dispute."""

    DEBTOR = "debtor"
    CREDITOR = "creditor"


class Stage(StrEnum):
    """How far a dispute is. Refused: it came too late, and is only kept to be seen."""

    DRAFT = "draft"
    RAISED = "raised"
    COUNTERED = "countered"
    INSISTED = "insisted"
    ARBITRATION = "arbitration"
    CONCEDED = "conceded"
    DECIDED = "decided"
    REFUSED = "refused"


class Step(StrEnum):
    """What somebody can do about a dispute. Uphold and dismiss are the two ends of an arbitration: for the debtor, for the creditor."""

    RAISE = "raise"
    COUNTER = "counter"
    INSIST = "insist"
    CONCEDE = "concede"
    WITHDRAW = "withdraw"
    ARBITRATE = "arbitrate"
    UPHOLD = "uphold"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute: its stage, when silence decides (UTC), and the side that gave way in the end."""

    stage: Stage
    due_at: datetime
    yielded: Side | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing can be done about it any more."""
        return self.stage in _OVER

    @property
    def is_owed(self) -> bool:
        """Whether it ended with the amount being owed."""
        return self.yielded is Side.DEBTOR

    @property
    def is_not_owed(self) -> bool:
        """Whether it ended with the amount not being owed."""
        return self.yielded is Side.CREDITOR

    @property
    def takes_amount(self) -> bool:
        """Whether the amount it is about cannot be disputed by another one: it is open, or it was won."""
        return self.stage is not Stage.REFUSED and not self.is_owed

    @property
    def silent_side(self) -> Side | None:
        """Whose turn it is; None where it is nobody's of the two."""
        return _TURNS.get(self.stage)


def stepped(dispute: Dispute, step: Step, now: datetime, answer_within: timedelta = ANSWER_WITHIN) -> Dispute:
    """The dispute after a step; the other side then has `answer_within` to answer.

    Raises NotNow for one that its stage does not allow, or that comes after the deadline.
    """
    if expired(dispute, now) is not None:
        raise NotNow(f"the time for an answer was over at {dispute.due_at:%Y-%m-%d %H:%M} UTC")
    if (dispute.stage, step) not in _STEPS:
        raise NotNow(f"a dispute that is {dispute.stage} cannot {step} now")
    stage = _STEPS[dispute.stage, step]
    if stage in _OVER:
        return replace(dispute, stage=stage, yielded=_yielding(dispute.stage, step))
    return replace(dispute, stage=stage, due_at=max(dispute.due_at, now + _LENGTHS.get(stage, answer_within)))


def steps_from(stage: Stage) -> tuple[Step, ...]:
    """The steps that a stage allows."""
    return tuple(step for at, step in _STEPS if at is stage)


def acting_side(stage: Stage, step: Step) -> Side | None:
    """For whom a step is made at a stage; None is the hub, which decides. Withdrawing is always the debtor's."""
    if step in {Step.UPHOLD, Step.DISMISS}:
        return None
    return Side.DEBTOR if step is Step.WITHDRAW else _TURNS.get(stage)


def steps_of(stage: Stage, side: Side) -> tuple[Step, ...]:
    """The steps that a stage allows to one side."""
    return tuple(step for step in steps_from(stage) if acting_side(stage, step) is side)


def expired(dispute: Dispute, now: datetime) -> Dispute | None:
    """What silence has made of a dispute at a moment; None where it still goes on as it is."""
    side = dispute.silent_side
    if side is None or now < dispute.due_at:
        return None
    return replace(dispute, stage=Stage.CONCEDED, yielded=side)


def credited(dispute: Dispute) -> Dispute:
    """A dispute whose CDR is credited: the creditor gave way by that. A draft is void, for there is nothing left to dispute."""
    yielded = Side.DEBTOR if dispute.stage is Stage.DRAFT else Side.CREDITOR
    return replace(dispute, stage=Stage.CONCEDED, yielded=yielded)


def window_end(billed_at: datetime, days: int) -> datetime:
    """When the window for disputes closes (I03): what is raised at that moment or later is too late."""
    return billed_at + timedelta(days=days)


def fits(asked: Amount, line: Amount, taken: Amount) -> bool:
    """Whether an amount can be disputed: something, and no more than what is left of its line (invariant 10)."""
    left = line + -taken
    sides = ((asked.excl_vat, left.excl_vat), (asked.incl_vat, left.incl_vat))
    return not asked.is_nothing and all(wanted >= 0 and EXACT.subtract(most, wanted) >= 0 for wanted, most in sides)


_OVER = frozenset({Stage.CONCEDED, Stage.DECIDED, Stage.REFUSED})

_TURNS: Mapping[Stage, Side] = {
    Stage.DRAFT: Side.DEBTOR,
    Stage.RAISED: Side.CREDITOR,
    Stage.COUNTERED: Side.DEBTOR,
    Stage.INSISTED: Side.CREDITOR,
}

_LENGTHS: Mapping[Stage, timedelta] = {Stage.ARBITRATION: ARBITRATION_TAKES}

_STEPS: Mapping[tuple[Stage, Step], Stage] = {
    (Stage.DRAFT, Step.RAISE): Stage.RAISED,
    (Stage.RAISED, Step.COUNTER): Stage.COUNTERED,
    (Stage.COUNTERED, Step.INSIST): Stage.INSISTED,
    (Stage.INSISTED, Step.ARBITRATE): Stage.ARBITRATION,
    (Stage.ARBITRATION, Step.UPHOLD): Stage.DECIDED,
    (Stage.ARBITRATION, Step.DISMISS): Stage.DECIDED,
    **{(stage, Step.CONCEDE): Stage.CONCEDED for stage in (Stage.RAISED, Stage.COUNTERED, Stage.INSISTED)},
    **{
        (stage, Step.WITHDRAW): Stage.CONCEDED
        for stage in (Stage.DRAFT, Stage.RAISED, Stage.COUNTERED, Stage.INSISTED, Stage.ARBITRATION)
    },
}


def _yielding(stage: Stage, step: Step) -> Side | None:
    if step in {Step.WITHDRAW, Step.DISMISS}:
        return Side.DEBTOR
    return Side.CREDITOR if step is Step.UPHOLD else _TURNS.get(stage)
