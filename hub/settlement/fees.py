"""M03: fees that statements bill, computed again from what was agreed and compared.

The fees are those of the hub and of agreements, no claim of a CPO: where one is wrong, the books are to be mended, not the CDR. A run
from a file computes its fees in that same run, so that there is nothing to compare them with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from hub.pricing.rounding import currency_exponent
from hub.settlement.agreements import Agreement
from hub.settlement.amounts import EXACT
from hub.settlement.catalogue import FEE_MISMATCH
from hub.settlement.claims import written
from hub.settlement.facts import CdrFact
from hub.settlement.findings import Finding, found, on
from hub.settlement.netting import Amount, Obligation, Pair
from ocpi_modules.parties import Party

Fees = Mapping[Pair, Amount]
"""What is paid for one CDR beside its claim: by payee (creditor), payer (debtor) and currency."""


def fees_by_pair(obligations: Iterable[Obligation]) -> Fees:
    """Fees added up within each pair."""
    sums: defaultdict[Pair, Amount] = defaultdict(Amount)
    for one in obligations:
        sums[one.pair] += one.amount
    return sums


def pairs_with_fees(agreements: Iterable[Agreement]) -> frozenset[tuple[Party, Party]]:
    """CPOs and eMSPs that ever agreed on a fee."""
    return frozenset((one.creditor, one.debtor) for one in agreements if one.fees and one.creditor and one.debtor)


def m03_fees(cdr: CdrFact, billed: Fees, agreed: Fees) -> Finding | None:
    """FEE_MISMATCH: a fee that differs from the agreed one by more than a minor unit, without VAT or with it; also one that is missing."""
    nothing = Amount()
    both = {pair: (billed.get(pair, nothing), agreed.get(pair, nothing)) for pair in sorted({*billed, *agreed})}
    wrong = {pair: amounts for pair, amounts in both.items() if not is_close(pair, *amounts)}
    if not wrong:
        return None
    sentence = f"For CDR {cdr.id} {'; '.join(fee_in_words(pair, *amounts) for pair, amounts in wrong.items())}."
    fees = [_in_detail(pair, *amounts) for pair, amounts in wrong.items()]
    return found(FEE_MISMATCH, on(cdr), sentence, fees=fees)


def fee_risk(billed: Fees, agreed: Fees) -> Decimal:
    """By how much fees differ with VAT, all differences added up; never negative."""
    total, nothing = Decimal(0), Amount()
    for pair in {*billed, *agreed}:
        total = EXACT.add(total, _off(billed.get(pair, nothing).incl_vat, agreed.get(pair, nothing).incl_vat))
    return total


def is_close(pair: Pair, billed: Amount, agreed: Amount) -> bool:
    """Whether a fee is as agreed, to the minor unit of its currency, without VAT and with it."""
    unit = Decimal(1).scaleb(-currency_exponent(pair.currency))
    return max(_off(billed.excl_vat, agreed.excl_vat), _off(billed.incl_vat, agreed.incl_vat)) <= unit


def _off(one: Decimal, other: Decimal) -> Decimal:
    return EXACT.subtract(one, other).copy_abs()


def fee_in_words(pair: Pair, billed: Amount, agreed: Amount) -> str:
    """What a payer is billed of the fees of a payee, and what is agreed."""
    amounts = [
        f"{written(one.excl_vat, pair.currency)} ({written(one.incl_vat, pair.currency)} with VAT)"
        for one in (billed, agreed)
    ]
    return f"{pair.debtor} is billed {amounts[0]} of fees of {pair.creditor}, {amounts[1]} are agreed"


def _in_detail(pair: Pair, billed: Amount, agreed: Amount) -> Mapping[str, object]:
    return {
        "payee": str(pair.creditor),
        "payer": str(pair.debtor),
        "currency": pair.currency,
        "billed_excl_vat": billed.excl_vat,
        "billed_incl_vat": billed.incl_vat,
        "agreed_excl_vat": agreed.excl_vat,
        "agreed_incl_vat": agreed.incl_vat,
    }
