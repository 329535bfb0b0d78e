"""step_size: quantities are rounded up once in a session (mod_cdrs, "step_size"; mod_tariffs, PriceComponent; rules S1 to S8, R5).

What is added (or, by the guard of S6, taken away) is a line of its own under the component that decides.
"""

from __future__ import annotations

from hub.pricing.exact import Exact
from hub.pricing.policy import Policy
from hub.pricing.result import Line, Lines
from hub.pricing.tariff import Component

HOUR_NOTATION_MICROSECONDS = 180_000
"""Half a unit of the fourth decimal of an hour (S6)."""

GUARD_MAX_SHARE = 10
"""The guard never forgives more than a tenth of the step (S6)."""


def add_surpluses(lines: Lines, policy: Policy) -> None:
    """Add the lines that rounding up to steps makes; in the units of `charge.Period`."""
    if policy.step_size == "session":
        _round(lines.energy, policy)
        _round(lines.time if _rounds_charging(lines, policy) else lines.parking, policy)
        if lines.reservation and not _is_followed(lines, policy):
            _round(lines.reservation, policy)
    elif policy.step_size == "period":
        for listed in (lines.energy, lines.time, lines.parking, lines.reservation):
            listed.extend([added for line in listed for added in _surplus([line], policy)])


def _rounds_charging(lines: Lines, policy: Policy) -> bool:
    """Whether charging time is rounded, and not parking time (S4)."""
    parked = _last(lines.parking, policy)
    if parked is None:
        return True
    charged = _last(lines.time, policy)
    return policy.resumed_charging == "last" and charged is not None and charged.period > parked.period


def _is_followed(lines: Lines, policy: Policy) -> bool:
    """Whether another priced time follows a reservation, where that matters (R5)."""
    return policy.reservation_step == "followed" and _last(lines.time + lines.parking, policy) is not None


def _last(lines: list[Line], policy: Policy) -> Line | None:
    """The last relevant line, the one that decides (S3)."""
    if not lines or lines[-1].quantity > 0 or policy.last_period == "stated_volume":
        return lines[-1] if lines else None
    for line in reversed(lines):
        if line.quantity > 0:
            return line
    return _last_negative(lines) if policy.negative_total == "rounded" else None


def _last_negative(lines: list[Line]) -> Line | None:
    return next((line for line in reversed(lines) if line.quantity < 0), None)


def _round(lines: list[Line], policy: Policy) -> None:
    if lines:
        lines.extend(_surplus(lines, policy))


def _surplus(lines: list[Line], policy: Policy) -> list[Line]:
    last = _last(lines, policy)
    if last is None or not last.component.step:
        return []
    added = _added([line.quantity for line in _counted(lines, last, policy)], last.component, policy)
    return [Line(last.period, last.component, added, True)] if added else []


def _counted(lines: list[Line], last: Line, policy: Policy) -> list[Line]:
    """The lines whose quantities make the total (S2, S5)."""
    if policy.tariff_switch_step == "session":
        return lines
    return [line for line in lines if line.component.tariff == last.component.tariff]


def _added(quantities: list[Exact], component: Component, policy: Policy) -> Exact:
    total, step = sum(quantities), component.step
    over = total % step
    if not over or (total < 0 and policy.negative_total == "exact"):
        return 0
    if component.dimension != "ENERGY" and policy.hour_guard == "on" and _is_notation(over, step, quantities):
        return -over
    return step - over


def _is_notation(over: Exact, step: Exact, quantities: list[Exact]) -> bool:
    """Whether hours are over a step only because of how they are written (S6)."""
    contributing = sum(1 for quantity in quantities if quantity)
    return over <= HOUR_NOTATION_MICROSECONDS * contributing and over * GUARD_MAX_SHARE <= step
