"""Whether a period may be closed: a checklist over figures of the books. Pure; the figures are read elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from hub.settlement.amounts import EXACT
from hub.settlement.counting import counted
from hub.settlement.findings import Disposition
from hub.settlement.netting import Amount, Pair


@dataclass(frozen=True, slots=True)
class Count:
    """How many CDRs, and what they claim without VAT."""

    cdrs: int = 0
    excl_vat: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the books say about a period.

    `came_in` is counted by the door, by currency; `dispositions` by settlement, by currency and disposition; `returned` are CDRs that
    the door refused. `advised` and `billed` are totals of pairs, of the statements and of the journal. `unlined` settled CDRs are on no
    live statement or on two, `astray` lines bill what is not settled. Accounts are those that hold something. `wrong_fees` are CDRs with
    fees that were not agreed, and that nobody accepted.
    """

    waiting: int
    proposed: int
    came_in: Mapping[str, Count]
    dispositions: Mapping[tuple[str, Disposition], Count]
    unlined: int
    astray: int
    advised: Mapping[Pair, Amount]
    billed: Mapping[Pair, Amount]
    trial_balance: Mapping[str, Amount]
    unbilled_accounts: int
    billed_accounts: int
    positions: Mapping[str, Amount]
    returned: Mapping[str, Count] = field(default_factory=dict)
    wrong_fees: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist; `sentence` says how things stand."""

    name: str
    is_met: bool
    sentence: str


def checklist(figures: Figures) -> tuple[Item, ...]:
    """Everything that has to be so before a period is closed."""
    return (
        _nothing_waits(figures),
        _nothing_is_proposed(figures),
        _control_totals_agree(figures),
        _every_cdr_has_its_line(figures),
        _statements_are_the_ledger(figures),
        _fees_are_as_agreed(figures),
        _all_is_billed(figures),
        _trial_balance_is_zero(figures),
        _all_is_netted(figures),
    )


def control_totals(figures: Figures) -> dict[str, dict[str, Count]]:
    """What came in and what became of it, by currency; every disposition is named, and RETURNED is what was refused at the door (P02)."""
    nothing = Count()
    return {
        currency: {
            "IN": _both(figures.came_in.get(currency, nothing), figures.returned.get(currency, nothing)),
            **{str(one): figures.dispositions.get((currency, one), nothing) for one in _DISPOSITIONS},
            RETURNED: figures.returned.get(currency, nothing),
        }
        for currency in sorted({*figures.came_in, *figures.returned, *(key[0] for key in figures.dispositions)})
    }


def _both(one: Count, other: Count) -> Count:
    return Count(one.cdrs + other.cdrs, EXACT.add(one.excl_vat, other.excl_vat))


RETURNED = "RETURNED"
_DISPOSITIONS = (Disposition.SETTLE, Disposition.HOLD, Disposition.DROP, Disposition.DEFER)


def _nothing_waits(figures: Figures) -> Item:
    return Item(
        "nothing_waits", not figures.waiting, f"{counted(figures.waiting, 'CDR waits', 'CDRs wait')} to be looked at."
    )


def _nothing_is_proposed(figures: Figures) -> Item:
    waiting = counted(figures.proposed, "proposed decision waits", "proposed decisions wait")
    return Item("nothing_is_proposed", not figures.proposed, f"{waiting} for a second person.")


def _control_totals_agree(figures: Figures) -> Item:
    wrong = [currency for currency, totals in control_totals(figures).items() if not _adds_up(totals)]
    came_in = sum(count.cdrs for count in (*figures.came_in.values(), *figures.returned.values()))
    said = (
        f"in {', '.join(wrong)} that is not what came of them"
        if wrong
        else "all are settled, held, dropped, deferred or returned"
    )
    return Item("control_totals", not wrong, f"{counted(came_in, 'CDR', 'CDRs')} came in; {said}.")


def _adds_up(totals: Mapping[str, Count]) -> bool:
    parts = [totals[str(one)] for one in (*_DISPOSITIONS, RETURNED)]
    came_in = totals["IN"]
    return (sum(one.cdrs for one in parts), sum(one.excl_vat for one in parts)) == (came_in.cdrs, came_in.excl_vat)


def _every_cdr_has_its_line(figures: Figures) -> Item:
    unlined = counted(figures.unlined, "settled CDR is", "settled CDRs are")
    astray = counted(figures.astray, "line bills", "lines bill")
    sentence = f"{unlined} not on exactly one statement, {astray} what is not settled."
    return Item("lines", not figures.unlined and not figures.astray, sentence)


def _statements_are_the_ledger(figures: Figures) -> Item:
    differing = _differing(figures.advised, figures.billed)
    statements, pairs = (
        counted(len(figures.advised), "statement", "statements"),
        counted(len(differing), "pair", "pairs"),
    )
    sentence = f"{statements}; the journal has other sums for {pairs}."
    return Item("statements_and_ledger", not differing, sentence)


def _fees_are_as_agreed(figures: Figures) -> Item:
    wrong = counted(figures.wrong_fees, "CDR has", "CDRs have")
    return Item("fees", not figures.wrong_fees, f"{wrong} fees that were not agreed (M03), accepted by nobody.")


def _differing(one: Mapping[Pair, Amount], other: Mapping[Pair, Amount]) -> Sequence[Pair]:
    nothing = Amount()
    return sorted(pair for pair in {*one, *other} if one.get(pair, nothing) != other.get(pair, nothing))


def _all_is_billed(figures: Figures) -> Item:
    sentence = f"{counted(figures.unbilled_accounts, 'account holds', 'accounts hold')} what is not billed."
    return Item("nothing_unbilled", not figures.unbilled_accounts, sentence)


def _trial_balance_is_zero(figures: Figures) -> Item:
    wrong = sorted(currency for currency, sums in figures.trial_balance.items() if not sums.is_nothing)
    said = f"it is off in {', '.join(wrong)}" if wrong else "it is zero in every currency"
    return Item("trial_balance", not wrong, f"Trial balance: {said}.")


def _all_is_netted(figures: Figures) -> Item:
    wrong = sorted(currency for currency, sums in figures.positions.items() if not sums.is_nothing)
    said = f"positions do not add up to zero in {', '.join(wrong)}" if wrong else "positions add up to zero"
    is_met = not wrong and not figures.billed_accounts
    accounts = counted(figures.billed_accounts, "account holds", "accounts hold")
    return Item("netting", is_met, f"{accounts} what is billed and not netted; {said}.")
