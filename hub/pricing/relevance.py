"""Which settings of a policy a price depends on: those that are read while it is computed. Under another value of any other it is the same,
and needs not be computed again.
"""

from __future__ import annotations

from datetime import tzinfo
from functools import cached_property
from typing import Any

from hub.pricing.comparison import Amount, amount_of
from hub.pricing.policy import Policy, TariffPolicy
from hub.pricing.pricer import Priced, price, price_under


class _Noted(Policy):
    """A policy with a note of the settings that were read. Tariffs are compiled once, and say themselves by which settings."""

    __slots__ = ("_read",)

    _read: set[str]

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if isinstance(value, str):
            object.__getattribute__(self, "_read").add(name)
        return value

    @property
    def of_tariffs(self) -> TariffPolicy:
        """What tariffs are compiled by, without a note."""
        return TariffPolicy._make(object.__getattribute__(self, name) for name in TariffPolicy._fields)


_OF_SELECTION = frozenset({"number_reading", "time_quantity", "missing_tariff_id", "tariff_end", *TariffPolicy._fields})
"""The settings by which a charge and tariffs are read, and tariffs are found."""


class Plain:
    """A price, what it depends on as far as somebody asks, and what it would be under a change."""

    def __init__(self, priced: Priced) -> None:
        self.priced = priced

    @cached_property
    def amount(self) -> Amount:
        """The price."""
        return amount_of(self.priced.total_cost)

    @cached_property
    def settings(self) -> frozenset[str]:
        """The settings that the price depends on."""
        noted = _noted(self.priced.policy)
        again = price(self.priced.charge, self.priced.book, noted, self.priced.working.zone)
        assert isinstance(again, Priced), "what had a price has it again"
        tariffs = (tariff.settings for tariff in {*again.working.tariffs} if tariff is not None)
        assert amount_of(again.total_cost) == self.amount, "a note changes nothing"
        return frozenset(object.__getattribute__(noted, "_read")).union(*tariffs)

    def under_setting(self, name: str, value: str, zone: tzinfo | None) -> Amount | None:
        """The price with one setting changed; None where it has to be computed from the beginning."""
        if name not in self.settings:
            return self.amount
        if name in _OF_SELECTION:
            return None
        return self._again(self.priced.policy.changed(name, value), zone)

    def in_zone(self, zone: tzinfo) -> Amount:
        """The price with times of tariffs taken in another zone."""
        tariffs = self.priced.working.tariffs
        needs_it = any(tariff is not None and tariff.needs_local_time for tariff in tariffs)
        return self._again(self.priced.policy, zone) if needs_it else self.amount

    def _again(self, policy: Policy, zone: tzinfo | None) -> Amount:
        return amount_of(price_under(self.priced, self.priced.working.tariffs, policy, zone).total_cost)


def _noted(policy: Policy) -> _Noted:
    made = object.__new__(_Noted)
    object.__setattr__(made, "_read", set())
    for name, value in policy.as_content().items():
        object.__setattr__(made, name, value)
    return made
