"""What the specification leaves open about prices, as named settings.

Every setting has a rule id under which the reasons for its default are told, and a default that is what the text, the
maintainers of OCPI or arithmetic favour most. Two parties who read the text differently set it per contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_type_hints

Value = TypeVar("Value")

POLICIES_KEPT_MAX = 256


class UnknownSetting(ValueError):
    """A name that is no setting, or a value that this setting does not have."""


def _setting(default: Value, rule: str, says: str) -> Value:
    return field(default=default, metadata={"rule": rule, "says": says})


class TariffPolicy(NamedTuple):
    """The settings that decide how a Tariff is compiled, by the names that they have in `Policy`; the others are about charges."""

    number_reading: str
    duplicate_component: str
    equal_times: str
    weekday_anchor: str
    electrical_evidence: str
    expired_flat: str
    flat_part: str


class NotedTariffPolicy(TariffPolicy):
    """The same settings, with a note of those that were `read`."""

    read: set[str]

    @classmethod
    def over(cls, policy: TariffPolicy) -> NotedTariffPolicy:
        """Settings of which none was read."""
        made = cls._make(policy)
        made.read = set()
        return made

    def __getattribute__(self, name: str) -> Any:
        if name in TariffPolicy._fields:
            self.read.add(name)
        return super().__getattribute__(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How to read what the text leaves open; `settings` tells what each one says."""

    number_reading: Literal["exact", "four_decimals"] = _setting(
        "exact", "N1", "Numbers count with all their digits, or rounded to four decimals (half away from zero)."
    )
    rounding_mode: Literal[
        "half_away_from_zero", "half_even", "half_towards_zero", "away_from_zero", "towards_zero"
    ] = _setting("half_away_from_zero", "N2", "How the exact total becomes the amount that is settled.")
    rounding_exponent: Literal["iso_4217", "0", "1", "2", "3", "4"] = _setting(
        "iso_4217", "N2", "How many decimals the settled amount has: those of the currency, or so many."
    )
    time_quantity: Literal["volume", "timestamps"] = _setting(
        "volume", "D2", "Hours are what the dimension states, or the length of the period by its timestamps."
    )
    missing_tariff_id: Literal["fallback_if_none", "fallback_always", "unpriced"] = _setting(
        "fallback_if_none",
        "T2",
        "Periods that name no tariff: the fallback tariff prices them if no period of the CDR names one; always; never.",
    )
    tariff_end: Literal["inclusive", "exclusive"] = _setting(
        "inclusive", "T3", "Whether a tariff is still valid at the very instant of its end_date_time."
    )
    duplicate_component: Literal["first", "last"] = _setting(
        "first", "E1", "Which of two components of one dimension in one element counts."
    )
    equal_times: Literal["whole_day", "never"] = _setting(
        "whole_day", "E3", "What a window means whose start_time and end_time are equal, other than 00:00."
    )
    weekday_anchor: Literal["instant", "window_start"] = _setting(
        "instant",
        "E3",
        "In a window over midnight, day_of_week is the day of the instant, or the day on which the window opened.",
    )
    duration_start: Literal["charging", "cdr", "first_period"] = _setting(
        "charging",
        "E4",
        "min_duration and max_duration count from the start of the CDR or the end of its reservation; always from the "
        "start of the CDR; from the first charging period.",
    )
    electrical_evidence: Literal["either", "same_name", "same_name_strict"] = _setting(
        "either",
        "E5",
        "What proves a restriction of current or power: MIN or MAX, else the average power; only the value of the same "
        "name, and a missing one proves it; only the value of the same name.",
    )
    expired_flat: Literal["expiry", "add"] = _setting(
        "expiry",
        "R3",
        "When a reservation expires, only the FLAT of its expiry is due, or that of the reservation too.",
    )
    reservation_step: Literal["own", "followed"] = _setting(
        "own",
        "R5",
        "Reservation time is rounded by its own step_size; or not when another priced time follows it.",
    )
    flat: Literal["session", "tariff", "component"] = _setting(
        "session", "F1", "A FLAT is due once in a session, once for each tariff, or once for each component."
    )
    flat_part: Literal["by_element", "fixed"] = _setting(
        "by_element",
        "F3",
        "The FLAT of an element that else has only PARKING_TIME is a cost of parking, or a fixed cost.",
    )
    step_size: Literal["session", "period", "none"] = _setting(
        "session", "S1", "Quantities are rounded up once in a session, in every period, or not at all."
    )
    last_period: Literal["positive_volume", "stated_volume"] = _setting(
        "positive_volume",
        "S3",
        "The last period that decides the step_size has some of the dimension, or states it at least.",
    )
    resumed_charging: Literal["parking", "last"] = _setting(
        "parking", "S4", "When charging resumes after parking, parking is rounded, or whatever came last."
    )
    tariff_switch_step: Literal["session", "last_tariff"] = _setting(
        "session",
        "S5",
        "After a switch of tariffs, the total of the session is rounded, or what is under the last tariff.",
    )
    hour_guard: Literal["on", "off"] = _setting(
        "on", "S6", "Whether hours that are over a step only because they have four decimals are billed as that step."
    )
    negative_total: Literal["exact", "rounded"] = _setting(
        "exact", "S7", "Whether a total below zero is rounded up to a step too."
    )
    missing_vat: Literal["same_amount", "unknown"] = _setting(
        "same_amount", "V3", "When nothing states a VAT, amounts including VAT equal those without, or are unknown."
    )
    limits: Literal["applied", "ignored"] = _setting("applied", "M1", "Whether min_price and max_price count.")
    limit_without_incl: Literal["scale", "unlimited"] = _setting(
        "scale", "M2", "A limit without incl_vat changes the amount including VAT by the same factor, or not at all."
    )
    limit_scope: Literal["each_tariff", "last_tariff"] = _setting(
        "each_tariff", "M3", "Each tariff limits what it priced, or the last one limits the whole."
    )
    unused_reservation_min: Literal["not_applied", "applied"] = _setting(
        "not_applied", "M4", "Whether min_price binds a reservation that nobody used."
    )
    max_price_reservation: Literal["included", "excluded"] = _setting(
        "included", "M4", "Whether max_price limits the cost of a reservation too."
    )

    @classmethod
    def read(cls, content: Mapping[str, object]) -> Policy:
        """The policy in a mapping of settings, defaults for those that are not in it. Raises UnknownSetting."""
        content = {name: _as_stated(name, value) for name, value in content.items()}
        for name, value in content.items():
            _check(name, value)
        return cls(**content)  # type: ignore[arg-type]  # checked against the same annotations a line above

    def __hash__(self) -> int:
        # with every CDR a policy is looked up beside a tariff; few settings tell most policies apart
        return hash((self.step_size, self.limits, self.flat))

    def as_content(self) -> dict[str, str]:
        """Every setting and its value."""
        return dict(_content_of(self))

    def changed(self, name: str, value: str) -> Policy:
        """The same policy with one setting changed. Raises UnknownSetting."""
        return _changed(self, name, value)

    @property
    def of_tariffs(self) -> TariffPolicy:
        """What of it a Tariff is compiled by: under most other readings that is the same."""
        return TariffPolicy._make(_of_tariffs(self))


_of_tariffs = attrgetter(*TariffPolicy._fields)


@lru_cache(maxsize=POLICIES_KEPT_MAX)
def _changed(policy: Policy, name: str, value: str) -> Policy:
    return Policy.read({**policy.as_content(), name: value})


@lru_cache(maxsize=POLICIES_KEPT_MAX)
def _content_of(policy: Policy) -> dict[str, str]:
    return {name: getattr(policy, name) for name in _VALUES}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting for people: its values with the default first, and the rule that leaves it open."""

    name: str
    values: tuple[str, ...]
    default: str
    rule: str
    says: str


def settings() -> tuple[Setting, ...]:
    """All settings in the order of the rules."""
    return _SETTINGS


def _read_settings() -> tuple[Setting, ...]:
    hints = get_type_hints(Policy)
    return tuple(
        Setting(item.name, get_args(hints[item.name]), str(item.default), item.metadata["rule"], item.metadata["says"])
        for item in fields(Policy)
    )


_SETTINGS = _read_settings()
_VALUES = {setting.name: setting.values for setting in _SETTINGS}


def _as_stated(name: str, value: object) -> object:
    """The value of a setting; a number of decimals may be a number."""
    return str(value) if name == "rounding_exponent" and type(value) is int else value


def _check(name: str, value: object) -> None:
    if name not in _VALUES:
        shown = name[:60] if name.isidentifier() else repr(name[:60])
        raise UnknownSetting(f"policy.{shown} is not a setting")
    if not isinstance(value, str) or value not in _VALUES[name]:
        raise UnknownSetting(f"policy.{name} is not one of {', '.join(_VALUES[name])}")


DEFAULT = Policy()
"""The settings as the rules give them."""
