"""What a CDR should have cost, with the lines of its price and why its claim differs: priced again when somebody looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hub.pricing.answer import answer, explanation
from hub.pricing.comparison import NoClaim, read_claim
from hub.pricing.explain import Case, explain
from hub.pricing.policy import Policy
from hub.pricing.tariff import NotATariff
from hub.settlement.agreements import Agreements
from hub.settlement.engine.gathering import Gathered, Gatherer
from hub.settlement.facts import CdrFact
from hub.settlement.prices import Pricing, price_agreed
from hub.store.verdicts import ReceivedCdr
from ocpi_modules.types import encode_decoded

Content = Mapping[str, Any]


class Pricer:
    """Prices CDRs of the store one at a time, with all that the hub knows."""

    def __init__(self, gatherer: Gatherer, agreements_now: Callable[[], Awaitable[Agreements]]) -> None:
        self._gatherer, self._agreements_now = gatherer, agreements_now

    async def price(self, received: ReceivedCdr) -> Content:
        """The answer of the pricer to a CDR, with an `explanation` of what it claims; `refused` and why where it cannot be read."""
        gathered = await self._gatherer.gather([received])
        return await asyncio.to_thread(_priced, gathered, received, await self._agreements_now())


def _priced(gathered: Gathered, received: ReceivedCdr, agreements: Agreements) -> Content:
    evidence = gathered.evidence
    cdr = next(one for one in evidence.cdrs if (str(one.owner), one.key) == received.name)
    agreement = agreements.of(cdr)
    return price_content(cdr, price_agreed(cdr, evidence, evidence.place_of(cdr), agreement), agreement.policy)


def price_content(cdr: CdrFact, pricing: Pricing, policy: Policy) -> Content:
    """A price as the pricer's own interface shows it."""
    if pricing.result is None:
        return {"refused": pricing.refusal}
    return {**answer(pricing.result), "explanation": _explained(cdr, pricing, policy)}


def _explained(cdr: CdrFact, pricing: Pricing, policy: Policy) -> Content | None:
    try:
        claim = read_claim(encode_decoded(cdr.content))
        if claim is None or pricing.charge is None:
            return None
        return explanation(explain(Case(pricing.charge, claim, pricing.book, policy, pricing.zone)))
    except (NoClaim, NotATariff):
        return None
