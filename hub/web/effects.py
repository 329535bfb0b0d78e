"""What a rule on who may talk to whom would change: pairs of parties, and the modules that it closes or opens between them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations

from hub.partners.directory import Directory
from hub.partners.permissions import Permissions, Rule
from ocpi_modules.catalog import FUNCTIONAL
from ocpi_modules.module import Module
from ocpi_modules.parties import Party, Role

PARTIES_MAX = 100  # of a rule that names nobody: their pairs are looked at one by one


@dataclass(frozen=True, slots=True)
class PairEffect:
    """Two parties, and the modules that are closed and opened between them."""

    one: Party
    other: Party
    closes: tuple[str, ...]
    opens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Effects:
    """What changes; `is_partial`: only the pairs of the first PARTIES_MAX parties were looked at."""

    pairs: tuple[PairEffect, ...]
    is_partial: bool = False

    @property
    def closed(self) -> int:
        """How many pairs lose something."""
        return sum(bool(pair.closes) for pair in self.pairs)

    @property
    def opened(self) -> int:
        """How many pairs win something."""
        return sum(bool(pair.opens) for pair in self.pairs)


def with_rule(permissions: Permissions, rule: Rule, moment: datetime) -> Permissions:
    """The rules at a moment, with one more, the newest."""
    newest = max((one.id for one in permissions.rules), default=0) + 1
    return Permissions((*permissions.rules, replace(rule, id=newest)), moment)


def without_rule(permissions: Permissions, rule_id: int, moment: datetime) -> Permissions:
    """The rules at a moment, without one of them."""
    return Permissions(tuple(one for one in permissions.rules if one.id != rule_id), moment)


def effects_of(directory: Directory, rule: Rule, before: Permissions, after: Permissions) -> Effects:
    """What is different between two sets of rules for the parties that a rule is about."""
    roles = roles_by_party(directory)
    pairs, is_partial = pairs_about(sorted(roles), rule)
    nothing = frozenset[Role]()
    found = (
        _effect(pair, modules_between(roles.get(pair[0], nothing), roles.get(pair[1], nothing)), before, after)
        for pair in pairs
    )
    return Effects(tuple(one for one in found if one.closes or one.opens), is_partial)


def pairs_about(parties: Sequence[Party], rule: Rule) -> tuple[Iterator[tuple[Party, Party]], bool]:
    """The pairs that a rule is about, and whether some were left out."""
    named = [party for party in (rule.one, rule.other) if party is not None]
    if not named:
        return combinations(parties[:PARTIES_MAX], 2), len(parties) > PARTIES_MAX
    if len(named) == 2:
        return iter([(named[0], named[1])]), False
    return ((named[0], party) for party in parties if party != named[0]), False


def roles_by_party(directory: Directory) -> dict[Party, frozenset[Role]]:
    """The roles of every party, whatever their status."""
    found: dict[Party, frozenset[Role]] = {}
    for member in directory.members:
        found[member.party] = found.get(member.party, frozenset()) | {member.role}
    return found


def modules_between(roles: frozenset[Role], others: frozenset[Role]) -> tuple[str, ...]:
    """The modules that parties of some roles have anything to say about to each other; all where a role is not known."""
    if not roles or not others:
        return tuple(module.id for module in FUNCTIONAL)
    return tuple(module.id for module in FUNCTIONAL if _speaks(module, roles, others) or _speaks(module, others, roles))


def _speaks(module: Module, roles: frozenset[Role], others: frozenset[Role]) -> bool:
    return bool(roles & module.senders and others & module.receivers)


def _effect(pair: tuple[Party, Party], ids: Sequence[str], before: Permissions, after: Permissions) -> PairEffect:
    was = {module_id for module_id in ids if before.allows(*pair, module_id)}
    will = {module_id for module_id in ids if after.allows(*pair, module_id)}
    return PairEffect(*pair, closes=_in_order(ids, was - will), opens=_in_order(ids, will - was))


def _in_order(ids: Sequence[str], some: set[str]) -> tuple[str, ...]:
    return tuple(module_id for module_id in ids if module_id in some)
