"""What may be asked of a price, and what is refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.navigation.estimate import Question
from hub.navigation.price_asking import read_payer, read_question, read_ref, spot_in
from hub.navigation.problems import ReadingFault
from ocpi_modules.parties import Party
from tests.navigation.driving import connector, evse, place, question
from tests.pricing.build import START

THERE = place(evse(), evse(connector(), connector(id="2"), uid="U2", evse_id=None))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({"kwh": "20"}, question(kwh="20"), id="energy, from now on"),
        pytest.param({"minutes": "30.5"}, question(minutes="30.5"), id="time"),
        pytest.param(
            {"kwh": "20", "minutes": "60", "parked_minutes": "10", "max_kw": "11"},
            question(kwh="20", minutes="60", parked_minutes="10", max_kw="11"),
            id="all of it",
        ),
        pytest.param(
            {"kwh": "0", "start": "2026-06-02T00:00:00Z"},
            question(kwh="0", start=datetime(2026, 6, 2, tzinfo=UTC)),
            id="later",
        ),
        pytest.param(
            {"kwh": "0", "start": "2026-06-01T13:00:00 02:00"},
            question(kwh="0", start=START + timedelta(hours=1)),
            id="a plus that an address made a blank",
        ),
    ],
)
def test_a_question_is_read(said: dict[str, str], expected: Question) -> None:
    assert read_question(said, START) == expected


@pytest.mark.parametrize(
    ("said", "parameter"),
    [
        pytest.param({}, "kwh", id="neither kWh nor minutes"),
        pytest.param({"kwh": "1000.000001"}, "kwh", id="too many kWh"),
        pytest.param({"kwh": "-1"}, "kwh", id="energy out of the car"),
        pytest.param({"kwh": "1e2"}, "kwh", id="a number in another form"),
        pytest.param({"kwh": "1.0000001"}, "kwh", id="more than six decimals"),
        pytest.param({"kwh": "\u0661\u0662"}, "kwh", id="digits of another script"),
        pytest.param({"kwh": "NaN"}, "kwh", id="no number"),
        pytest.param({"kwh": ""}, "kwh", id="nothing"),
        pytest.param({"minutes": "20161"}, "minutes", id="more than 14 days"),
        pytest.param({"kwh": "1", "minutes": "0"}, "kwh", id="energy in no time"),
        pytest.param({"kwh": "1", "parked_minutes": "20161"}, "parked_minutes", id="parked for more than 14 days"),
        pytest.param({"kwh": "1", "max_kw": "0"}, "max_kw", id="a car that takes nothing"),
        pytest.param({"kwh": "1", "start": "tomorrow"}, "start", id="no moment"),
        pytest.param({"kwh": "1", "start": "2028-01-01T00:00:00Z"}, "start", id="more than a year ahead"),
        pytest.param({"kwh": "1", "start": "2026-05-30T00:00:00Z"}, "start", id="days ago"),
        pytest.param({"kwh": "1", "start": "0001-01-01T00:00:00+14:00"}, "start", id="before all days"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_the_name_of_its_parameter(said: dict[str, str], parameter: str) -> None:
    with pytest.raises(ReadingFault) as caught:
        read_question(said, START)
    assert (caught.value.status, caught.value.parameter) == (400, parameter)


@given(st.dictionaries(st.sampled_from(["kwh", "minutes", "parked_minutes", "start", "max_kw"]), st.text(max_size=30)))
def test_whatever_is_asked_is_a_question_or_a_fault(said: dict[str, str]) -> None:
    try:
        found = read_question(said, START)
    except ReadingFault:
        return
    assert (found.kwh or Decimal(0)) <= 1000


def test_a_location_is_named_by_its_number_or_by_owner_and_id() -> None:
    assert read_ref("7") == 7
    assert read_ref("nl/tnm/L/1 x") == (Party("NL", "TNM"), "L/1 x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NL",
        "NL/TNM",
        "NL/TNM/",
        "NL//L1",
        "NLD/TNM/L1",
        "NL/TNMX/L1",
        "NL/TNM/" + "x" * 80,
        "1234567890",
        "NL/TNM/a\x00",
        "-1",
    ],
)
def test_what_names_no_location_is_refused(text: str) -> None:
    with pytest.raises(ReadingFault) as caught:
        read_ref(text)
    assert (caught.value.status, caught.value.parameter) == (400, "location")


@given(st.text(max_size=40))
def test_whatever_is_said_of_a_location_is_a_name_or_a_fault(text: str) -> None:
    with suppress(ReadingFault):
        assert isinstance(read_ref(text), int | tuple)


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        pytest.param("u1", "U1", id="by its uid in any case"),
        pytest.param("nl*tnm*e1", "U1", id="by its EVSE id"),
        pytest.param("NLTNME1", "U1", id="by its EVSE id without separators"),
    ],
)
def test_an_evse_is_found_by_all_its_names(name: str, uid: str) -> None:
    assert spot_in(THERE, name, None).evse.uid == uid


def test_a_uid_goes_before_an_evse_id() -> None:
    twins = place(evse(uid="A", evse_id="B"), evse(uid="B", evse_id="A"))
    assert spot_in(twins, "A", None).evse.uid == "A"


@pytest.mark.parametrize(
    ("evse_name", "connector_name", "status"),
    [
        pytest.param("U9", None, 404, id="an EVSE that is not there"),
        pytest.param("", None, 404, id="an EVSE without a name"),
        pytest.param("U2", None, 400, id="one of several connectors"),
        pytest.param("U2", "3", 404, id="a connector that is not there"),
    ],
)
def test_what_is_not_there_is_not_found(evse_name: str, connector_name: str | None, status: int) -> None:
    with pytest.raises(ReadingFault) as caught:
        spot_in(THERE, evse_name, connector_name)
    assert caught.value.status == status


def test_one_of_several_connectors_is_named() -> None:
    assert spot_in(THERE, "U2", "2").connector.id == "2"


@pytest.mark.parametrize("own", ["", "BE/MS2"])
def test_nobody_asks_as_an_emsp_that_its_key_does_not_belong_to(own: str) -> None:
    with pytest.raises(ReadingFault) as caught:
        read_payer("NL/MS1", own)
    assert (caught.value.status, caught.value.parameter) == (403, "as")


def test_everybody_asks_as_a_driver_without_contract_and_an_emsp_as_itself() -> None:
    assert read_payer("adhoc", "") is read_payer("ADHOC", "NL/MS1") is None
    assert read_payer("nl/ms1", "NL/MS1") == Party("NL", "MS1")
