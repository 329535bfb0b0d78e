"""One request in, one answer out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.pricing.interface import price_line, price_object
from hub.pricing.policy import DEFAULT
from ocpi_modules.types import decode_json, encode_json
from tests.pricing.build import at, cdr, component, element, period, priced, tariff

CHARGE = cdr(period(at(0), ENERGY="1.5"), tariffs=[tariff(element(component("ENERGY", "0.123456789", vat="20")))])

PLAIN = tariff(element(component("ENERGY", "1")))


def asked(*periods: Any, **more: Any) -> bytes:
    """A request for the price of a charge, by default of one kWh."""
    return encode_json({"cdr": cdr(*(periods or [period(at(0), ENERGY=1)])), **more})


LAST_DAY = "9999-12-31T23:30:00Z"
LAST = {
    "cdr": cdr(
        period(LAST_DAY, ENERGY=1),
        start_date_time=LAST_DAY,
        end_date_time=LAST_DAY,
        tariffs=[tariff(element(component("ENERGY", "1"), start_time="12:00"))],
    ),
    "timezone": "Asia/Tokyo",
}


def test_an_answer_tells_every_cent() -> None:
    answer = priced(CHARGE)
    (line, surplus) = answer["lines"][0], answer["lines"][1:]
    assert answer["currency"] == "EUR"
    assert answer["policy"] == DEFAULT.as_content()
    assert answer["billed"] == {"energy_kwh": Decimal("1.5"), "time_s": 0, "parking_s": 0, "reservation_s": 0}
    assert surplus == []
    assert line == {
        "period": 0,
        "start_date_time": at(0),
        "dimension": "ENERGY",
        "part": "energy",
        "tariff_id": "T1",
        "element": 0,
        "component": 0,
        "restrictions": {},
        "quantity": Decimal("1.5"),
        "unit": "kWh",
        "price": Decimal("0.123456789"),
        "vat": 20,
        "step_size": 1,
        "excl_vat": Decimal("0.1851851835"),
        "incl_vat": Decimal("0.2222222202"),
        "rules": ["E1"],
    }


def test_numbers_are_json_numbers_with_all_their_digits() -> None:
    text = price_line(encode_json({"cdr": CHARGE}))
    assert b'"total_cost":{"excl_vat":0.1851851835,"incl_vat":0.2222222202}' in text
    assert b"\n" not in text


def test_an_object_and_a_line_say_the_same() -> None:
    assert price_object({"cdr": CHARGE}) == decode_json(price_line(encode_json({"cdr": CHARGE})))


@pytest.mark.parametrize(
    ("request_text", "sentence"),
    [
        pytest.param(b"", "Input data was truncated", id="nothing"),
        pytest.param(b"[]", "Expected `object`", id="no object"),
        pytest.param(b"{}", "missing required field `cdr`", id="no CDR"),
        pytest.param(b'{"cdr": {}}', "the CDR cannot be read", id="an empty CDR"),
        pytest.param(b'{"cdr": "\xff"}', "", id="not UTF-8"),
        pytest.param(b'{"cdr":' + b"[" * 100_000, "", id="too deep"),
        pytest.param(encode_json(LAST), "out of range", id="the end of all days"),
        pytest.param(encode_json({"cdr": CHARGE, "timezone": "Mars"}), "not a time zone", id="no zone"),
        pytest.param(encode_json({"cdr": CHARGE, "policy": {"flat": 2}}), "policy.flat is not one of", id="no policy"),
        pytest.param(asked(tariffs=[{**PLAIN, "elements": []}]), "the tariff T1 cannot be read", id="no elements"),
        pytest.param(
            asked(tariffs=[tariff({"price_components": []})]), "$.elements[0].price_components", id="no components"
        ),
        pytest.param(asked(tariffs=[{**PLAIN, "elements": 7}, {}]), "the tariff T1 cannot", id="the one that is named"),
        pytest.param(
            asked(period(at(0), None, ENERGY=1), tariffs=[{}]),
            "tariff 1 of those beside the CDR",
            id="no tariff at all",
        ),
        pytest.param(
            asked(tariffs=[tariff(element(component("ENERGY", "1e-400")))]),
            "$.elements[0].price_components[0].price",
            id="a price near to nothing",
        ),
        pytest.param(
            asked(tariffs=[{**PLAIN, "start_date_time": "soon"}]), "$.start_date_time", id="a tariff from a day unknown"
        ),
        pytest.param(encode_json({"cdr": CHARGE, "timezone": ""}), "timezone: '' is not", id="an empty zone"),
        pytest.param(
            encode_json({"cdr": CHARGE, "location": {"time_zone": ""}}), "timezone: '' is not", id="of a Location too"
        ),
        pytest.param(
            encode_json({"cdr": CHARGE, "charging_preference": "SLOW"}), "charging_preference: 'SLOW'", id="preference"
        ),
        pytest.param(
            asked(period("2026-06-01T10:00:60Z", ENERGY=1)), "$.charging_periods[0].start_date_time", id="second 60"
        ),
        pytest.param(
            asked(period(at(0), ENERGY="1e-400")), "$.charging_periods[0].dimensions[0].volume", id="near to nothing"
        ),
        pytest.param(
            asked(period(at(0), ENERGY="1e-200")), "$.charging_periods[0].dimensions[0].volume", id="nearly as near"
        ),
        pytest.param(encode_json({"cdr": {**CHARGE, "total_time": Decimal("1e200")}}), "$.total_time", id="too long"),
    ],
)
def test_what_cannot_be_read_is_an_error_in_a_sentence(request_text: bytes, sentence: str) -> None:
    answer: dict[str, Any] = decode_json(price_line(request_text))
    assert list(answer) == ["error"]
    assert sentence in answer["error"]


def test_unpriceable_is_a_result_with_a_reason() -> None:
    """T7."""
    answer = price_object({"cdr": {**CHARGE, "tariffs": []}})
    assert answer["unpriceable"] == "MISSING_TARIFF"
    assert answer["detail"].endswith(".")
    assert answer["policy"] == DEFAULT.as_content()


# --- what is not needed, or written in a way of its own --------------------------------------


@pytest.mark.parametrize(
    ("embedded", "stored", "words"),
    [
        pytest.param([], [PLAIN, {**PLAIN, "id": "T2", "elements": []}], "The tariff T2 cannot be read", id="stored"),
        pytest.param([PLAIN, {**PLAIN, "id": "T2", "elements": 1}], [], "The tariff T2 cannot", id="in the CDR"),
        pytest.param([PLAIN], [{}], "Tariff 1 of those beside the CDR cannot", id="without an id"),
    ],
)
def test_a_tariff_that_nobody_needs_need_not_be_readable(embedded: Any, stored: Any, words: str) -> None:
    """T7."""
    answer = priced(cdr(period(at(0), ENERGY=1), tariffs=embedded), *stored)
    assert answer["total_cost"]["excl_vat"] == 1
    (warning,) = answer["warnings"]
    assert warning["kind"] == "TARIFF_INVALID"
    assert words in warning["detail"]


def test_a_missing_tariff_is_told_beside_those_that_cannot_be_read() -> None:
    """T7."""
    answer = priced(cdr(period(at(0), "T9", ENERGY=1)), {**PLAIN, "id": "T2", "elements": []})
    assert answer["unpriceable"] == "MISSING_TARIFF"
    assert "T2" in answer["warnings"][0]["detail"]


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert b'"total_cost"' in price_line(b"\xef\xbb\xbf" + encode_json({"cdr": CHARGE}))


def test_currencies_have_no_case() -> None:
    """T8."""
    answer = priced(cdr(period(at(0), ENERGY=1), currency="eur", tariffs=[PLAIN]))
    assert (answer["currency"], answer["total_cost"]["excl_vat"], answer["warnings"]) == ("EUR", 1, [])


def test_a_number_of_decimals_may_be_a_number() -> None:
    """N2."""
    answer = priced(CHARGE, policy={"rounding_exponent": 3})
    assert answer["settlement_amount"]["excl_vat"] == Decimal("0.185")
    assert answer["policy"]["rounding_exponent"] == "3"


@pytest.mark.parametrize(
    ("coordinates", "price"),
    [
        pytest.param({"latitude": 52.09, "longitude": 5.12}, 1, id="numbers"),
        pytest.param({"latitude": "52.09", "longitude": "5.12"}, 1, id="texts"),
        pytest.param({"latitude": None, "longitude": []}, 2, id="nothing of use"),
    ],
)
def test_coordinates_may_be_numbers(coordinates: Any, price: int) -> None:
    """E3: at noon in Utrecht."""
    noon = tariff(
        element(component("ENERGY", "1"), start_time="12:00", end_time="12:30"), element(component("ENERGY", "2"))
    )
    place: dict[str, Any] = {"coordinates": coordinates}
    charge = cdr(period(at(0), ENERGY=1), tariffs=[noon], minutes=20, cdr_location=place)
    assert priced(charge, timezone=None)["total_cost"]["excl_vat"] == price
