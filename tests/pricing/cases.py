"""Reads the cases of `fixtures/pricing`: files that people write, filled up to what the pricer is asked and should answer.

Numbers are Decimals made from their text, so nothing is lost between the file and the pricer. What may be left out is told
in `fixtures/pricing/README.md`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

Content = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "pricing"
ANSWER_DECIMALS = 20
ASKED = ("timezone", "location", "charging_preference", "policy")
KEYS = frozenset({"story", "rules", "tariffs", "cdr", "expected", *ASKED})
PARTS = ("total_fixed_cost", "total_energy_cost", "total_time_cost", "total_parking_cost", "total_reservation_cost")
OUTCOMES = frozenset({"total_cost", "unpriceable"})
EXPECTED = frozenset(
    {*OUTCOMES, *PARTS, "billed", "rounded", "vat_unknown", "limits", "warnings", "facts", "claim_difference", "why"}
)
RULES = {
    letter + str(number)
    for letter, count in {
        "N": 3,
        "D": 6,
        "T": 8,
        "E": 6,
        "R": 6,
        "F": 4,
        "S": 8,
        "V": 4,
        "M": 5,
        "C": 4,
        "X": 4,
    }.items()
    for number in range(1, count + 1)
}

_DIMENSION = re.compile("[A-Z_]+")


class BadCase(ValueError):
    """A case file that says something nobody would read."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what the pricer is asked, and the outcome that a person worked out."""

    name: str
    story: str
    rules: tuple[str, ...]
    request: Content
    expected: Content

    @property
    def policy(self) -> Content:
        """The settings that the case names."""
        stated: Content = self.request.get("policy", {})
        return stated


def all_cases() -> list[Case]:
    """Every case, by folder and name."""
    return [read_case(path) for path in sorted(FOLDER.glob("*/*.toml"))]


def read_case(path: Path) -> Case:
    """The case in a file. Raises BadCase."""
    return make_case(path.stem, path.read_text(encoding="utf-8"))


def make_case(name: str, text: str) -> Case:
    """The case in the text of a file. Raises BadCase."""
    content = tomllib.loads(text, parse_float=Decimal)
    _check(name, content)
    tariffs = [_tariff(tariff, content["cdr"]) for tariff in content.get("tariffs", [])]
    request = {"cdr": _cdr(content["cdr"], tariffs, content["expected"]), "tariffs": tariffs}
    asked = {key: content[key] for key in ASKED if key in content}
    return Case(name, content["story"], tuple(content["rules"]), {**request, **asked}, content["expected"])


def _check(name: str, content: Content) -> None:
    unread = [*sorted(content.keys() - KEYS), *sorted(content.get("expected", {}).keys() - EXPECTED)]
    missing = {"story", "rules", "cdr", "expected"} - content.keys() or {"why"} - content["expected"].keys()
    unknown = set(content.get("rules", ())) - RULES
    if unread or missing or unknown or len(OUTCOMES & content["expected"].keys()) != 1:
        raise BadCase(
            f"{name}: not read: {unread}; missing: {missing}; no rule: {unknown}; one outcome is to be stated"
        )


# --- filling up --------------------------------------------------------------------------------


def _base() -> Content:
    return tomllib.loads((FOLDER / "base.toml").read_text(encoding="utf-8"), parse_float=Decimal)


def _tariff(stated: Content, cdr: Content) -> Content:
    return _without_empty({**_base()["tariff"], "currency": cdr.get("currency", "EUR"), **stated})


def _cdr(stated: Content, tariffs: list[Content], expected: Content) -> Content:
    embedded = [_tariff(tariff, stated) for tariff in stated.get("tariffs", [])]
    periods = [_period(period, _only_id([*tariffs, *embedded])) for period in stated["charging_periods"]]
    base = _base()["cdr"]
    place = {**base["cdr_location"], **stated.get("cdr_location", {})}
    start = {"start_date_time": periods[0]["start_date_time"]}
    cdr = {**base, **start, **stated, "cdr_location": place, "tariffs": embedded, "charging_periods": periods}
    return _without_empty({**_totals(cdr, expected), **cdr})


def _only_id(tariffs: list[Content]) -> str | None:
    ids = {tariff["id"] for tariff in tariffs}
    return ids.pop() if len(ids) == 1 else None


def _period(stated: Content, only_id: str | None) -> Content:
    tariff_id = stated.get("tariff_id", only_id)
    dimensions = [{"type": key, "volume": stated[key]} for key in stated if _DIMENSION.fullmatch(key)]
    unread = {key for key in stated if not _DIMENSION.fullmatch(key)} - {"start_date_time", "tariff_id"}
    if unread:
        raise BadCase(f"in a period nobody reads {unread}")
    named = {"tariff_id": tariff_id} if tariff_id else {}
    return {"start_date_time": stated["start_date_time"], "dimensions": dimensions, **named}


def _totals(cdr: Content, expected: Content) -> Content:
    parking = _sum(cdr, "PARKING_TIME")
    return {
        "total_cost": _claim(expected.get("total_cost", {})),
        "total_energy": _sum(cdr, "ENERGY"),
        "total_time": _hours(cdr["start_date_time"], cdr["end_date_time"]),
        **({"total_parking_time": parking} if parking else {}),
    }


def _claim(total: Content) -> Content:
    return {side: amount for side, amount in total.items() if not isinstance(amount, str)} or {"excl_vat": 0}


def _sum(cdr: Content, dimension: str) -> Decimal:
    stated = (one for period in cdr["charging_periods"] for one in period["dimensions"] if one["type"] == dimension)
    return sum((Decimal(one["volume"]) for one in stated), Decimal(0))


def _hours(start: str, end: str) -> Decimal:
    if "1970" in start or "1970" in end:
        return Decimal(0)
    seconds = int((_utc(end) - _utc(start)).total_seconds())
    return (Decimal(seconds) / 3600).quantize(Decimal("0.0001"))


def _utc(moment: str) -> datetime:
    return datetime.fromisoformat(moment.removesuffix("Z").removesuffix("+00:00")).replace(tzinfo=UTC)


def _without_empty(content: Content) -> Content:
    return {key: value for key, value in content.items() if value != ""}


# --- comparing ---------------------------------------------------------------------------------


def exact(amount: Any) -> Fraction | None:
    """The amount that a case states; a quotient is a text like 7/3, and "unknown" is None."""
    return None if amount == "unknown" else Fraction(amount)


def as_answered(amount: Fraction | None) -> Fraction | None:
    """How an exact amount is answered: with all its digits, or with 20 decimals where it never ends."""
    if amount is None or _ends(amount.denominator):
        return amount
    return Fraction(round(amount * 10**ANSWER_DECIMALS), 10**ANSWER_DECIMALS)


def _ends(denominator: int) -> bool:
    for factor in (2, 5):
        while denominator % factor == 0:
            denominator //= factor
    return denominator == 1


def stated_price(price: Content) -> Content:
    """A Price of a case as it should be answered."""
    return {side: as_answered(exact(price[side])) for side in ("excl_vat", "incl_vat")}


def answered_price(price: Content) -> Content:
    """A Price of an answer, to be compared with `stated_price`."""
    return {side: None if amount is None else Fraction(amount) for side, amount in price.items()}


def settings_in(cases: list[Case]) -> Iterator[tuple[str, str]]:
    """Each setting and value that a case names."""
    for case in cases:
        yield from case.policy.items()
