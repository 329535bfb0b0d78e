"""What a rule on who may talk to whom would change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.console.matrix import matrix_of
from hub.partners.directory import Directory, Member, Presence
from hub.partners.permissions import Permissions, Rule
from hub.web.effects import PARTIES_MAX, Effects, effects_of, modules_between, with_rule, without_rule
from ocpi_modules.parties import Party, Role

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
CPO, OTHER_CPO, EMSP, NAP = (Party.parse(name) for name in ("DE/CP1", "DE/CP2", "NL/MS1", "AT/NAP"))
ROLES = {CPO: Role.CPO, OTHER_CPO: Role.CPO, EMSP: Role.EMSP, NAP: Role.NAP}
DIRECTORY = Directory(
    Party.parse("NL/HUB"),
    members=tuple(Member(party, role, "", Presence.OFFLINE, NOW, 1) for party, role in ROLES.items()),
)
EVERYTHING = ("locations", "sessions", "cdrs", "tariffs", "tokens", "commands", "chargingprofiles")
PUBLIC = ("locations", "tariffs")


def rule(
    one: Party | None, other: Party | None, module: str | None = None, *, allowed: bool = False, id: int = 0
) -> Rule:
    return Rule(id, one, other, module, allowed, NOW)


def made(new: Rule, *rules: Rule) -> Effects:
    permissions = Permissions(rules, NOW)
    return effects_of(DIRECTORY, new, permissions, with_rule(permissions, new, NOW))


CLOSED = rule(CPO, EMSP, "cdrs", id=1)


@pytest.mark.parametrize(
    ("effects", "closes", "opens"),
    [
        pytest.param(made(rule(CPO, EMSP)), {(CPO, EMSP): EVERYTHING}, {}, id="one pair, all of it"),
        pytest.param(made(rule(CPO, EMSP, "cdrs")), {(CPO, EMSP): ("cdrs",)}, {}, id="one module"),
        pytest.param(
            made(rule(CPO, None)),
            {(CPO, EMSP): EVERYTHING, (CPO, NAP): PUBLIC},
            {},
            id="only what they could talk about",
        ),
        pytest.param(made(rule(CPO, OTHER_CPO)), {}, {}, id="two that have nothing to say to each other"),
        pytest.param(made(rule(CPO, EMSP, "cdrs"), CLOSED), {}, {}, id="closed already"),
        pytest.param(made(rule(CPO, None, "cdrs", allowed=True), CLOSED), {}, {}, id="one that names more counts"),
        pytest.param(
            made(rule(CPO, EMSP, "cdrs", allowed=True), CLOSED),
            {},
            {(CPO, EMSP): ("cdrs",)},
            id="opened again by a newer one",
        ),
    ],
)
def test_a_rule_closes_and_opens(
    effects: Effects,
    closes: dict[tuple[Party, Party], tuple[str, ...]],
    opens: dict[tuple[Party, Party], tuple[str, ...]],
) -> None:
    assert {(pair.one, pair.other): pair.closes for pair in effects.pairs if pair.closes} == closes
    assert {(pair.one, pair.other): pair.opens for pair in effects.pairs if pair.opens} == opens
    assert (effects.closed, effects.opened) == (len(closes), len(opens))


def test_what_ends_with_a_rule_is_open_again() -> None:
    permissions = Permissions((CLOSED,), NOW)
    effects = effects_of(DIRECTORY, CLOSED, permissions, without_rule(permissions, CLOSED.id, NOW + timedelta(days=1)))
    assert [(pair.closes, pair.opens) for pair in effects.pairs] == [((), ("cdrs",))]


def test_of_very_many_parties_only_some_are_looked_at_for_a_rule_that_names_nobody() -> None:
    members = tuple(
        Member(Party("DE", f"{number:03}"), Role.CPO if number % 2 else Role.EMSP, "", Presence.CONNECTED, NOW, 1)
        for number in range(PARTIES_MAX + 1)
    )
    new, nothing = rule(None, None), Permissions((), NOW)
    effects = effects_of(Directory(DIRECTORY.hub, members=members), new, nothing, with_rule(nothing, new, NOW))
    assert effects.is_partial
    assert effects.closed > PARTIES_MAX
    assert not made(new).is_partial


def test_of_a_party_whose_role_is_not_known_everything_is_looked_at() -> None:
    assert modules_between(frozenset(), frozenset({Role.NAP})) == EVERYTHING


def test_the_grid_says_of_each_pair_what_is_open() -> None:
    grid = matrix_of(DIRECTORY, Permissions((CLOSED, rule(NAP, None, id=2)), NOW))
    assert grid.parties == sorted(ROLES)
    states = {(cell.one, cell.other): cell.state for _, cells in grid.rows for cell in cells}
    assert states[CPO, CPO] == "itself"
    assert states[CPO, OTHER_CPO] == "nothing"
    assert states[CPO, EMSP] == states[EMSP, CPO] == "some"
    assert states[OTHER_CPO, EMSP] == "all"
    assert states[NAP, CPO] == states[CPO, NAP] == "none"
