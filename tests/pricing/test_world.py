"""The pricer against the pricer that made the small world: two that share no code say the same of a month of charges."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.pricing.interface import price_object
from hub.pricing.rounding import rounded
from ocpi_modules.types import decode_json

WORLD = Path(__file__).resolve().parents[2] / "fixtures" / "world"
CPOS = ("DE-VST", "AT-VSA", "FR-BRN")
EMSPS = ("NL-GRP", "DE-LDK")
STATED_DECIMALS = 4
SPREAD = Decimal("0.0001")  # parts are stated so that they add up: the largest takes what rounding left over

Object = dict[str, Any]


def read(name: str) -> Any:
    return decode_json((WORLD / name).read_bytes())


def key(cdr: Object) -> tuple[str, str, str]:
    return cdr["country_code"], cdr["party_id"], cdr["id"]


def credited(cdr: Object) -> tuple[str, str, str]:
    return cdr["country_code"], cdr["party_id"], cdr.get("credit_reference_id", "")


@dataclass(frozen=True)
class Cpo:
    """What a CPO of the world has, and who charged there."""

    cdrs: list[Object]
    tariffs: list[Object]
    zones: dict[str, str]
    preferences: dict[str, str | None]

    def priced(self, cdr: Object) -> Object:
        request = {
            "cdr": cdr,
            "tariffs": self.tariffs,
            "timezone": self.zones[cdr["cdr_location"]["id"]],
            "charging_preference": self.preferences[cdr["cdr_token"]["uid"]],
        }
        return price_object(request)


@pytest.fixture(scope="module", params=CPOS)
def cpo(request: pytest.FixtureRequest) -> Cpo:
    """With the CDRs that nobody made wrong on purpose; credits of wrong ones are left out too."""
    name: str = request.param
    wrong = {key(mistake) for mistake in read("known-mistakes.json")}
    cdrs = [decode_json(line) for line in (WORLD / name / "cdrs-2026-10.jsonl").read_bytes().splitlines()]
    tokens = [token for emsp in EMSPS for token in read(f"{emsp}/tokens.json")]
    return Cpo(
        [cdr for cdr in cdrs if not {key(cdr), credited(cdr)} & wrong],
        read(f"{name}/tariffs.json"),
        {location["id"]: location["time_zone"] for location in read(f"{name}/locations.json")},
        {token["uid"]: token.get("default_profile_type") for token in tokens},
    )


def stated(cost: Object, side: str) -> Decimal | None:
    return None if cost.get(side) is None else Decimal(cost[side])


def test_every_right_cdr_of_the_world_costs_what_it_states(cpo: Cpo) -> None:
    assert len(cpo.cdrs) > 100
    for cdr in cpo.cdrs:
        total = cpo.priced(cdr)["total_cost"]
        for side in ("excl_vat", "incl_vat"):
            claimed = stated(cdr["total_cost"], side)
            exact = rounded(total[side], cdr["currency"], exponent=STATED_DECIMALS)
            assert claimed in (None, exact), (cdr["id"], side)


def test_every_part_is_the_one_that_the_cdr_states(cpo: Cpo) -> None:
    for cdr in cpo.cdrs:
        answer = cpo.priced(cdr)
        parts = {name for name in cdr if name.startswith("total_") and name.endswith("_cost")}
        assert parts == {name for name in answer if name.startswith("total_")}, cdr["id"]
        for name in parts - {"total_cost"}:
            assert abs(answer[name]["excl_vat"] - cdr[name]["excl_vat"]) < SPREAD, cdr["id"]


def test_charges_without_mistakes_give_no_cause_to_wonder(cpo: Cpo) -> None:
    found = {(cdr["id"], warning["kind"]) for cdr in cpo.cdrs for warning in cpo.priced(cdr)["warnings"]}
    assert found == set()
