"""What meters of stations say, as exact numbers: registers in Wh, powers in W, currents in A, voltages in V, charge in percent. Pure.

OCPP 1.6 ("MeterValues", SampledValue) and 2.x (SampledValueType) say the same in nearly the same words. What cannot be read is left out
and named, never guessed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hub.chargers.events import MeterValue, Sample, SignedValue

NUMBER_MAX_CHARACTERS = 40
NUMBER_MAX_ADJUSTED = 15
MULTIPLIER_MAX = 12
SAMPLES_MAX = 500
SIGNED_MAX_CHARACTERS = 20_000
RAW_MAX_CHARACTERS = 200
KEY_CHARACTERS = 40

BEGIN, END = "Transaction.Begin", "Transaction.End"
OUTLET = ""
INLET = "Inlet"
INTERVAL = "Interval"

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?|[+-]?\.[0-9]+")
_ENERGY = {"wh": 0, "kwh": 3, "": 0}
_POWER = {"w": 0, "kw": 3, "": 0, "wh": 0}  # Wh is what an adapter fills in where nothing is said
_CURRENT = {"a": 0, "": 0, "wh": 0}
_VOLTAGE = {"v": 0, "": 0, "wh": 0}
_PERCENT = {"percent": 0, "%": 0, "": 0, "wh": 0}
_AT_OUTLET = ("Outlet", "Cable", "Body", "")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measurand that counts: the field it fills, its units as powers of ten, and the most and least that it can be."""

    field: str
    units: Mapping[str, int]
    kind: str = OUTLET
    least: Decimal = Decimal(0)
    most: Decimal = Decimal(10) ** 12


_QUANTITIES = {
    "Energy.Active.Import.Register": Quantity("register_wh", _ENERGY),
    "Energy.Active.Import.Interval": Quantity("register_wh", _ENERGY, kind=INTERVAL),
    "Power.Active.Import": Quantity("power_w", _POWER, most=Decimal(10) ** 7),
    "Current.Import": Quantity("current_a", _CURRENT, most=Decimal(10) ** 4),
    "Voltage": Quantity("voltage_v", _VOLTAGE, most=Decimal(10) ** 4),
    "SoC": Quantity("soc_percent", _PERCENT, most=Decimal(100)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one meter value says of one register: the fields are those of `hub.store.charges.Reading`; `at` by the station's clock."""

    at: datetime
    context: str
    kind: str = OUTLET
    register_wh: Decimal | None = None
    power_w: Decimal | None = None
    current_a: Decimal | None = None
    voltage_v: Decimal | None = None
    soc_percent: Decimal | None = None
    signed: SignedValue | None = None
    doubtful: str = ""

    @property
    def key(self) -> str:
        """By what it is known again when it is told twice."""
        said = (self.at.isoformat(), self.context, self.kind, self.register_wh, self.power_w, self.current_a)
        more = (self.voltage_v, self.soc_percent, self.signed and self.signed.text, self.doubtful)
        return hashlib.sha256(repr((*map(_plain, said), *map(_plain, more))).encode()).hexdigest()[:KEY_CHARACTERS]


def _plain(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def measured(values: Iterable[MeterValue]) -> tuple[Measured, ...]:
    """What some meter values say: for each one of each of its contexts, and for each kind of register."""
    return tuple(one for value in values for one in _of_value(value))


def _of_value(value: MeterValue) -> list[Measured]:
    contexts = dict.fromkeys(sample.context or "Sample.Periodic" for sample in value.samples[:SAMPLES_MAX])
    found: list[Measured] = []
    for context in contexts:
        samples = [one for one in value.samples[:SAMPLES_MAX] if (one.context or "Sample.Periodic") == context]
        found += _of_context(value.at, context, samples)
    return found


def _of_context(at: datetime, context: str, samples: Sequence[Sample]) -> list[Measured]:
    made = [_of_kind(at, context, kind, samples) for kind in (OUTLET, INLET, INTERVAL)]
    return [one for one in made if one is not None]


def _of_kind(at: datetime, context: str, kind: str, samples: Sequence[Sample]) -> Measured | None:
    stated = {name: _stated(name, samples, kind) for name in _QUANTITIES if _belongs(name, kind)}
    numbers = {_QUANTITIES[name].field: number for name, number in stated.items() if number is not None}
    signed = _signed(samples) if kind == OUTLET else None
    doubtful = _doubtful(samples) if kind == OUTLET else ""
    if not numbers and signed is None and not doubtful:
        return None
    return Measured(at=at, context=context, kind=kind, **numbers, signed=signed, doubtful=doubtful)


def _belongs(name: str, kind: str) -> bool:
    """Whether a measurand fills a reading of a kind; that of the inlet is its register alone."""
    own = _QUANTITIES[name].kind
    return own == kind if kind != INLET else name == "Energy.Active.Import.Register"


def _stated(name: str, samples: Sequence[Sample], kind: str) -> Decimal | None:
    places = (INLET,) if kind == INLET else _AT_OUTLET
    own = [one for one in samples if one.measurand == name and _place(one, name) in places]
    for place in places:
        there = [one for one in own if _place(one, name) == place]
        number = _of_phases(name, there)
        if number is not None:
            return number
    return None


def _place(sample: Sample, name: str) -> str:
    """Where it was measured; the state of charge is the car's own."""
    return "Outlet" if name == "SoC" else sample.location


def _of_phases(name: str, samples: Sequence[Sample]) -> Decimal | None:
    """What is stated without a phase; else the sum of the phases, of voltages their mean."""
    whole = next((number for one in samples if not one.phase and (number := number_of(one)) is not None), None)
    if whole is not None:
        return whole
    by_phase: dict[str, Decimal] = {}
    for one in samples:
        number = number_of(one)
        if one.phase in _PHASES and number is not None:
            by_phase.setdefault(one.phase[:2], number)
    if not by_phase:
        return None
    total = sum(by_phase.values(), Decimal(0))
    return total / len(by_phase) if name == "Voltage" else total


_PHASES = frozenset({"L1", "L2", "L3", "L1-N", "L2-N", "L3-N"})


def number_of(sample: Sample) -> Decimal | None:
    """A sample as a number in the base unit of its measurand; None where it says none that can be."""
    quantity = _QUANTITIES.get(sample.measurand)
    exponent = None if quantity is None else quantity.units.get(sample.unit.strip().lower())
    number = _number(sample.value)
    if quantity is None or exponent is None or number is None or abs(sample.multiplier) > MULTIPLIER_MAX:
        return None
    scaled = number.scaleb(exponent + sample.multiplier)
    return scaled if quantity.least <= scaled <= quantity.most else None


def _number(text: str) -> Decimal | None:
    text = text.strip()
    if len(text) > NUMBER_MAX_CHARACTERS or _NUMBER.fullmatch(text) is None:
        return None
    number = Decimal(text)
    return number if not number or abs(number.adjusted()) <= NUMBER_MAX_ADJUSTED else None


def _signed(samples: Sequence[Sample]) -> SignedValue | None:
    return next((one.signed for one in samples if one.signed and len(one.signed.text) <= SIGNED_MAX_CHARACTERS), None)


def _doubtful(samples: Sequence[Sample]) -> str:
    """The first sample of a measurand that counts and cannot be read."""
    bad = (one for one in samples if one.measurand in _QUANTITIES and one.signed is None and number_of(one) is None)
    found = next(bad, None)
    if found is None:
        return ""
    return f"{found.measurand}: {found.value!r} {found.unit}"[:RAW_MAX_CHARACTERS]
