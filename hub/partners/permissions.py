"""Who may talk to whom about what: dated rules between two parties and a module. Pure; without a rule everything is allowed.

A rule concerns a pair of parties, in either direction: what may not be said may not be heard. Of the rules that are good at a moment and
fit, the one that names most counts; of equals the newest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain, pairwise

from ocpi_modules.catalog import FUNCTIONAL
from ocpi_modules.parties import Party


@dataclass(frozen=True, slots=True)
class Rule:
    """Whether `one` and `other` may talk about `module_id`, in [starts_at, ends_at), UTC; None is anybody, any module, or no end."""

    id: int
    one: Party | None
    other: Party | None
    module_id: str | None
    is_allowed: bool
    starts_at: datetime
    ends_at: datetime | None = None

    @property
    def weight(self) -> tuple[int, bool, int]:
        """How much the rule names, and how new it is."""
        return ((self.one is not None) + (self.other is not None), self.module_id is not None, self.id)

    def joins(self, one: Party, other: Party) -> bool:
        """Whether the rule is about these two."""
        return (_is(self.one, one) and _is(self.other, other)) or (_is(self.one, other) and _is(self.other, one))

    def is_good_at(self, moment: datetime) -> bool:
        """Whether the moment is within the dates of the rule."""
        return self.starts_at <= moment and (self.ends_at is None or moment < self.ends_at)

    def boundaries(self) -> Iterator[datetime]:
        """When the rule begins and ends to count."""
        yield self.starts_at
        if self.ends_at is not None:
            yield self.ends_at


@dataclass(frozen=True)
class Permissions:
    """All rules, as they stand at one moment (UTC); None where there are no rules at all."""

    rules: tuple[Rule, ...] = ()
    moment: datetime | None = None
    _known: dict[tuple[Party, Party, str], bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def _good(self) -> tuple[Rule, ...]:
        good = [rule for rule in self.rules if self.moment is not None and rule.is_good_at(self.moment)]
        return tuple(sorted(good, key=lambda rule: rule.weight, reverse=True))

    def allows(self, one: Party, other: Party, module_id: str) -> bool:
        """Whether two parties may talk about a module now; a party may always talk to itself."""
        if not self._good or one == other:
            return True
        key = (one, other, module_id)
        if key not in self._known:
            self._known[key] = self._decide(one, other, module_id)
        return self._known[key]

    def joins(self, one: Party, other: Party) -> bool:
        """Whether two parties may talk about anything at all."""
        return any(self.allows(one, other, module.id) for module in FUNCTIONAL)

    def at(self, moment: datetime) -> Permissions:
        """The same rules as they stand at another moment."""
        return Permissions(self.rules, moment)

    def since(self, some: Collection[Party], other: Party) -> datetime | None:
        """When it changed last whether any of some parties may talk to another at all; None when it never did (HC-07)."""
        rules = tuple(rule for rule in self.rules if any(rule.joins(party, other) for party in some))
        passed = {moment for rule in rules for moment in rule.boundaries() if self.moment and moment <= self.moment}
        newest_first = (Permissions(rules, moment) for moment in sorted(passed, reverse=True))
        for later, earlier in pairwise(chain(newest_first, (Permissions(),))):
            if later._join_any(some, other) is not earlier._join_any(some, other):
                return later.moment
        return None

    @cached_property
    def next_change(self) -> datetime | None:
        """When a rule begins or ends next."""
        coming = [moment for rule in self.rules for moment in rule.boundaries() if self.moment and moment > self.moment]
        return min(coming, default=None)

    def _decide(self, one: Party, other: Party, module_id: str) -> bool:
        for rule in self._good:
            if rule.module_id in {None, module_id} and rule.joins(one, other):
                return rule.is_allowed
        return True

    def _join_any(self, some: Iterable[Party], other: Party) -> bool:
        return any(self.joins(party, other) for party in some)


def _is(named: Party | None, party: Party) -> bool:
    return named is None or named == party
