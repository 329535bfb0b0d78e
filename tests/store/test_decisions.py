"""Decisions as rows: with each change the CDRs that it bears on wait to be looked at again, in the same transaction (point 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.store.copies import Copies
from hub.store.database import Database
from hub.store.decisions import Asked, Decisions, NewDecision, Target
from hub.store.verdicts import Examined, KeptFinding, Verdicts
from tests.store import NOW, Object
from tests.store.test_verdicts import accept, copies, examined, finding, look, verdict, verdicts

Example = Callable[..., Object]

__all__ = ["copies", "verdicts"]

CAUSE = finding().cause
HOUR = timedelta(hours=1)


@pytest.fixture
def decisions(database: Database) -> Decisions:
    return Decisions(database.direct)


def new(scope: str = "cause", target: str = CAUSE, **changes: Any) -> NewDecision:
    values: dict[str, Any] = {
        "scope": scope,
        "target": target,
        "action": "accept",
        "reason": "PRICE",
        "note": "",
        "at_risk": "{}",
        "most": Decimal(10),
        "actor": "Ines",
    }
    return NewDecision(**{**values, **changes})


def weighing(key: str, risk: str, *names: str, **changes: Any) -> KeptFinding:
    """A finding of which as much hangs on each of its CDRs."""
    made = replace(finding(key, *names), **changes)
    return replace(made, risks=(Decimal(risk),) * len(made.cdrs))


async def settle(copies: Copies, verdicts: Verdicts, example: Example, *findings: KeptFinding) -> None:
    """The CDRs C1 to C3 were accepted and looked at; C3 is billed."""
    for key in ("C1", "C2", "C3"):
        await accept(copies, example, key)
    kept = [verdict(key, "HOLD") for key in ("C1", "C2", "C3")]
    assert await verdicts.keep(examined(*kept, findings=findings))


async def bill(database: Database, key: str) -> None:
    async with database.direct.transaction() as connection:
        await connection.execute("update verdict set statement = 'S' where cdr_key = $1", key)


async def waiting(verdicts: Verdicts) -> list[str]:
    return [one.key for one in await verdicts.waiting(10)]


@pytest.mark.parametrize(
    ("target", "again"),
    [
        pytest.param(("cause", CAUSE), ["C1", "C2"], id="a cause: the CDRs of all its findings"),
        pytest.param(("cause", "another"), [], id="another cause"),
        pytest.param(("finding", "F1"), ["C1"], id="one finding"),
        pytest.param(("cdr", "DE/CP1/C2"), ["C2"], id="one CDR"),
        pytest.param(("cdr", "DE/CP1/C3"), [], id="a billed CDR does not change any more"),
    ],
)
async def test_a_decision_has_its_cdrs_looked_at_again(
    copies: Copies,
    verdicts: Verdicts,
    decisions: Decisions,
    database: Database,
    example: Example,
    target: Target,
    again: list[str],
) -> None:
    await settle(copies, verdicts, example, finding("F1", "C1"), finding("F2", "C2", "C3"))
    await bill(database, "C3")
    await decisions.keep(new(*target), NOW, stands=True)
    assert await waiting(verdicts) == again


async def test_a_decision_that_waits_changes_nothing_until_it_is_confirmed(
    copies: Copies, verdicts: Verdicts, decisions: Decisions, example: Example
) -> None:
    await settle(copies, verdicts, example, finding("F1", "C1"))
    proposed = await decisions.keep(new(), NOW, stands=False)
    assert (await waiting(verdicts), await decisions.standing([("cause", CAUSE)])) == ([], [])
    confirmed = await decisions.confirm(proposed, "Otto", NOW + HOUR)
    assert confirmed is not None
    assert (confirmed.stands_since, confirmed.confirmed_by, confirmed.most) == (NOW + HOUR, "Otto", None)
    assert (await waiting(verdicts), await decisions.standing([("cause", CAUSE)])) == (["C1"], [confirmed])
    assert await decisions.confirm(proposed, "Otto", NOW + HOUR) is None


async def test_a_revoked_decision_stands_no_longer_and_stays_listed(
    copies: Copies, verdicts: Verdicts, decisions: Decisions, example: Example
) -> None:
    await settle(copies, verdicts, example, finding("F1", "C1"))
    kept = await decisions.keep(new(), NOW, stands=True)
    await look(verdicts, replace(examined(verdict("C1")), revision=await decisions.revision()))
    assert await waiting(verdicts) == []
    revoked = await decisions.revoke(kept, "Otto", NOW + HOUR)
    assert revoked is not None
    assert (revoked.revoked_at, revoked.revoked_by) == (NOW + HOUR, "Otto")
    assert await decisions.standing([("cause", CAUSE)]) == []
    assert await decisions.about([("cause", CAUSE)]) == [revoked]
    assert await decisions.revoke(kept, "Ines", NOW + HOUR) is None


async def test_a_look_that_does_not_know_the_last_decision_keeps_nothing(
    copies: Copies, verdicts: Verdicts, decisions: Decisions, example: Example
) -> None:
    """What was decided in the meantime counts: the look is repeated with it."""
    await settle(copies, verdicts, example, finding("F1", "C1"))
    stale = examined(verdict("C1"))
    await decisions.keep(new(), NOW, stands=True)
    assert not await verdicts.keep(stale)
    assert await waiting(verdicts) == ["C1"]
    assert await look(verdicts, replace(stale, revision=await decisions.revision()))
    assert await waiting(verdicts) == []


async def test_no_decision_is_lost_beside_looks_at_the_same_time(
    copies: Copies, verdicts: Verdicts, decisions: Decisions, example: Example
) -> None:
    """Whatever the order in which they commit, the last decision is applied or its CDRs wait."""
    await settle(copies, verdicts, example, finding("F1", "C1"))

    async def look() -> Examined | None:
        again = examined(verdict("C1", "HOLD"), findings=(finding("F1", "C1"),))
        made = replace(again, revision=await decisions.revision())
        return made if await verdicts.keep(made) else None

    for number in range(10):
        kept = [decisions.keep(new(actor=f"A{number}"), NOW, stands=True), *(look() for _ in range(3))]
        _, *looks = await asyncio.gather(*kept)
        applied = [one.revision for one in looks if isinstance(one, Examined)]
        assert await waiting(verdicts) == ["C1"] or max(applied, default=0) == await decisions.revision()


@pytest.mark.parametrize(
    ("target", "cdrs", "dropped", "at_risk"),
    [
        pytest.param(("cause", CAUSE), 2, 0, "5", id="a CDR in two findings of a cause counts once, by the larger"),
        pytest.param(("finding", "F2"), 2, 0, "4", id="a finding: all of its CDRs"),
        pytest.param(("cdr", "DE/CP1/C1"), 1, 1, "7", id="a CDR: what most hangs on"),
        pytest.param(("cdr", "DE/CP1/C3"), 1, 0, "0", id="a CDR without findings"),
    ],
)
async def test_a_target_is_weighed(
    copies: Copies,
    verdicts: Verdicts,
    decisions: Decisions,
    example: Example,
    target: Target,
    cdrs: int,
    dropped: int,
    at_risk: str,
) -> None:
    other = weighing("F3", "7", "C1", cause="other", disposition="DROP")
    await settle(copies, verdicts, example, weighing("F1", "3", "C1"), weighing("F2", "2", "C1", "C2"), other)
    weight = await decisions.weigh(target)
    assert weight is not None
    assert (weight.cdrs, weight.dropped, weight.billed, weight.at_risk) == (cdrs, dropped, 0, {"EUR": Decimal(at_risk)})


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(("cause", "none"), id="no such cause"),
        pytest.param(("finding", "none"), id="no such finding"),
        pytest.param(("cdr", "DE/CP1/NONE"), id="no such CDR"),
    ],
)
async def test_what_is_not_there_weighs_nothing(decisions: Decisions, target: Target) -> None:
    assert await decisions.weigh(target) is None


async def test_decisions_are_listed_by_state_and_from_a_place_on(decisions: Decisions) -> None:
    standing = await decisions.keep(new(), NOW, stands=True)
    proposed = await decisions.keep(new("finding", "F1", actor=" ines "), NOW, stands=False)
    revoked = await decisions.revoke(await decisions.keep(new(actor="Otto"), NOW, stands=True), "Otto", NOW)
    assert await decisions.page(Asked(), 10) == [revoked, proposed, standing]
    assert await decisions.page(Asked(state="proposed"), 10) == [proposed]
    assert await decisions.page(Asked(state="standing"), 10) == [standing]
    assert await decisions.page(Asked(actor="INES"), 10) == [proposed, standing]
    assert await decisions.page(Asked(scope="cause", target=CAUSE, before=proposed.id), 10) == [standing]
    assert await decisions.load(standing.id) == standing
