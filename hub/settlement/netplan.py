"""Who transfers what at the end of a period, by what each pair agreed: in full, against each other, or all against all.

Positions are of everything that is billed and not disputed; they add up to zero whatever was agreed. Only the transfers differ: `gross`
pairs pay every statement by itself, `bilateral` ones what is left between the two, and all `multilateral` ones together need at most
n - 1 for n parties and a currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.settlement.agreements import Agreements
from hub.settlement.bundle import party_text
from hub.settlement.journal import Entry, netted
from hub.settlement.netting import Amount, Owed, Pair, Transfer, positions
from hub.settlement.netting_modes import MODES, Mode, mode_of, transfers_by_mode
from hub.settlement.outputs import Content, amount_content, transfer_content
from hub.settlement.pair_statements import pair_content
from hub.settlement.periods import Period
from ocpi_modules.parties import Party


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
    return NetPlan(owed=ordered, net=_positions(ordered), transfers=[*transfers_by_mode(ordered, modes)], modes=modes)


def _positions(owed: Mapping[Pair, Amount]) -> dict[tuple[Party, str], Amount]:
    return positions({pair: Owed(amount) for pair, amount in owed.items()})
