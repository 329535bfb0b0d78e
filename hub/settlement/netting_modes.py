"""How what is owed is paid, by what each pair agreed: every statement by itself, the two against each other, or all against all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from hub.settlement.agreements import Agreement, Agreements
from hub.settlement.evidence import SettlementPeriod
from hub.settlement.netting import Amount, Owed, Pair, Transfer, positions, transfers
from hub.settlement.periods import Period

Mode = Literal["gross", "bilateral", "multilateral"]
MODES: tuple[Mode, ...] = ("gross", "bilateral", "multilateral")

Span = Period | SettlementPeriod


def agreed_transfers(owed: Mapping[Pair, Owed], agreements: Agreements, period: Span) -> Iterator[Transfer]:
    """The payments for what is owed within pairs, in the order of the ways of netting."""
    amounts = {pair: sums.amount for pair, sums in owed.items()}
    modes = {pair: mode_of(pair, agreements, period) for pair in amounts}
    return (transfer for _, transfer in transfers_by_mode(amounts, modes))


def mode_of(pair: Pair, agreements: Agreements, period: Span) -> Mode:
    """What a pair agreed on for a period: of several agreements the one in force last; multilateral where there is none."""
    bearing = [one for one in agreements.known if _bears_on(one, pair, period)]
    return max(bearing, key=_rank).netting if bearing else "multilateral"


def transfers_by_mode(owed: Mapping[Pair, Amount], modes: Mapping[Pair, Mode]) -> Iterator[tuple[Mode, Transfer]]:
    """The payments for what is owed, each with the way of netting that made it."""
    for mode in MODES:
        for group in _groups(mode, (pair for pair in owed if modes[pair] == mode)):
            net = positions({pair: Owed(owed[pair]) for pair in group})
            yield from ((mode, transfer) for transfer in transfers(net))


def _bears_on(agreement: Agreement, pair: Pair, period: Span) -> bool:
    return (
        (agreement.creditor, agreement.debtor) == (pair.creditor, pair.debtor)
        and (agreement.currency is None or agreement.currency == pair.currency)
        and (agreement.valid_from is None or agreement.valid_from < period.end)
        and (agreement.valid_to is None or agreement.valid_to > period.start)
    )


def _rank(agreement: Agreement) -> tuple[float, int, str]:
    since = agreement.valid_from
    return (since.timestamp() if since is not None else float("-inf"), agreement.version, agreement.id)


def _groups(mode: Mode, pairs: Iterable[Pair]) -> Iterable[list[Pair]]:
    """The pairs whose claims are set off against each other."""
    groups: defaultdict[object, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[_group(mode, pair)].append(pair)
    return groups.values()


def _group(mode: Mode, pair: Pair) -> object:
    if mode == "gross":
        return pair
    return frozenset((pair.creditor, pair.debtor)) if mode == "bilateral" else mode
