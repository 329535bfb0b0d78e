"""Who may talk to whom, as a function of rules and a moment: HC-03, HC-07, HC-10."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.partners.permissions import Permissions, Rule
from ocpi_modules.catalog import FUNCTIONAL
from ocpi_modules.parties import Party

CP1, CP2, MS1, MS2 = Party("DE", "CP1"), Party("BE", "CP2"), Party("NL", "MS1"), Party("BE", "MS2")
EVERYBODY = (CP1, CP2, MS1, MS2)
MODULES = tuple(module.id for module in FUNCTIONAL)
T = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def rule(text: str, id: int = 1, starts: float = 0, ends: float | None = None) -> Rule:
    """``rule("no DE/CP1 * locations", starts=-5, ends=5)``: seconds from T; a star is anybody or any module."""
    verdict, one, other, module = text.split()
    one_party, other_party = (None if name == "*" else Party.parse(name) for name in (one, other))
    return Rule(
        id=id,
        one=one_party,
        other=other_party,
        module_id=None if module == "*" else module,
        is_allowed=verdict == "yes",
        starts_at=T + starts * SECOND,
        ends_at=None if ends is None else T + ends * SECOND,
    )


def rules(*texts: str) -> Permissions:
    """Rules that are all good at T, the oldest first."""
    return Permissions(tuple(rule(text, id) for id, text in zip(count(1), texts, strict=False)), T)


# --- one rule ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pair", "module", "is_allowed"),
    [
        pytest.param("no DE/CP1 NL/MS1 locations", (CP1, MS1), "locations", False, id="as it is written"),
        pytest.param("no DE/CP1 NL/MS1 locations", (MS1, CP1), "locations", False, id="in the other direction"),
        pytest.param("no DE/CP1 NL/MS1 locations", (CP1, MS1), "tariffs", True, id="another module"),
        pytest.param("no DE/CP1 NL/MS1 locations", (CP1, MS2), "locations", True, id="another party"),
        pytest.param("no DE/CP1 NL/MS1 locations", (CP2, MS1), "locations", True, id="another first party"),
        pytest.param("no DE/CP1 NL/MS1 *", (MS1, CP1), "commands", False, id="any module"),
        pytest.param("no DE/CP1 * locations", (MS2, CP1), "locations", False, id="anybody, with this party second"),
        pytest.param("no * DE/CP1 locations", (CP1, MS2), "locations", False, id="anybody, written first"),
        pytest.param("no DE/CP1 * locations", (CP2, MS2), "locations", True, id="a pair without this party"),
        pytest.param("no * * *", (CP2, MS2), "sessions", False, id="nobody about anything"),
        pytest.param("no * * *", (CP1, CP1), "sessions", True, id="but a party with itself"),
        pytest.param("yes DE/CP1 NL/MS1 *", (CP1, MS2), "sessions", True, id="what is allowed forbids nothing else"),
    ],
)
def test_a_rule_is_about_its_pair_in_either_direction(
    text: str, pair: tuple[Party, Party], module: str, is_allowed: bool
) -> None:
    assert rules(text).allows(*pair, module) is is_allowed


def test_without_a_rule_everything_is_allowed() -> None:
    assert all(Permissions().allows(CP1, MS1, module) for module in MODULES)
    assert Permissions().joins(CP1, MS1)


@pytest.mark.parametrize(
    ("now", "is_allowed"),
    [
        pytest.param(-0.001, True, id="just before it starts"),
        pytest.param(0, False, id="at the start: inclusive"),
        pytest.param(9.999, False, id="just before it ends"),
        pytest.param(10, True, id="at the end: exclusive"),
        pytest.param(1000, True, id="long after"),
    ],
)
def test_a_rule_counts_between_its_dates(now: float, is_allowed: bool) -> None:
    known = Permissions((rule("no DE/CP1 NL/MS1 *", starts=0, ends=10),), T + now * SECOND)
    assert known.allows(CP1, MS1, "locations") is is_allowed


def test_a_rule_without_end_counts_for_good() -> None:
    known = Permissions((rule("no DE/CP1 NL/MS1 *"),), T + timedelta(days=36_500))
    assert not known.allows(CP1, MS1, "locations")


def test_a_rule_that_ended_before_it_began_never_counts() -> None:
    """A rule that was taken back before its time: both its dates are the moment at which that was done."""
    taken_back = Permissions((rule("no DE/CP1 NL/MS1 *", starts=5, ends=5),), T)
    for seconds in (0, 5, 6):
        known = taken_back.at(T + seconds * SECOND)
        assert known.allows(CP1, MS1, "locations")
        assert known.since([MS1], CP1) is None


def test_the_same_rules_at_another_moment_are_asked_afresh() -> None:
    """What was found out for one moment says nothing of another."""
    early = Permissions((rule("no DE/CP1 NL/MS1 *", starts=5),), T)
    assert early.allows(CP1, MS1, "locations")
    assert not early.at(T + 5 * SECOND).allows(CP1, MS1, "locations")
    assert early.allows(CP1, MS1, "locations")


# --- which of several --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "is_allowed"),
    [
        pytest.param(["no * * *", "yes DE/CP1 NL/MS1 *"], True, id="a pair before everybody"),
        pytest.param(["yes DE/CP1 NL/MS1 *", "no * * *"], True, id="whatever came last"),
        pytest.param(["no * * locations", "yes DE/CP1 * *"], True, id="a party before a module"),
        pytest.param(["no DE/CP1 * locations", "yes DE/CP1 NL/MS1 *"], True, id="two parties before one and a module"),
        pytest.param(["yes DE/CP1 NL/MS1 locations", "no DE/CP1 NL/MS1 *"], True, id="a module before any module"),
        pytest.param(["yes DE/CP1 NL/MS1 tariffs", "no DE/CP1 NL/MS1 *"], False, id="if it is this module"),
        pytest.param(["yes * * *", "no * * locations"], False, id="a module before any, for everybody"),
        pytest.param(["no * * *", "yes * * *"], True, id="of equals the newest: opened"),
        pytest.param(["yes * * *", "no * * *"], False, id="of equals the newest: closed"),
        pytest.param(["no DE/CP1 * *", "yes NL/MS1 * *"], True, id="one party each: the newest"),
        pytest.param(["yes NL/MS1 * *", "no * DE/CP1 *"], False, id="one party each, wherever it stands"),
    ],
)
def test_the_rule_that_names_most_counts_and_of_equals_the_newest(texts: list[str], is_allowed: bool) -> None:
    known = rules(*texts)
    assert known.allows(CP1, MS1, "locations") is is_allowed
    assert known.allows(MS1, CP1, "locations") is is_allowed


def test_a_rule_that_is_not_good_now_does_not_count_however_much_it_names() -> None:
    coming = rule("yes DE/CP1 NL/MS1 locations", id=2, starts=10)
    ended = rule("yes DE/CP1 NL/MS1 locations", id=3, starts=-10, ends=0)
    assert not Permissions((rule("no * * *"), coming, ended), T).allows(CP1, MS1, "locations")


# --- anything at all ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "is_joined"),
    [
        pytest.param(["no DE/CP1 NL/MS1 locations"], True, id="one module is closed"),
        pytest.param(["no DE/CP1 NL/MS1 *"], False, id="all are closed"),
        pytest.param(["no DE/CP1 NL/MS1 *", "yes DE/CP1 NL/MS1 cdrs"], True, id="all but one"),
        pytest.param([f"no DE/CP1 NL/MS1 {module}" for module in MODULES], False, id="one after the other"),
    ],
)
def test_two_parties_are_joined_while_there_is_anything_to_talk_about(texts: list[str], is_joined: bool) -> None:
    """HC-03."""
    assert rules(*texts).joins(CP1, MS1) is is_joined
    assert rules(*texts).joins(MS1, CP1) is is_joined
    assert rules(*texts).joins(CP1, MS2)


@pytest.mark.parametrize(
    ("known", "some", "seconds"),
    [
        pytest.param([rule("no DE/CP1 NL/MS1 *", starts=-9)], [MS1], -9, id="closed"),
        pytest.param([rule("no DE/CP1 NL/MS1 *", starts=-9, ends=-4)], [MS1], -4, id="closed and open again"),
        pytest.param([rule("no DE/CP1 NL/MS1 *", starts=-9, ends=5)], [MS1], -9, id="its end is to come"),
        pytest.param([rule("no DE/CP1 NL/MS1 *", starts=5)], [MS1], None, id="all of it is to come"),
        pytest.param([rule("no DE/CP1 NL/MS1 locations", starts=-9)], [MS1], None, id="one module is not all"),
        pytest.param([rule("yes DE/CP1 NL/MS1 *", starts=-9)], [MS1], None, id="allowed, as it was before"),
        pytest.param([rule("no DE/CP1 NL/MS2 *", starts=-9)], [MS1], None, id="a rule about another party"),
        pytest.param([rule("no DE/CP1 NL/MS1 *", starts=-9)], [MS1, MS2], None, id="its platform has another party"),
        pytest.param(
            [rule("no DE/CP1 NL/MS1 *", 1, -9), rule("no DE/CP1 * *", 2, -7), rule("no BE/MS2 DE/CP1 *", 3, -5)],
            [MS1, MS2],
            -7,
            id="when the last of its parties was closed",
        ),
        pytest.param(
            [rule("no DE/CP1 NL/MS1 *", 1, -9), rule("no * * *", 2, -3)],
            [MS1],
            -9,
            id="closed once more changes nothing",
        ),
        pytest.param([rule("no * * *", starts=-9)], [], None, id="a platform without parties"),
    ],
)
def test_since_when_two_sides_may_or_may_not_talk(known: list[Rule], some: list[Party], seconds: float | None) -> None:
    """HC-07: the moment of a change of status, and of nothing else."""
    expected = None if seconds is None else T + seconds * SECOND
    assert Permissions(tuple(known), T).since(some, CP1) == expected


@pytest.mark.parametrize(
    ("known", "seconds"),
    [
        pytest.param([], None, id="no rules"),
        pytest.param([rule("no * * *", starts=-9)], None, id="good for good"),
        pytest.param([rule("no * * *", starts=-9, ends=4)], 4, id="an end"),
        pytest.param([rule("no * * *", starts=3, ends=4)], 3, id="a start"),
        pytest.param([rule("no * * *", starts=-9, ends=0)], None, id="now is over"),
        pytest.param([rule("no * * *", starts=-9, ends=4), rule("yes * * *", 2, 2)], 2, id="the first of several"),
    ],
)
def test_when_a_rule_begins_or_ends_next(known: list[Rule], seconds: float | None) -> None:
    expected = None if seconds is None else T + seconds * SECOND
    assert Permissions(tuple(known), T).next_change == expected


# --- whatever the rules are --------------------------------------------------------------------

_parties = st.sampled_from(EVERYBODY)
_anybody = st.none() | _parties
_seconds = st.integers(-5, 5)


@st.composite
def _any_rules(draw: st.DrawFn) -> tuple[Rule, ...]:
    def one_rule(id: int) -> Rule:
        start = draw(_seconds)
        end = draw(st.none() | st.integers(start, 6))
        module = draw(st.none() | st.sampled_from(MODULES[:2]))
        one = draw(_anybody)
        other = draw(_anybody.filter(lambda party: party is None or party != one))
        ends_at = None if end is None else T + end * SECOND
        return Rule(id, one, other, module, draw(st.booleans()), T + start * SECOND, ends_at)

    return tuple(one_rule(id) for id in range(1, 1 + draw(st.integers(0, 6))))


def decided_plainly(known: Sequence[Rule], pair: set[Party], module: str, now: datetime) -> bool:
    """The same question, answered by sorting all that fit."""
    fitting = [
        one
        for one in known
        if one.starts_at <= now
        and (one.ends_at is None or now < one.ends_at)
        and one.module_id in {None, module}
        and {one.one, one.other} - {None} <= pair
    ]
    named = sorted(
        (len([p for p in (one.one, one.other) if p]), one.module_id is not None, one.id, one.is_allowed)
        for one in fitting
    )
    return named[-1][-1] if named else True


@given(_any_rules(), _parties, _parties, st.sampled_from(MODULES[:3]), _seconds)
def test_the_decision_is_the_same_in_either_direction_and_that_of_the_plain_rule(
    known: tuple[Rule, ...], one: Party, other: Party, module: str, seconds: int
) -> None:
    now = T + seconds * SECOND
    permissions = Permissions(known, now)
    allowed = permissions.allows(one, other, module)
    assert allowed is permissions.allows(other, one, module)
    if one == other:
        assert allowed
    else:
        assert allowed is decided_plainly(known, {one, other}, module, now)


@given(_any_rules(), _parties, _parties)
def test_since_is_the_last_moment_at_which_joined_turned(known: tuple[Rule, ...], one: Party, other: Party) -> None:
    """Compared with a walk through all seconds: every boundary is at a full one."""
    states = [Permissions(known, T + seconds * SECOND).joins(one, other) for seconds in range(-6, 1)]
    turns = [seconds for seconds in range(-5, 1) if states[seconds + 6] is not states[seconds + 5]]
    assert Permissions(known, T).since([one], other) == (T + turns[-1] * SECOND if turns else None)


@given(_any_rules(), _seconds)
def test_nothing_changes_before_the_next_change(known: tuple[Rule, ...], seconds: int) -> None:
    now = Permissions(known, T + seconds * SECOND)
    until = now.next_change or T + 99 * SECOND
    later = now.at(until - SECOND)
    assert all(
        now.allows(one, other, module) is later.allows(one, other, module)
        for one in EVERYBODY
        for other in EVERYBODY
        for module in MODULES[:3]
    )
