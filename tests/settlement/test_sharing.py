"""While a month is read, equal parts of its objects are kept once, and nothing that was read becomes another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.settlement import sharing
from hub.settlement.sharing import Sharing
from ocpi_modules.types import decode_json, encode_decoded, encode_json
from tests.settlement.cases import Content, cdr, session_of, tariff


def received(content: Content) -> Any:
    """As it comes out of a file: no two of its objects are one."""
    return decode_json(encode_json(content))


@pytest.mark.parametrize("name", ["cdr_location", "cdr_token", "charging_periods"])
def test_what_two_say_alike_is_one(name: str) -> None:
    shared = Sharing()
    first, second = shared.shared(received(cdr())), shared.shared(received(cdr(id="C2")))
    assert first[name] is second[name]


def test_a_session_shares_with_its_cdr() -> None:
    shared, content = Sharing(), cdr()
    told = {**session_of(content), "charging_periods": content["charging_periods"]}
    assert shared.shared(received(content))["charging_periods"] is shared.shared(received(told))["charging_periods"]


def test_each_tariff_of_a_list_is_shared_for_itself() -> None:
    shared = Sharing()
    alone = shared.shared(received(cdr(tariffs=[tariff()])))["tariffs"]
    both = shared.shared(received(cdr(tariffs=[tariff(id="T9"), tariff()])))["tariffs"]
    assert both[1] is alone[0]
    assert both[0] is not alone[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"volume": 1}, {"volume": Decimal("1.0")}, id="numbers that are written otherwise"),
        pytest.param({"volume": True}, {"volume": 1}, id="what is no number"),
        pytest.param({"volume": None}, {}, id="null, and nothing"),
        pytest.param([], {}, id="a list, and an object"),
    ],
)
def test_what_is_told_otherwise_stays_as_it_is(one: Any, other: Any) -> None:
    shared = Sharing()
    for told in (one, other):
        kept = shared.shared({"charging_periods": told})["charging_periods"]
        assert encode_decoded(kept) == encode_decoded(told)


@pytest.mark.parametrize("told", ["no list", None, 7, [1, "two", None]])
def test_what_is_not_as_it_should_be_stays_too(told: Any) -> None:
    content = {"tariffs": told, "cdr_token": told, "charging_periods": told}
    assert Sharing().shared(content) == content


def test_parts_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "PARTS_KEPT_MAX", 1)
    shared = Sharing()
    first, second, third = (shared.shared({"cdr_token": {"uid": uid}})["cdr_token"] for uid in ("A", "B", "B"))
    assert (second, second is third) == ({"uid": "B"}, False)
    assert shared.shared({"cdr_token": {"uid": "A"}})["cdr_token"] is first
