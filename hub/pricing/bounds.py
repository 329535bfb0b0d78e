"""Between which amounts a charge costs what it costs under any mixture of some tariffs: what it cannot cost needs not be computed.

What the components of each tariff make of each period is exact; what step_size adds, which FLATs are due and what limits do is bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import tzinfo
from fractions import Fraction
from functools import cache
from math import ceil, floor

from hub.pricing.charge import Period
from hub.pricing.comparison import PARTS_OF_ONE_UNIT, Scale
from hub.pricing.exact import Exact
from hub.pricing.moments import moments_of
from hub.pricing.policy import Policy
from hub.pricing.pricer import Priced, zone_if_needed
from hub.pricing.restrictions import Moment
from hub.pricing.tariff import EXCL_UNITS, CompiledTariff
from hub.pricing.working import active, is_expired, quantities

Range = tuple[Exact, Exact]
"""From an amount to another one without VAT, in EXCL_UNITS."""


class Bounds:
    """The bounds of a charge, beside what is claimed for it without VAT. `zone` as `price` takes it."""

    def __init__(self, plain: Priced, claimed: Fraction, policy: Policy, zone: tzinfo | None) -> None:
        self._charge, self._policy, self._zone = plain.working.charge, policy, zone
        self._is_expired = is_expired(self._charge)
        tolerance = Scale.of(self._charge.currency, policy, PARTS_OF_ONE_UNIT + 1).tolerance
        self._near = floor((claimed - 2 * tolerance) * EXCL_UNITS), ceil((claimed + 2 * tolerance) * EXCL_UNITS)
        self._is_simple = policy.limit_scope == "each_tariff" and not plain.charge.is_credit
        self._of, self._slack = cache(self._costs), cache(self._slack_of)

    def may_be_claimed(self, tariffs: Sequence[CompiledTariff]) -> bool:
        """Whether the charge may cost what is claimed, or near that, with these tariffs for its periods."""
        if not self._is_simple:
            return True
        shares: defaultdict[CompiledTariff, Exact] = defaultdict(int)
        for index, tariff in enumerate(tariffs):
            shares[tariff] += self._of(tariff)[index]
        ranges = [self._limited(tariff, share) for tariff, share in shares.items()]
        least, most = sum(one[0] for one in ranges), sum(one[1] for one in ranges)
        return bool(least <= self._near[1] and self._near[0] <= most)

    def _limited(self, tariff: CompiledTariff, share: Exact) -> Range:
        """What a tariff makes of its periods: limits may count or not (M4)."""
        under, over = self._slack(tariff)
        least, most = share + under, share + over
        if tariff.max_price is not None:
            least = min(least, tariff.max_price.excl)
        if tariff.min_price is not None:
            most = max(most, tariff.min_price.excl)
        return least, most

    def _costs(self, tariff: CompiledTariff) -> list[Exact]:
        """What the quantities of each period cost under a tariff, before steps and without FLATs."""
        charge, under = self._charge, [tariff] * len(self._charge.periods)
        zone = zone_if_needed(charge, under) if self._zone is None else self._zone
        moments = moments_of(charge, under, self._policy, zone)
        return [self._cost(period, tariff, moment) for period, moment in zip(charge.periods, moments, strict=True)]

    def _cost(self, period: Period, tariff: CompiledTariff, moment: Moment) -> Exact:
        total: Exact = 0
        for components, quantity in quantities(period, tariff, self._is_expired):
            component = None if quantity is None else active(components, moment)
            if component is not None and quantity is not None:
                total += component.rate * quantity
        return total

    def _slack_of(self, tariff: CompiledTariff) -> Range:
        """What steps and FLATs change at most: no surplus is larger than its step, and no FLAT is due twice under `component` (F1)."""
        rounded: int = 1 if self._policy.step_size == "session" else len(self._charge.periods)
        least: Exact = 0
        most: Exact = 0
        for component in tariff.components:
            step: Exact = max(component.rate, -component.rate) * component.step * rounded
            fee = component.rate if component.dimension == "FLAT" else 0
            least, most = least - step + min(fee, 0), most + step + max(fee, 0)
        return least, most
