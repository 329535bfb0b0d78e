"""How far a handshake is, and the drawings of the operator's desk, as pure functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.console.bars import HEIGHT, WIDTH, bars_of
from hub.console.inviting import RoleRow, changed, read_roles
from hub.console.joining import INVITED, Begun, Way, way_of
from hub.console.live import event
from hub.console.parties import read_local
from hub.partners.progress import Step
from hub.store.handshakes import KeptStep
from ocpi_modules.errors import InvalidParameters

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
NO_PROBE = (False, "")


def kept(step: Step, minute: int, *, is_good: bool = True, said: str = "") -> KeptStep:
    at = NOW + timedelta(minutes=minute)
    return KeptStep(subject="invitation/1", step=step, is_good=is_good, first_at=at, last_at=at, times=1, said=said)


def way(*steps: KeptStep, probe: tuple[bool, str] = NO_PROBE, is_open: bool = True) -> Way:
    return way_of(Begun(label="invited", at=NOW, is_open=is_open), INVITED, steps, probe)


READ = (kept(Step.VERSIONS, 1), kept(Step.DETAILS, 2))
REFUSED = kept(Step.DISCOVERED, 4, is_good=False, said="no endpoint")
JOINED = (kept(Step.CREDENTIALS, 5), kept(Step.DISCOVERED, 6), kept(Step.JOINED, 7, said="3"))


@pytest.mark.parametrize(
    ("found", "states"),
    [
        pytest.param(way(), "done now later later later later later", id="invited"),
        pytest.param(way(*READ), "done done done now later later later", id="read everything"),
        pytest.param(way(READ[1]), "done done done now later later later", id="read the details at once"),
        pytest.param(
            way(*READ, kept(Step.CREDENTIALS, 3), REFUSED), "done done done done failed later later", id="went wrong"
        ),
        pytest.param(way(*READ, REFUSED, *JOINED), "done done done done done done now", id="went well after that"),
        pytest.param(
            way(*READ, kept(Step.CREDENTIALS, 3), kept(Step.DISCOVERED, 3), REFUSED),
            "done done done done failed later later",
            id="went well, then wrong: the last counts",
        ),
        pytest.param(way(*JOINED), "done done done done done done now", id="joined and read nothing before"),
        pytest.param(way(*READ, *JOINED, probe=(True, "")), "done " * 7, id="looked at"),
        pytest.param(way(*READ, is_open=False), "done done done later later later later", id="taken back"),
    ],
)
def test_the_stages_of_a_handshake(found: Way, states: str) -> None:
    assert [stage.state for stage in found.stages] == states.split()


def test_a_handshake_is_over_when_its_partner_was_looked_at_or_nobody_can_come() -> None:
    assert (way(*JOINED).partner_id, way(*JOINED).is_over) == (3, False)
    assert way(*JOINED, probe=(True, "")).is_over
    assert way(*JOINED, is_open=False).is_over is False
    assert way(is_open=False).is_over


def test_bars_fill_the_drawing_and_minutes_without_anything_are_there() -> None:
    counts = {
        NOW: {"1xxx": 3, "2xxx": 1},
        NOW - timedelta(minutes=2): {"1xxx": 2},
        NOW - timedelta(hours=1): {"1xxx": 99},
    }
    drawn = bars_of(counts, NOW + timedelta(seconds=59), 3)
    assert [bar.total for bar in drawn.bars] == [2, 0, 4]
    assert (drawn.most, drawn.total) == (4, 6)
    last = drawn.bars[-1].blocks
    assert [(block.kind, block.y, block.height) for block in last] == [
        ("1xxx", HEIGHT / 4, HEIGHT * 3 / 4),
        ("2xxx", 0, HEIGHT / 4),
    ]
    assert last[0].x + last[0].width < WIDTH
    assert bars_of({}, NOW, 3).most == 0


def test_an_event_is_one_line_of_data_for_each_line() -> None:
    assert event("<b>\r\n\nx</b>") == "data: <b>\ndata: \ndata: x</b>\n\n"
    assert event("", "over") == "event: over\ndata: \n\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", None, id="nothing"),
        pytest.param("2026-10-24T12:00", datetime(2026, 10, 24, 10, tzinfo=UTC), id="in summer"),
        pytest.param("2026-10-26T12:00", datetime(2026, 10, 26, 11, tzinfo=UTC), id="in winter"),
    ],
)
def test_a_moment_of_a_form_is_of_the_zone_of_the_person(text: str, expected: datetime | None) -> None:
    assert read_local(text, "Europe/Berlin") == expected


@pytest.mark.parametrize("text", ["soon", "2026-13-01T00:00", "0001-01-01T00:00"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameters, match="written like"):
        read_local(text, "Europe/Berlin")


def test_rows_of_the_wizard_change_without_losing_what_was_typed() -> None:
    rows = [RoleRow("CPO", "de", "a"), RoleRow("EMSP", "de", "b")]
    assert changed(rows, "")[2] == RoleRow("EMSP")
    assert changed(rows, "0") == rows[1:]
    assert changed(rows[:1], "0") == [RoleRow()]
    with pytest.raises(InvalidParameters, match="row 2: party id"):
        read_roles([rows[0], RoleRow("CPO", "de", "longer")])
