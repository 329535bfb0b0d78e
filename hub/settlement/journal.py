"""The journal: double entry over claims of the parties and fees of the hub. Append-only; what was wrong is corrected by adding.

Claims of the parties are memo accounts (the hub holds nobody's money), its own fees are real. Signs: plus is debit (somebody owes more),
minus is credit. Every entry adds up to zero in each currency, without and with VAT; amounts are exact and never rounded.
Source: the events and accounts of the clearing domain model, "Ledger".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from hub.settlement.amounts import EXACT
from hub.settlement.netting import Amount, Obligation, Pair
from ocpi_modules.parties import Party

_NOTHING = (Decimal(0), Decimal(0))


class AccountClass(StrEnum):
    """What an account holds."""

    UNBILLED = "claim:unbilled"
    BILLED = "claim:billed"
    DISPUTED = "claim:disputed"
    NET = "claim:net"
    IN_TRANSIT = "claim:intransit"
    SETTLED = "settled"
    WRITTEN_OFF = "writeoff"


class Event(StrEnum):
    """What an entry is about."""

    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"
    FEE = "fee"
    BILLED = "billed"
    DISPUTED = "disputed"
    RESOLVED = "resolved"
    ADJUSTED = "adjusted"
    NETTED = "netted"
    PAID = "paid"
    WRITTEN_OFF = "written_off"


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """An account: whose it is, towards whom, in which period (``2026-10``) and currency."""

    kind: AccountClass
    party: Party
    counterparty: Party
    period: str
    currency: str


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of an entry."""

    account: Account
    amount: Amount


class Unbalanced(ValueError):
    """The postings of an entry do not add up to zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event. `key` names it: an entry is written once, however often somebody tries. Raises Unbalanced.

    `reference` is what it is about (a CDR, a statement, a dispute), `actor` and `reason` are set where a person decided.
    """

    key: str
    event: Event
    reference: str
    postings: tuple[Posting, ...]
    actor: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if not is_balanced(self.postings):
            raise Unbalanced(f"{self.key} does not add up to zero")


def is_balanced(postings: Iterable[Posting]) -> bool:
    """Whether postings add up to zero in each currency, without and with VAT."""
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for posting in postings:
        currency, amount = posting.account.currency, posting.amount
        excl_vat, incl_vat = sums.get(currency, _NOTHING)
        sums[currency] = EXACT.add(excl_vat, amount.excl_vat), EXACT.add(incl_vat, amount.incl_vat)
    return not any(excl_vat or incl_vat for excl_vat, incl_vat in sums.values())


def accepted(name: str, obligations: Sequence[Obligation], period: str, turn: int = 1) -> Entry:
    """A CDR is accepted, with the fees that come with it: the debtors owe the creditors, not billed yet.

    `turn` counts how often the CDR was accepted: it may have been withdrawn in between.
    """
    postings = tuple(
        posting for one in obligations for posting in _both(AccountClass.UNBILLED, one.pair, one.amount, period)
    )
    return Entry(key=f"accepted:{name}:{turn}", event=Event.ACCEPTED, reference=name, postings=postings)


def withdrawn(entry: Entry, turn: int = 1) -> Entry:
    """What was accepted is held after all, before it was billed: the same the other way round."""
    postings = tuple(Posting(posting.account, -posting.amount) for posting in entry.postings)
    key = f"withdrawn:{entry.reference}:{turn}"
    return Entry(key=key, event=Event.WITHDRAWN, reference=entry.reference, postings=postings)


def billed(statement: str, pair: Pair, amount: Amount, period: str) -> Entry:
    """A statement is advised: what was unbilled is billed, on both sides."""
    moved = _moved(AccountClass.UNBILLED, AccountClass.BILLED, pair, amount, period)
    return Entry(key=f"billed:{statement}", event=Event.BILLED, reference=statement, postings=moved)


def disputed(dispute: str, pair: Pair, amount: Amount, period: str) -> Entry:
    """A billed amount is disputed: it takes no part in netting until that is resolved."""
    moved = _moved(AccountClass.BILLED, AccountClass.DISPUTED, pair, amount, period)
    return Entry(key=f"disputed:{dispute}", event=Event.DISPUTED, reference=dispute, postings=moved)


def resolved(dispute: str, pair: Pair, amount: Amount, period: str) -> Entry:
    """A disputed amount is owed after all; what is not is adjusted."""
    moved = _moved(AccountClass.DISPUTED, AccountClass.BILLED, pair, amount, period)
    return Entry(key=f"resolved:{dispute}", event=Event.RESOLVED, reference=dispute, postings=moved)


def adjusted(adjustment: str, pair: Pair, amount: Amount, period: str, consents: tuple[str, str]) -> Entry:
    """An adjustment pair that both parties consented to, in the place of a credit CDR: `amount` is what the debtor owes more."""
    postings = _both(AccountClass.UNBILLED, pair, amount, period)
    return Entry(
        key=f"adjusted:{adjustment}",
        event=Event.ADJUSTED,
        reference=adjustment,
        postings=postings,
        actor=" and ".join(consents),
    )


def netted(cycle: str, owed: Mapping[Pair, Amount], period: str) -> Entry:
    """A netting cycle: what was billed between pairs becomes one position of each party towards all (its counterparty is itself)."""
    postings = [
        posting
        for pair, amount in sorted(owed.items())
        for posting in (
            *_both(AccountClass.BILLED, pair, -amount, period),
            Posting(Account(AccountClass.NET, pair.debtor, pair.debtor, period, pair.currency), amount),
            Posting(Account(AccountClass.NET, pair.creditor, pair.creditor, period, pair.currency), -amount),
        )
    ]
    return Entry(key=f"netted:{cycle}", event=Event.NETTED, reference=cycle, postings=added_up(postings))


def written_off(
    reference: str, pair: Pair, amount: Amount, period: str, approvals: tuple[str, str], reason: str
) -> Entry:
    """A billed amount that nobody will pay, given up with two approvals."""
    moved = _moved(AccountClass.BILLED, AccountClass.WRITTEN_OFF, pair, amount, period)
    return Entry(
        key=f"written_off:{reference}",
        event=Event.WRITTEN_OFF,
        reference=reference,
        postings=moved,
        actor=" and ".join(approvals),
        reason=reason,
    )


def balances(entries: Iterable[Entry]) -> dict[Account, Amount]:
    """What every account holds after some entries, in any order; those that hold nothing are left out."""
    postings = added_up(posting for entry in entries for posting in entry.postings)
    return {posting.account: posting.amount for posting in postings if not posting.amount.is_nothing}


def added_up(postings: Iterable[Posting]) -> tuple[Posting, ...]:
    """One posting for each account, in the order of accounts."""
    sums: defaultdict[Account, Amount] = defaultdict(Amount)
    for posting in postings:
        sums[posting.account] += posting.amount
    return tuple(Posting(account, sums[account]) for account in sorted(sums))


def _both(kind: AccountClass, pair: Pair, amount: Amount, period: str) -> tuple[Posting, Posting]:
    """The debtor owes more, the creditor is owed more."""
    return (
        Posting(Account(kind, pair.debtor, pair.creditor, period, pair.currency), amount),
        Posting(Account(kind, pair.creditor, pair.debtor, period, pair.currency), -amount),
    )


def _moved(source: AccountClass, target: AccountClass, pair: Pair, amount: Amount, period: str) -> tuple[Posting, ...]:
    """The same claim in another account, on both sides."""
    return (*_both(source, pair, -amount, period), *_both(target, pair, amount, period))
