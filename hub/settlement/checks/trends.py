"""G09, G10: prices that are odd beside others, though no rule is broken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from hub.pricing.tariff import CompiledTariff, Component
from hub.pricing.unpriced import unpriced
from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import FREE_TARIFF, PRICE_OUTLIER
from hub.settlement.claims import written
from hub.settlement.evidence import Evidence
from hub.settlement.facts import CdrFact
from hub.settlement.findings import Finding, found, on
from hub.settlement.netting import Pair
from hub.settlement.outliers import outliers
from hub.settlement.prices import Pricing
from hub.settlement.relations import Relations
from hub.settlement.verdicts import belongs_earlier, belongs_later

ENERGY_MIN_KWH = Decimal(1)
"""A price per kWh of less than that is one of time or of nothing."""

FREE_ENERGY_KWH = Decimal("0.5")
RATE_DIGITS = Decimal("0.000001")
RATE_MAX = Decimal(10) ** 12


def g09_price_outliers(evidence: Evidence, relations: Relations, pricings: Mapping[int, Pricing]) -> Iterable[Finding]:
    """PRICE_OUTLIER: of the CDRs of one pair that stand for a charge of this period."""
    here = [cdr for cdr in evidence.cdrs if relations.is_open(cdr) and _is_of_period(cdr, evidence)]
    yield from price_outliers(here)


def price_outliers(cdrs: Iterable[CdrFact]) -> Iterable[Finding]:
    """PRICE_OUTLIER among CDRs, in the order of pairs."""
    by_index: dict[int, CdrFact] = {}
    rates: defaultdict[Pair, dict[int, Decimal]] = defaultdict(dict)
    for cdr in cdrs:
        rate = rate_of(cdr.total.excl_vat if cdr.total is not None else None, cdr.energy)
        if rate is not None:
            by_index[cdr.index] = cdr
            rates[Pair(cdr.owner, cdr.to, cdr.currency)][cdr.index] = rate
    for pair in sorted(rates):
        seen = outliers(rates[pair])
        for index, rate in sorted(seen.apart.items()):
            details = {"per_kwh": rate, "median_per_kwh": seen.median.quantize(RATE_DIGITS)}
            sentence = outlier_sentence(by_index[index].id, pair, details)
            yield found(PRICE_OUTLIER, on(by_index[index]), sentence, **details)


def rate_of(excl_vat: Decimal | None, energy: Decimal | None) -> Decimal | None:
    """What is claimed for a kWh, without VAT and in the currency of the claim; None where that says nothing."""
    if excl_vat is None or energy is None or energy < ENERGY_MIN_KWH or not 0 < excl_vat < RATE_MAX:
        return None
    return (excl_vat / energy).quantize(RATE_DIGITS)


def outlier_sentence(cdr_id: str, pair: Pair, details: Mapping[str, Decimal]) -> str:
    """What is odd about the price of a CDR."""
    rate, median = (written(details[name], pair.currency) for name in ("per_kwh", "median_per_kwh"))
    return f"CDR {cdr_id} claims {rate} for a kWh; the median between {pair.creditor} and {pair.debtor} is {median}."


def _is_of_period(cdr: CdrFact, evidence: Evidence) -> bool:
    return not belongs_later(cdr, evidence.period) and not belongs_earlier(cdr, evidence.period)


def g10_free_of_charge(case: Case) -> Iterable[Finding]:
    """FREE_TARIFF: nothing is claimed for energy that nothing prices, so that no tariff says that it is free either."""
    cdr, priced = case.cdr, case.pricing.priced
    if case.is_told_elsewhere or priced is None or cdr.total is None or cdr.total.excl_vat or not cdr.energy:
        return
    tariffs = priced.working.tariffs
    unsaid = (one for one in unpriced(priced) if one.dimension == "ENERGY" and not is_free(tariffs[one.period]))
    if cdr.energy > FREE_ENERGY_KWH and any(unsaid):
        sentence = f"CDR {cdr.id} claims nothing for {cdr.energy:f} kWh, and no tariff says that they are free."
        yield found(FREE_TARIFF, on(cdr), sentence, kwh=cdr.energy)


def is_free(tariff: CompiledTariff | None) -> bool:
    """Whether it says that charging is free of charge: one FLAT component of 0.00, without restrictions (TF-09)."""
    return tariff is not None and not tariff.is_restricted and [*map(_of_nothing, tariff.components)] == [True]


def _of_nothing(component: Component) -> bool:
    return component.dimension == "FLAT" and not component.rate


CASE_CHECKS: tuple[CaseCheck, ...] = (g10_free_of_charge,)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = (g09_price_outliers,)
