"""Wh where kWh is meant, or the other way round (rule D4).

Dividing by a thousand brings every price near to nothing, so that a claim is near to it proves nothing by itself. The CDR has to
say it: its total_energy and the energy of its periods differ by a factor of 1000, or its claim does, in what its energy costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from hub.pricing.comparison import Scale, amount_of
from hub.pricing.exact import Exact
from hub.pricing.findings import WH_PER_KWH, has_periods_in_wh, has_total_in_wh, in_kwh
from hub.pricing.guess import Case, Guess, priced, with_energy
from hub.pricing.pricer import Priced

RATIO_TOLERANCE_SHARE = Fraction(1, 1000)
ENERGY_COST_MIN_TOLERANCES = 10
"""From how many tolerances the cost of energy tells a factor of 1000 from a small amount."""


def priced_in_kwh(case: Case) -> Priced | None:
    """What the charge costs in kWh, where its total tells that its periods are in Wh; None where it does not."""
    charge = in_kwh(case.charge)
    return None if charge is None else priced(replace(case, charge=charge))


def unit_guesses(case: Case, plain: Priced) -> Iterator[Guess]:
    """The energy of the periods is in Wh, or was priced as if it were."""
    charge = case.charge
    in_wh = priced(replace(case, charge=with_energy(charge, _in_kwh)))
    if in_wh is not None and (has_periods_in_wh(charge) or _is_told_by_claim(case, plain, in_wh)):
        words = "the energy of the periods is in Wh, not in kWh"
        yield Guess("ENERGY_UNIT_ERROR", "energy_in_wh", words, amount_of(in_wh.total_cost))
    as_wh = priced(replace(case, charge=with_energy(charge, _in_wh)))
    if as_wh is not None and (has_total_in_wh(charge) or _is_told_by_claim(case, plain, as_wh)):
        words = "every kWh is priced as 1000 kWh"
        yield Guess("ENERGY_UNIT_ERROR", "energy_priced_as_wh", words, amount_of(as_wh.total_cost))


def _in_kwh(energy: Exact) -> Exact:
    return Fraction(energy, WH_PER_KWH)


def _in_wh(energy: Exact) -> Exact:
    return energy * WH_PER_KWH


def _is_told_by_claim(case: Case, plain: Priced, other: Priced) -> bool:
    """Whether the claim is what the energy costs in the other unit, within 0.1 % of that, and that is no small amount."""
    part = other.parts.get("energy")
    if part is None or other.total.limits:
        return False
    scale = Scale.of(plain.charge.currency, case.policy, len(plain.parts))
    cost, least = abs(part.excl_vat), ENERGY_COST_MIN_TOLERANCES * scale.tolerance
    apart = abs(plain.total_cost.excl_vat - other.total_cost.excl_vat)
    off = abs(case.claim.total.excl_vat - other.total_cost.excl_vat)
    return cost >= least and apart >= least and off <= max(cost * RATIO_TOLERANCE_SHARE, scale.tolerance / 2)
