"""What settlement says of the CDRs that the hub itself makes as a CPO: nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.chargers.closing import closed, shown_session
from hub.settlement.evidence import SettlementPeriod
from hub.store.charges import ChargeState
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json, encode_json, format_datetime
from tests.chargers.charges import PARTY, START, TOKEN, Content, Told, site, where
from tests.chargers.test_billing import charges, limited, say_all
from tests.pricing.build import component, element, tariff
from tests.pricing.charges import FAIR_PRICE, tariffs
from tests.settlement.cases import Arrival, evidence_of, findings_of

PERIOD = SettlementPeriod(
    start=datetime(2026, 1, 1, tzinfo=UTC),
    end=datetime(2027, 6, 1, tzinfo=UTC),
    closes_at=datetime(2027, 6, 5, tzinfo=UTC),
)
PARTIES = {PARTY: frozenset({Role.CPO}), Party("NL", "MSP"): frozenset({Role.EMSP})}
OF_TARIFFS = {"FREE_TARIFF", "TARIFF_INVALID", "NUMBER_PRECISION"}
SMALL = {"MICRO_SESSION"}  # so it was, and it is billed as it was
LONG_AGO = "2026-01-01T00:00:00Z"
TARIFF = tariff(element(component("ENERGY", "0.30", vat="21"), component("PARKING_TIME", "3", vat="21")))


def evidence_for(terms: Content, zone: str, made: Any) -> Any:
    """What settlement has of a charge: CDR, Session, Token, Location and Tariff. None where there is no CDR."""
    now = made[0] + timedelta(seconds=made[1][-1][0] + 60)
    told = Told(where(terms, zone), now=now)
    told.say(*say_all(made, told))
    assert told.charge is not None
    told.charge = closed(told.charge, told.readings, PARTY, now)
    if told.charge.state == ChargeState.INVALID:
        return None
    assert told.charge.cdr is not None, told.charge.flags
    session = shown_session(told.charge, told.readings, PARTY, now)
    assert session is not None
    owner = {"country_code": PARTY.country_code, "party_id": PARTY.party_id, "last_updated": LONG_AGO}
    token = {**TOKEN, "issuer": "MSP", "valid": True, "whitelist": "ALWAYS", "last_updated": LONG_AGO}
    return evidence_of(
        Arrival(decode_json(told.charge.cdr.encode()), received_at=format_datetime(now)),
        sessions=[decode_json(encode_json(session))],
        tokens=[token],
        locations=[{**site(terms["id"], zone=zone).location, "publish": True, **owner}],
        tariffs=[{**terms, **owner}],
        parties=PARTIES,
        period=PERIOD,
    )


@settings(max_examples=25, deadline=None)
@given(terms=st.just(TARIFF) | limited() | tariffs("T1", prices=FAIR_PRICE), made=charges())
def test_settlement_finds_nothing_in_what_the_hub_charges(terms: Content, made: Any) -> None:
    terms = {**terms, "country_code": "NL", "party_id": "LOC", "last_updated": LONG_AGO}
    evidence = evidence_for(terms, "Europe/Amsterdam", made)
    if evidence is not None:
        assert [found for found in findings_of(evidence) if found[0] not in OF_TARIFFS | SMALL] == []


def test_the_energy_of_a_charge_is_settled() -> None:
    made = START, [(1800, 50_000), (3600, 100_000)], [(3000, "Charging"), (3300, "SuspendedEV")]
    assert findings_of(evidence_for({**TARIFF, "last_updated": LONG_AGO}, "Europe/Amsterdam", made)) == []
