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
        pytest.param(encode_json({"cdr": CHARGE, "tariffs": [{}]}), "the tariff cannot be read", id="no tariff"),
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
