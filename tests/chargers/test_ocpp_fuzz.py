"""C-T8: whatever a station says, it is answered, nothing of it is a fault of the hub, and the next message is answered too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.chargers.gateway import SUBPROTOCOLS
from tests.chargers.desks import NotingDesk
from tests.chargers.memory import answers
from tests.chargers.schemas import actions, anything, faults, payloads

VERSIONS = ("1.6", "2.0.1", "2.1")
CODES = {
    "FormationViolation",
    "FormatViolation",
    "RpcFrameworkError",
    "MessageTypeNotSupported",
    "NotImplemented",
    "NotSupported",
    "ProtocolError",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
    "OccurrenceConstraintViolation",
    "TypeConstraintViolation",
}
MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def handled(version: str) -> list[str]:
    link = SUBPROTOCOLS[f"ocpp{version}"]
    names = {getattr(getattr(link, name), "_on_action", None) for name in dir(link)}
    return sorted(name for name in actions(version) if name in names)


def judge(version: str, action: str, answer: list[Any]) -> None:
    if answer[0] == 3:
        assert faults(version, action, answer[2], is_answer=True) == []
    else:
        assert answer[2] in CODES, answer


@pytest.mark.parametrize("version", VERSIONS)
@MANY
@given(data=st.data())
def test_c_t8_whatever_the_schemas_allow_is_answered(version: str, data: st.DataObject) -> None:
    action = data.draw(st.sampled_from(handled(version)))
    payload = data.draw(payloads(version, action))
    assert faults(version, action, payload) == []
    answer, last = answers(version, [json.dumps([2, "1", action, payload])])
    judge(version, action, answer)
    assert last[0] == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_c_t7_c4_every_action_of_a_version_is_answered(version: str) -> None:
    wanted = [name for name in actions(version) if name != "NotifyPeriodicEventStream"]
    heard = answers(version, [json.dumps([2, name, name, {"nonsense": 1}]) for name in wanted])
    assert [answer[1] for answer in heard[:-1]] == wanted
    codes = {answer[1]: answer[2] for answer in heard[:-1]}
    assert set(codes.values()) <= CODES
    assert {name for name, code in codes.items() if code == "NotSupported"} == set(wanted) - set(handled(version))


@pytest.mark.parametrize("version", VERSIONS)
@MANY
@given(parts=st.lists(st.integers(0, 7) | st.sampled_from(["x", "Heartbeat"]) | anything, max_size=5))
def test_c_t8_lists_of_anything_are_survived(version: str, parts: list[Any]) -> None:
    for answer in answers(version, [json.dumps(parts)])[:-1]:
        assert answer[0] == 3 or answer[2] in CODES


@MANY
@given(text=st.text())
def test_c_t8_texts_of_anything_are_survived(text: str) -> None:
    for answer in answers("1.6", [text])[:-1]:
        assert answer[2] in CODES


@pytest.mark.parametrize("version", VERSIONS)
@MANY
@given(data=st.data())
def test_c_t8_answers_of_anything_are_survived(version: str, data: st.DataObject) -> None:
    from tests.chargers.memory import asked
    from tests.chargers.test_ocpp_asks import ASKS

    ask = data.draw(st.sampled_from(ASKS))
    status = st.fixed_dictionaries({"status": st.sampled_from(["Accepted", "Unlocked", "Odd"]) | anything})
    more = st.dictionaries(
        st.sampled_from(["configurationKey", "chargingSchedule", "schedule", "setVariableResult", "statusInfo"]),
        anything | st.just({"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1}], "chargingRateUnit": "W"}),
    )
    _, outcome = asked(version, ask, lambda action, payload: {**data.draw(more), **data.draw(status)})
    assert "could not be understood" not in outcome.said


def test_nothing_said_reaches_a_desk_that_no_database_keeps() -> None:
    desk = NotingDesk()
    answers("1.6", [json.dumps([2, "1", "Authorize", {"idTag": "\0TAG\0"}])], desk)
    assert [token.uid for token in desk.of("authorise")] == ["TAG"]
