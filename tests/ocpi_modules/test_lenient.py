"""Objects that are not quite valid: every kind of defect by name, and the least that is put right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ocpi_modules.errors import InvalidParameters
from ocpi_modules.lenient import DEFECTS_MAX, defects_of, put_right
from ocpi_modules.message import Message
from tests.routing import message_of

Object = dict[str, Any]
Example = Callable[..., Object]

AT = "DE/CP1"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def put(module_id: str, content: Object, suffix: str = "X1", method: str = "PUT") -> Message:
    return message_of(method, f"receiver/{module_id}/{AT}/{suffix}", content=content)


def of_cp1(example: Example, name: str, **changes: Any) -> Object:
    return example(name, country_code="DE", party_id="CP1", **changes)


# --- what is wrong ----------------------------------------------------------------------------------------


def test_a_good_object_has_no_defect(example: Example) -> None:
    for name, module_id in (("location", "locations"), ("session", "sessions"), ("tariff", "tariffs")):
        assert defects_of(put(module_id, of_cp1(example, name, id="X1"))) == ()
    assert defects_of(message_of("POST", "receiver/cdrs", content=of_cp1(example, "cdr"))) == ()


def test_a_value_that_is_not_on_its_list_is_one_kind_of_defect_whatever_it_is(example: Example) -> None:
    """What was sent is not repeated: that would make many kinds of one."""
    found = {
        defects_of(put("sessions", of_cp1(example, "session", id="X1", status=odd))) for odd in ("DONE", "done", 7)
    }
    ((defect,),) = found
    assert defect.startswith("status is not one of ACTIVE, ")


@pytest.mark.proves("X-33")
def test_the_word_that_the_text_uses_for_a_reservation_is_no_defect(example: Example) -> None:
    for status in ("RESERVATION", "RESERVED"):
        assert defects_of(put("sessions", of_cp1(example, "session", id="X1", status=status))) == ()


def test_every_defect_is_named_once_without_its_place_in_a_list(example: Example) -> None:
    content = of_cp1(example, "location", id="X1")
    del content["city"]
    for evse in content["evses"]:
        evse["status"] = "BROKEN"
        evse["connectors"] = [{**connector, "max_voltage": "230"} for connector in evse["connectors"]]
    found = defects_of(put("locations", content))
    assert "city is required" in found
    assert "evses.connectors.max_voltage is not a whole JSON number" in found
    assert len([one for one in found if one.startswith("evses.status is not one of")]) == 1
    assert len(found) == 3


def test_a_cdr_without_the_uid_of_its_evse_has_one_defect(example: Example) -> None:
    """What the models of two libraries cannot say."""
    cdr = of_cp1(example, "cdr")
    del cdr["cdr_location"]["evse_uid"]
    assert defects_of(message_of("POST", "receiver/cdrs", content=cdr)) == ("cdr_location.evse_uid is required",)


@pytest.mark.parametrize(
    ("fields", "defects"),
    [
        pytest.param({"kwh": 1, "last_updated": "2026-01-01T00:00:00Z"}, (), id="good"),
        pytest.param({"kwh": 1}, ("last_updated is required in a PATCH",), id="without its date"),
        pytest.param(
            {"kwh": "1", "last_updated": None},
            ("last_updated is required in a PATCH", "kwh is not a JSON number"),
            id="more than one",
        ),
    ],
)
def test_the_fields_of_a_patch_are_judged_each_by_itself(fields: Object, defects: tuple[str, ...]) -> None:
    found = defects_of(put("sessions", fields, method="PATCH"))
    assert found[: len(defects)] == defects
    assert bool(found) is bool(defects)


def test_there_are_at_most_so_many() -> None:
    assert len(defects_of(put("locations", {f"x{n}": 1 for n in range(9)}))) <= DEFECTS_MAX
    cdr: Object = {"country_code": "DE", "party_id": "CP1", "id": "C1", "cdr_location": {}, "cdr_token": {}}
    assert len(defects_of(message_of("POST", "receiver/cdrs", content=cdr))) == DEFECTS_MAX


def test_what_has_no_body_has_no_defect() -> None:
    assert defects_of(message_of("DELETE", f"receiver/tariffs/{AT}/T1")) == ()


# --- what is put right --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "read"),
    [
        pytest.param("2026-01-15T07:00:00Z", "2026-01-15T07:00:00Z", id="as specified"),
        pytest.param("2026-01-15T08:00:00+01:00", "2026-01-15T07:00:00Z", id="an offset"),
        pytest.param("2026-01-15T02:00:00.5-05:00", "2026-01-15T07:00:00.500Z", id="an offset and a fraction"),
        pytest.param("2026-01-15T07:00:00.123456", "2026-01-15T07:00:00.123Z", id="more digits, and no zone is UTC"),
        pytest.param("2026-01-15 07:00:00", "2026-01-15T07:00:00Z", id="a blank"),
        pytest.param("2026-01-15", "2026-01-15T00:00:00Z", id="a day"),
        pytest.param("yesterday", "2026-06-01T12:00:00Z", id="no date: when it came"),
        pytest.param(1768460400, "2026-06-01T12:00:00Z", id="a number: when it came"),
        pytest.param(None, "2026-06-01T12:00:00Z", id="null: when it came"),
    ],
)
def test_the_date_is_read_in_whatever_form_and_the_bytes_stay(said: Any, read: str, example: Example) -> None:
    message = put("sessions", of_cp1(example, "session", id="X1", last_updated=said))
    right = put_right(message, NOW)
    assert right.content["last_updated"] == read
    assert right.body == message.body
    assert {**right.content, "last_updated": said} == message.content
    assert message.content["last_updated"] == said, "what came in is a value: it is not written to"


def test_without_a_date_it_is_when_it_came() -> None:
    assert put_right(put("sessions", {"id": "X1"}), NOW).content == {"id": "X1", "last_updated": "2026-06-01T12:00:00Z"}


@pytest.mark.parametrize(
    ("module_id", "suffix", "content", "reason"),
    [
        pytest.param("locations", "L1", {"evses": {"E1": {}}}, "evses: is not a JSON array", id="no list"),
        pytest.param("locations", "L1", {"evses": ["E1"]}, "evses: an entry has no uid", id="no objects in it"),
        pytest.param("locations", "L1", {"evses": [{"uid": 7}]}, "evses: an entry has no uid", id="an id that is none"),
        pytest.param(
            "locations",
            "L1",
            {"evses": [{"uid": "E1", "connectors": [{}]}]},
            "connectors: an entry has no id",
            id="deeper",
        ),
        pytest.param("locations", "L1/E1", {"connectors": 1}, "connectors: is not a JSON array", id="of an EVSE"),
        pytest.param(
            "sessions", "S1", {"charging_periods": {"x": 1}}, "charging_periods: is not a JSON array", id="periods"
        ),
    ],
)
def test_of_what_has_no_lists_and_ids_where_they_belong_no_copy_can_be_made(
    module_id: str, suffix: str, content: Object, reason: str
) -> None:
    with pytest.raises(InvalidParameters, match=reason):
        put_right(put(module_id, content, suffix), NOW)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"evses": None}, id="null"),
        pytest.param({"evses": []}, id="empty"),
        pytest.param({"evses": {}}, id="empty, of another kind"),
        pytest.param({}, id="absent"),
        pytest.param({"evses": [{"uid": "E1", "connectors": None, "status": 7}]}, id="everything else may be wrong"),
    ],
)
def test_a_location_needs_no_more_than_ids(content: Object) -> None:
    assert put_right(put("locations", content, "L1"), NOW).content == {
        **content,
        "last_updated": "2026-06-01T12:00:00Z",
    }
