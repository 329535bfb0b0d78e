"""H, C09, D07: what the meter itself signed, where a key of it is registered; silent everywhere else.

H01 (signed data are required) is a matter of contract: silent where the agreement does not ask for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from hub.metering import Identification, MeterValue, Refusal, Refused, SignedReading, Span
from hub.settlement.amounts import EXACT
from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    METER_RUNS_BACKWARDS,
    SIGNATURE_WRONG,
    SIGNED_DATA_INCOMPLETE,
    SIGNED_DATA_MISSING,
    SIGNED_DATA_REPEATED,
    SIGNED_DATA_UNREADABLE,
    SIGNED_ENERGY_MISMATCH,
    SIGNED_TIME_MISMATCH,
    SIGNED_TOKEN_MISMATCH,
)
from hub.settlement.evidence import in_force
from hub.settlement.facts import CdrFact, TokenKey, Version, key_of, objects_in, text_of
from hub.settlement.findings import Disposition, Finding, Severity, found, on, raised_to_hold
from hub.settlement.quantities import energy_of, in_kwh
from hub.settlement.relations import NO_TIMELINE, has_span, moment
from ocpi_modules.types import UNKNOWN_TIME, fold

ENERGY_KWH = Decimal("0.001")
ENERGY_PART = Decimal("0.001")
TIME_SECONDS = 120
REGISTER_KWH = Decimal("0.01")
EMAID_CHARACTERS = 14
"""A contract id without its check digit, which may be left out."""

_TOKEN_TYPES = ("RFID", "APP_USER", "AD_HOC_USER", "OTHER")
_OF_A_CARD = frozenset({"ISO14443", "ISO15693", "EMAID", "EVCOID"})
"""Identifications that are those of a token; others may be numbers that a charge point made up."""
_CLOCKS_TO_COMPARE = frozenset("SIR")
_CLOCKS_TO_BILL_BY = frozenset("SR")


# --- the data -------------------------------------------------------------------------------


def h01_present(case: Case) -> Iterable[Finding]:
    """SIGNED_DATA_MISSING: the agreement requires signed data, and a charge with energy brings no value that was signed."""
    cdr = case.cdr
    if case.agreement.needs_signed_data and cdr.energy and not case.is_told_elsewhere and not _is_signed(cdr):
        sentence = f"CDR {cdr.id} comes without signed meter data, which the agreement requires."
        yield found(SIGNED_DATA_MISSING, on(cdr), sentence)


def _is_signed(cdr: CdrFact) -> bool:
    signed = cdr.content.get("signed_data")
    values = objects_in(signed.get("signed_values")) if isinstance(signed, Mapping) else ()
    return any(text_of(value.get("signed_data")) for value in values)


def h02_signature(case: Case) -> Iterable[Finding]:
    """SIGNATURE_WRONG: not signed with the registered key, or changed since; a key in the CDR proves nothing."""
    refusal = _refusal(case)
    if refusal is not None and refusal.why is Refused.WRONG_SIGNATURE:
        sentence = f"The signed meter data of CDR {case.cdr.id} do not verify with the registered key: {refusal.said}."
        yield found(SIGNATURE_WRONG, on(case.cdr), sentence)


def h06_complete(case: Case) -> Iterable[Finding]:
    """SIGNED_DATA_INCOMPLETE: begin and end, of one meter, of good status, on pages that follow each other."""
    reading = _reading(case)
    if reading is not None and reading.faults:
        sentence = f"The signed meter data of CDR {case.cdr.id} are incomplete: {'; '.join(reading.faults)}."
        yield found(SIGNED_DATA_INCOMPLETE, on(case.cdr), sentence, faults=list(reading.faults), meter=reading.meter)


def h07_readable(case: Case) -> Iterable[Finding]:
    """SIGNED_DATA_UNREADABLE: another encoding than OCMF, or none at all; what they say is not known."""
    refusal = _refusal(case)
    if refusal is not None and refusal.why is not Refused.WRONG_SIGNATURE:
        sentence = f"The signed meter data of CDR {case.cdr.id} cannot be verified here: {refusal.said}."
        yield found(SIGNED_DATA_UNREADABLE, on(case.cdr), sentence, why=str(refusal.why))


# --- what they say --------------------------------------------------------------------------


def h03_energy(case: Case) -> Iterable[Finding]:
    """SIGNED_ENERGY_MISMATCH: more than 0.001 kWh and 0.1 % apart. Less than was measured settles: the creditor may ask for less.

    Where the periods agree with the meter, total_energy is what is wrong, and B02 tells that. Of incomplete data H06 tells.
    """
    reading = _reading(case)
    span = None if reading is None or reading.faults else reading.billed
    claimed = case.cdr.energy
    if span is None or claimed is None or _agree(claimed, span.energy) or _agree(_of_periods(case), span.energy):
        return
    sentence = f"CDR {case.cdr.id} bills {claimed:f} kWh; its meter signed {span.energy:f}."
    finding = found(SIGNED_ENERGY_MISMATCH, on(case.cdr), sentence, cdr_kwh=claimed, signed_kwh=span.energy)
    is_dearer = claimed > span.energy
    yield finding if is_dearer else replace(finding, severity=Severity.WARNING, disposition=Disposition.SETTLE)


def h04_time(case: Case) -> Iterable[Finding]:
    """SIGNED_TIME_MISMATCH: more than two minutes apart, by a clock that is not unknown; or time is billed by a clock that nobody set."""
    reading = _reading(case)
    span = reading.billed if reading is not None else None
    if span is None:
        return
    apart = {"begin": _apart(case.cdr.start, span.begin), "end": _apart(case.cdr.end, span.end)}
    far = {name: seconds for name, seconds in apart.items() if seconds > TIME_SECONDS}
    if far:
        words = " and ".join(f"{name} {seconds} s" for name, seconds in far.items())
        sentence = f"Signed times of CDR {case.cdr.id} are away from those that it states: {words}."
        yield found(SIGNED_TIME_MISMATCH, on(case.cdr), sentence, **{f"{name}_seconds": s for name, s in apart.items()})
    elif _is_time_priced(case) and not {span.begin.clock, span.end.clock} <= _CLOCKS_TO_BILL_BY:
        sentence = f"CDR {case.cdr.id} bills time, and the clock of its meter was not synchronised."
        yield found(SIGNED_TIME_MISMATCH, on(case.cdr), sentence, clocks=[span.begin.clock, span.end.clock])


def h05_token(case: Case) -> Iterable[Finding]:
    """SIGNED_TOKEN_MISMATCH: another card than the token; held where it is a known token of another contract.

    Numbers that a charge point made up for itself (LOCAL, CENTRAL and others) prove nothing unless they are those of a token. A finding
    does not repeat what was signed: it may be of a driver who has nothing to do with the CDR.
    """
    reading = _reading(case)
    identification = reading.identification if reading is not None else None
    if identification is None or _is_of_token(identification, case.cdr):
        return
    other = _other_token(identification, case)
    if other is not None:
        sentence = (
            f"The meter of CDR {case.cdr.id} signed for a token of {other.owner}, which is another than it bills."
        )
        yield raised_to_hold(found(SIGNED_TOKEN_MISMATCH, on(case.cdr), sentence, signed_type=identification.type))
    elif fold(identification.type) in _OF_A_CARD:
        sentence = f"The meter of CDR {case.cdr.id} signed for another card ({identification.type}) than its token."
        yield found(SIGNED_TOKEN_MISMATCH, on(case.cdr), sentence, signed_type=identification.type)


# --- next to other CDRs ---------------------------------------------------------------------


def d07_one_reading_one_cdr(case: Case) -> Iterable[Finding]:
    """SIGNED_DATA_REPEATED: the record that ends the charge stands behind an earlier CDR too; the later one is held."""
    reading = _reading(case)
    if reading is None or not reading.digest:
        return
    others = case.relations.by_reading.get((case.cdr.owner, reading.digest), ())
    earlier = [other for other in others if other.order < case.cdr.order and case.relations.is_open(other)]
    if earlier:
        sentence = f"The signed meter data of CDR {case.cdr.id} are those of CDR {earlier[0].id}."
        yield found(SIGNED_DATA_REPEATED, on(case.cdr), sentence, first_cdr_id=earlier[0].id)


def c09_register_never_falls(case: Case) -> Iterable[Finding]:
    """METER_RUNS_BACKWARDS: a register begins below where the charge before left it; registers of single charges do begin anew."""
    reading = _reading(case)
    if reading is None or not has_span(case.cdr):
        return
    before = case.relations.by_meter.get((case.cdr.owner, reading.meter), NO_TIMELINE).before(moment(case.cdr.start))
    earlier = case.relations.signed.get(before.index) if before is not None else None
    pair = _same_register(earlier, reading) if isinstance(earlier, SignedReading) else None
    if before is None or pair is None or pair[1].begin.kwh >= EXACT.subtract(pair[0].end.kwh, REGISTER_KWH):
        return
    left, begun = pair[0].end.kwh, pair[1].begin.kwh
    sentence = f"Meter {reading.meter} began CDR {case.cdr.id} with {begun:f} kWh; CDR {before.id} before it ended with {left:f}."
    yield found(METER_RUNS_BACKWARDS, on(case.cdr), sentence, begin_kwh=begun, before_kwh=left, before_cdr_id=before.id)


# --- helpers --------------------------------------------------------------------------------


def _reading(case: Case) -> SignedReading | None:
    signed = case.relations.signed.get(case.cdr.index)
    return signed if isinstance(signed, SignedReading) and case.is_open else None


def _refusal(case: Case) -> Refusal | None:
    signed = case.relations.signed.get(case.cdr.index)
    return signed if isinstance(signed, Refusal) and case.is_open else None


def _agree(one: Decimal | None, other: Decimal) -> bool:
    if one is None:
        return False
    share = EXACT.multiply(ENERGY_PART, max(one.copy_abs(), other.copy_abs()))
    return EXACT.subtract(one, other).copy_abs() <= max(share, ENERGY_KWH)


def _of_periods(case: Case) -> Decimal | None:
    energy = None if case.pricing.charge is None else energy_of(case.pricing.charge)
    return None if energy is None else in_kwh(energy)


def _apart(stated: datetime | None, value: MeterValue) -> int:
    """Seconds between what is stated and what was signed; 0 where one of them is not known."""
    if stated in {None, UNKNOWN_TIME} or value.at is None or value.clock not in _CLOCKS_TO_COMPARE:
        return 0
    return int(abs(moment(stated) - value.at) / timedelta(seconds=1))


def _is_time_priced(case: Case) -> bool:
    priced = case.pricing.priced
    tariffs = priced.working.tariffs if priced is not None else ()
    return any(tariff is not None and (tariff.time or tariff.parking) for tariff in tariffs)


def _is_of_token(identification: Identification, cdr: CdrFact) -> bool:
    """Whether what was signed is the uid of the token, in whatever order of bytes, or its contract."""
    token = cdr.content.get("cdr_token")
    contract = _plain(key_of(token.get("contract_id")) if isinstance(token, dict) else "")
    said, uid = _plain(fold(identification.id)), _plain(cdr.token.uid)
    return said in {uid, _reversed(uid)} or said[:EMAID_CHARACTERS] == contract[:EMAID_CHARACTERS]


def _other_token(identification: Identification, case: Case) -> Version | None:
    """The known token whose uid was signed, where it is of another contract than the CDR."""
    uid = fold(identification.id)
    for kind in _TOKEN_TYPES:
        for versions in case.evidence.tokens.get(TokenKey(uid, kind), {}).values():
            version = in_force(versions, case.cdr.start)
            if version is not None and not _is_of_contract(version, case.cdr):
                return version
    return None


def _is_of_contract(version: Version, cdr: CdrFact) -> bool:
    token = cdr.content.get("cdr_token")
    billed = key_of(token.get("contract_id")) if isinstance(token, dict) else ""
    return version.owner == cdr.token_party and key_of(version.content.get("contract_id")) == billed


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())


def _reversed(uid: str) -> str:
    """The bytes of a uid in hex the other way round, as many readers have them."""
    return "".join(reversed([uid[place : place + 2] for place in range(0, len(uid), 2)]))


def _same_register(earlier: SignedReading, later: SignedReading) -> tuple[Span, Span] | None:
    """A register that runs on from charge to charge, in both."""
    ends = {span.end.register: span for span in earlier.spans if not span.is_of_charge}
    return next(((ends[name], span) for span in later.spans if (name := span.begin.register) in ends), None)


CASE_CHECKS: tuple[CaseCheck, ...] = (
    h01_present,
    h02_signature,
    h03_energy,
    h04_time,
    h05_token,
    h06_complete,
    h07_readable,
    c09_register_never_falls,
    d07_one_reading_one_cdr,
)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()
