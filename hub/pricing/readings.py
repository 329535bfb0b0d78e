"""The settings of the policy as a clerk would say them: each value is the end of the sentence "The claim is equal if …"."""

from __future__ import annotations

_FEE = "a reservation that expired is charged"
_LIMIT = "min_price or max_price without an amount including VAT"

EQUAL_IF: dict[str, dict[str, str]] = {
    "number_reading": {
        "exact": "all decimals of all numbers count",
        "four_decimals": "all numbers are rounded to four decimals first",
    },
    "time_quantity": {
        "volume": "the hours that the periods state are billed, not the time between their timestamps",
        "timestamps": "the time between the timestamps is billed, not the hours that the periods state",
    },
    "missing_tariff_id": {
        "fallback_if_none": "a tariff is looked up only when no period names one",
        "fallback_always": "periods that name no tariff are priced with the one that was valid at the start",
        "unpriced": "periods that name no tariff cost nothing",
    },
    "tariff_end": {
        "inclusive": "a tariff still counts at the very moment at which it ends",
        "exclusive": "a tariff no longer counts at the very moment at which it ends",
    },
    "duplicate_component": {
        "first": "the first of two prices for the same thing counts",
        "last": "the last of two prices for the same thing counts",
    },
    "equal_times": {
        "whole_day": "a price that starts and ends at the same time of day counts all day",
        "never": "a price that starts and ends at the same time of day never counts",
    },
    "weekday_anchor": {
        "instant": "after midnight the next weekday counts, even if the night price began the day before",
        "window_start": "a night price belongs to the weekday on which the night began, even after midnight",
    },
    "duration_start": {
        "charging": "durations are counted from the end of the reservation",
        "cdr": "durations are counted from the start of the CDR, its reservation included",
        "first_period": "durations are counted from the start of the first charging period",
    },
    "electrical_evidence": {
        "either": "the least or the greatest current or power of a period is enough to choose a price by",
        "same_name": "a limit of current or power counts as kept where the CDR states nothing about it",
        "same_name_strict": "a price that depends on current or power needs exactly the value that it asks for",
    },
    "expired_flat": {
        "expiry": f"{_FEE} only the fee for its expiry",
        "add": f"{_FEE} both the fee for the reservation and the one for its expiry",
    },
    "reservation_step": {
        "own": "reservation time is rounded up by itself",
        "followed": "reservation time is not rounded up when charging or parking follows it",
    },
    "flat": {
        "session": "only one fixed fee is charged in the session",
        "tariff": "a fixed fee is charged for each tariff",
        "component": "every fixed fee of the tariff is charged",
    },
    "flat_part": {
        "by_element": "a fee for parking counts as a cost of parking",
        "fixed": "every fee counts as a fixed cost",
    },
    "step_size": {
        "session": "step_size is rounded once in the session",
        "period": "step_size is rounded in every period",
        "none": "no step_size is applied",
    },
    "last_period": {
        "positive_volume": "the last period with some energy or time decides the step_size",
        "stated_volume": "the last period decides the step_size even if it states 0",
    },
    "resumed_charging": {
        "parking": "parking time is rounded up even though charging resumed after it",
        "last": "the time that came last is rounded up, be it charging or parking",
    },
    "tariff_switch_step": {
        "session": "after a change of tariffs the whole session is rounded up by the last step_size",
        "last_tariff": "after a change of tariffs only what was under the last one is rounded up",
    },
    "hour_guard": {
        "on": "time that is over a step_size only because hours are written with four decimals is not rounded up",
        "off": "time is rounded up to the next step_size even if only the four decimals of an hour are over it",
    },
    "negative_total": {
        "exact": "energy that was fed back is not rounded",
        "rounded": "energy that was fed back is rounded to a step_size too",
    },
    "missing_vat": {
        "same_amount": "no VAT is due where the tariff states none",
        "unknown": "the amount with VAT is left open where the tariff states none",
    },
    "limits": {
        "applied": "min_price and max_price are applied",
        "ignored": "min_price and max_price are not applied",
    },
    "limit_without_incl": {
        "scale": f"{_LIMIT} changes that amount in proportion",
        "unlimited": f"{_LIMIT} leaves that amount as it was",
    },
    "limit_scope": {
        "each_tariff": "min_price and max_price of each tariff limit only what it priced",
        "last_tariff": "min_price and max_price of the last tariff limit the whole session",
    },
    "unused_reservation_min": {
        "not_applied": "min_price does not count for a reservation that nobody used",
        "applied": "min_price counts for a reservation that nobody used too",
    },
    "max_price_reservation": {
        "included": "max_price limits the cost of the reservation too",
        "excluded": "max_price does not limit the cost of the reservation",
    },
}
"""By the name of the setting and its value; rounding has sentences of its own."""


def rounding_words(mode: str, currency_decimals: int) -> str:
    """A way of rounding, the same way."""
    unit = "cent" if currency_decimals == 2 else "smallest unit of the currency"
    return {
        "half_away_from_zero": f"half a {unit} is rounded up",
        "half_even": f"half a {unit} is rounded to the even {unit}",
        "half_towards_zero": f"half a {unit} is cut off",
        "away_from_zero": f"every part of a {unit} is rounded up to a whole one",
        "towards_zero": f"every part of a {unit} is cut off",
    }[mode]


def times_words(count: int) -> str:
    """How often: `not at all`, `once`, `twice`, `3 times`."""
    return {0: "not at all", 1: "once", 2: "twice"}.get(count, f"{count} times")
