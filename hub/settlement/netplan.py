"""Who transfers what at the end of a period, by what each pair agreed: in full, against each other, or all against all.

Positions are of everything that is billed and not disputed; they add up to zero whatever was agreed. Only the transfers differ: `gross`
pairs pay every statement by itself, `bilateral` ones what is left between the two, and all `multilateral` ones together need at most
n - 1 for n parties and a currency.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hub.settlement.agreements import Agreement, Agreements
from hub.settlement.bundle import party_text
from hub.settlement.journal import Entry, netted
from hub.settlement.netting import Amount, Owed, Pair, Transfer, positions, transfers
from hub.settlement.outputs import Content, amount_content, transfer_content
from hub.settlement.pair_statements import pair_content
from hub.settlement.periods import Period
from ocpi_modules.parties import Party

Mode = Literal["gross", "bilateral", "multilateral"]
MODES: tuple[Mode, ...] = ("gross", "bilateral", "multilateral")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPlan:
    """What is owed within pairs, what that makes of each party, and the transfers with how they came about."""

    owed: Mapping[Pair, Amount]
    net: Mapping[tuple[Party, str], Amount]
    transfers: Sequence[tuple[Mode, Transfer]]
    modes: Mapping[Pair, Mode]

    def entries(self, period: str) -> list[Entry]:
        """What netting posts: an entry for each way of netting, none where nothing is owed."""
        by_mode = {mode: {pair: self.owed[pair] for pair in self.owed if self.modes[pair] == mode} for mode in MODES}
        return [netted(f"{period}:{mode}", owed, period) for mode, owed in by_mode.items() if owed]

    def content(self) -> Content:
        """All of it, as `net.json` and `transfers.json` of a run say it."""
        return {
            "net": [
                {"party": party_text(party), "currency": currency, **amount_content(amount)}
                for (party, currency), amount in self.net.items()
            ],
            "bilateral": [
                {**pair_content(pair), "mode": self.modes[pair], **amount_content(amount)}
                for pair, amount in self.owed.items()
            ],
            "transfers": [{"mode": mode, **transfer_content(transfer)} for mode, transfer in self.transfers],
        }


def net_plan(owed: Mapping[Pair, Amount], agreements: Agreements, period: Period) -> NetPlan:
    """The plan for what is owed in a period; pairs in the order of pairs, whatever the order of `owed`."""
    ordered = {pair: owed[pair] for pair in sorted(owed)}
    modes = {pair: mode_of(pair, agreements, period) for pair in ordered}
    return NetPlan(owed=ordered, net=_positions(ordered), transfers=[*_transfers(ordered, modes)], modes=modes)


def mode_of(pair: Pair, agreements: Agreements, period: Period) -> Mode:
    """What a pair agreed on for a period: of several agreements the one in force last; multilateral where there is none."""
    bearing = [one for one in agreements.known if _bears_on(one, pair, period)]
    return max(bearing, key=_rank).netting if bearing else "multilateral"


def _bears_on(agreement: Agreement, pair: Pair, period: Period) -> bool:
    return (
        (agreement.creditor, agreement.debtor) == (pair.creditor, pair.debtor)
        and (agreement.currency is None or agreement.currency == pair.currency)
        and (agreement.valid_from is None or agreement.valid_from < period.end)
        and (agreement.valid_to is None or agreement.valid_to > period.start)
    )


def _rank(agreement: Agreement) -> tuple[float, int, str]:
    since = agreement.valid_from
    return (since.timestamp() if since is not None else float("-inf"), agreement.version, agreement.id)


def _transfers(owed: Mapping[Pair, Amount], modes: Mapping[Pair, Mode]) -> Iterator[tuple[Mode, Transfer]]:
    for mode in MODES:
        for group in _groups(mode, (pair for pair in owed if modes[pair] == mode)):
            yield from ((mode, transfer) for transfer in transfers(_positions({pair: owed[pair] for pair in group})))


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


def _positions(owed: Mapping[Pair, Amount]) -> dict[tuple[Party, str], Amount]:
    return positions({pair: Owed(amount) for pair, amount in owed.items()})
