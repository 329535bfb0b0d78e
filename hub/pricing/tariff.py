"""A Tariff compiled once: for every dimension the components in list order, with prices as exact whole numbers.

Source: mod_tariffs, Tariff object, TariffElement, PriceComponent; rules E1, R2, R3, F3, S1, S7, V1, M1.

Amounts are counted so finely that nothing has to be divided while they are added up: `EXCL_UNITS` of them are one unit of
the currency, `INCL_UNITS` where VAT is in it. A rate is what one unit of quantity costs in them (a millionth of a kWh, a
microsecond, one FLAT).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Annotated

import msgspec

from hub.pricing.charge import FOUR_DECIMALS, NAME_MAX_CHARACTERS
from hub.pricing.exact import PER_ONE, Exact, Number, half_up, millionths, named_millionths, simplest
from hub.pricing.policy import DEFAULT, NotedTariffPolicy, Policy, TariffPolicy
from hub.pricing.restrictions import Check, Restrictions, RestrictionsText, compile_restrictions
from ocpi_modules.types import NotJsonText, decode_json, fold, lenient_datetime

TARIFFS_KEPT_MAX = 4096
REGULAR = "REGULAR"
SECONDS_PER_HOUR = 3600
EXCL_UNITS = SECONDS_PER_HOUR * PER_ONE * PER_ONE
INCL_UNITS = EXCL_UNITS * PER_ONE

FIXED, ENERGY, TIME, PARKING, RESERVATION = range(5)
PARTS = ("fixed", "energy", "time", "parking", "reservation")

_STEP_UNITS = {"ENERGY": PER_ONE // 1000, "TIME": PER_ONE, "PARKING_TIME": PER_ONE}
_RATE_UNITS = {"ENERGY": SECONDS_PER_HOUR, "TIME": 1, "PARKING_TIME": 1, "FLAT": SECONDS_PER_HOUR * PER_ONE}
_PART_OF = {"ENERGY": ENERGY, "TIME": TIME, "PARKING_TIME": PARKING, "FLAT": FIXED}


class NotATariff(ValueError):
    """This text is not a Tariff that can be read; the message is a sentence. `name` is its id, None where it states none."""

    def __init__(self, reason: str, name: str | None = None, where: str = "the tariff") -> None:
        super().__init__(f"{where if name is None else f'the tariff {name}'} cannot be read: {reason}")
        self.reason, self.name = reason, name


# --- what is read ----------------------------------------------------------------------------


class ComponentText(msgspec.Struct, gc=False):
    """A price component as it is written."""

    type: str
    price: Number
    vat: Number | None = None
    step_size: Number | None = None


class ElementText(msgspec.Struct, gc=False):
    """A tariff element as it is written."""

    price_components: Annotated[list[ComponentText], msgspec.Meta(min_length=1)]
    restrictions: RestrictionsText | None = None


class LimitText(msgspec.Struct, gc=False):
    """A Price as it is written."""

    excl_vat: Number
    incl_vat: Number | None = None


class TariffText(msgspec.Struct, gc=False):
    """The fields of a Tariff that bear on a price."""

    id: str
    currency: str
    elements: Annotated[list[ElementText], msgspec.Meta(min_length=1)]
    country_code: str | None = None
    party_id: str | None = None
    type: str | None = None
    min_price: LimitText | None = None
    max_price: LimitText | None = None
    start_date_time: str | None = None
    end_date_time: str | None = None
    last_updated: str | None = None


# --- what is priced with ---------------------------------------------------------------------


class Component(msgspec.Struct, gc=False, eq=False):
    """A price of one dimension under its restrictions.

    `dimension` is FLAT, ENERGY, TIME, PARKING_TIME or RESERVATION_TIME, `part` an index into `PARTS`, `step` in the units of
    the quantity (0 where nothing is rounded), `price` and `vat` as they are stated.
    """

    tariff: str
    element: int
    index: int
    dimension: str
    part: int
    price: Number
    vat: Number | None
    step_size: Number | None
    rate: Exact
    rate_incl: Exact
    step: Exact
    restrictions: Restrictions
    checks: tuple[Check, ...]


class Limit(msgspec.Struct, gc=False):
    """A min_price or max_price in amounts; `incl` is None where it is not stated."""

    excl: Exact
    incl: Exact | None


Components = tuple[Component, ...]


class CompiledTariff(msgspec.Struct, gc=False, eq=False):
    """A Tariff to price with. `owner` and `key` (its id) are folded, moments are in UTC, None where they are not stated.

    The components of a dimension are in list order; those of a reservation come in the order for one that was used and for
    one that expired (R3). `expired_flats` are the groups of FLATs of which one each is due on expiry.
    """

    id: str
    key: str
    owner: tuple[str, str] | None
    currency: str
    type: str | None
    start: datetime | None
    end: datetime | None
    last_updated: datetime | None
    components: Components
    """All of them, in list order."""
    flat: Components
    energy: Components
    time: Components
    parking: Components
    reserved_flat: Components
    reserved_time: Components
    expired_flats: tuple[Components, ...]
    expired_time: Components
    min_price: Limit | None
    max_price: Limit | None
    restrictions: tuple[Restrictions, ...]
    is_restricted: bool
    needs_local_time: bool
    needs_duration: bool
    needs_electric: bool
    has_flats: bool
    has_limits: bool
    has_fine_prices: bool
    defects: tuple[str, ...]
    kwh_limits: frozenset[Exact]
    """Where an answer of a restriction can change: in millionths of a kWh."""
    duration_limits: frozenset[Exact]
    """The same, in microseconds."""
    minutes: frozenset[int]
    """The same, in minutes of the local day; midnight among them where days count."""
    is_beyond_doubt: bool
    """Whether nothing can be said against it when a period names it: for every session, always valid, without defects."""
    terms: str
    """What it costs, as text: equal for two versions that price alike."""
    settings: frozenset[str]
    """The settings that were read to compile it: under another value of any other one it is the same."""


def compile_tariff(text: bytes, policy: Policy) -> CompiledTariff:
    """The Tariff in a JSON text, read under a policy; the same text is compiled once. Raises NotATariff.

    Under policies that read Tariffs alike it is the same one: a claim that nobody understands is priced under dozens of policies.
    """
    return _compile_by_default(text) if policy is DEFAULT else _compile(text, policy.of_tariffs)


@lru_cache(maxsize=TARIFFS_KEPT_MAX)
def _compile_by_default(text: bytes) -> CompiledTariff:
    return _compile(text, DEFAULT.of_tariffs)  # to gather what is read of a policy takes longer than to find a tariff


@lru_cache(maxsize=TARIFFS_KEPT_MAX)
def _compile(text: bytes, policy: TariffPolicy) -> CompiledTariff:
    try:
        return _compiled(_read(text), NotedTariffPolicy.over(policy))
    except (msgspec.ValidationError, ValueError, ArithmeticError) as exc:
        raise NotATariff(str(exc), _name_in(text)) from exc


def _read(text: bytes) -> TariffText:
    tariff = msgspec.convert(decode_json(text), TariffText, builtin_types=(Decimal,))
    tariff.currency = tariff.currency.upper()
    for place, number in _numbers(tariff):
        named_millionths(number, place)
    return tariff


def _name_in(text: bytes) -> str | None:
    """The id that a Tariff states which cannot be read otherwise."""
    try:
        content = decode_json(text)
    except NotJsonText:
        return None
    name = content.get("id") if isinstance(content, dict) else None
    return name[:NAME_MAX_CHARACTERS] if isinstance(name, str) else None


def _numbers(text: TariffText) -> Iterator[tuple[str, Number]]:
    """Every number, and where it stands."""
    for index, element in enumerate(text.elements):
        for place, component in enumerate(element.price_components):
            yield from _numbers_in(component, f"$.elements[{index}].price_components[{place}]")
        yield from _numbers_in(element.restrictions, f"$.elements[{index}].restrictions")
    yield from _numbers_in(text.min_price, "$.min_price")
    yield from _numbers_in(text.max_price, "$.max_price")


def _numbers_in(item: msgspec.Struct | None, place: str) -> Iterator[tuple[str, Number]]:
    for name, value in msgspec.structs.asdict(item).items() if item is not None else ():
        if isinstance(value, int | Decimal):
            yield f"{place}.{name}", value


def _compiled(text: TariffText, policy: NotedTariffPolicy) -> CompiledTariff:
    elements = [_element(index, text, policy) for index in range(len(text.elements))]
    components = [component for element in elements for component in element]
    normal = [component for component in components if component.restrictions.reservation is None]
    used = [component for component in components if component.restrictions.reservation == "RESERVATION"]
    expiry = [component for component in components if component.restrictions.reservation == "RESERVATION_EXPIRES"]
    restrictions = tuple({id(component.restrictions): component.restrictions for component in components}.values())
    return CompiledTariff(
        id=text.id,
        key=fold(text.id),
        owner=(fold(text.country_code), fold(text.party_id)) if text.country_code and text.party_id else None,
        currency=text.currency,
        type=text.type,
        start=_moment(text.start_date_time, "start_date_time"),
        end=_moment(text.end_date_time, "end_date_time"),
        last_updated=_moment(text.last_updated, "last_updated"),
        components=tuple(components),
        flat=_of("FLAT", normal),
        energy=_of("ENERGY", normal),
        time=_of("TIME", normal),
        parking=_of("PARKING_TIME", normal),
        reserved_flat=_of("FLAT", used),
        reserved_time=_of("RESERVATION_TIME", used),
        expired_flats=_expired_flats(_of("FLAT", expiry), _of("FLAT", used), policy),
        expired_time=_of("RESERVATION_TIME", expiry + used),
        min_price=_limit(text.min_price, policy),
        max_price=_limit(text.max_price, policy),
        restrictions=restrictions,
        is_restricted=any(item.checks or item.electric for item in restrictions),
        needs_local_time=any(item.need_local_time for item in restrictions),
        needs_duration=any(item.durations for item in restrictions),
        needs_electric=any(item.electric for item in restrictions),
        has_flats=any(component.dimension == "FLAT" for component in components),
        has_limits=text.min_price is not None or text.max_price is not None,
        has_fine_prices=any(_is_fine(component) for element in text.elements for component in element.price_components),
        defects=tuple(_defects(text)),
        kwh_limits=frozenset(limit for item in restrictions for limit in item.kwh),
        duration_limits=frozenset(limit for item in restrictions for limit in item.durations),
        minutes=frozenset(minute for item in restrictions for minute in item.all_minutes),
        is_beyond_doubt=text.type in (None, REGULAR)
        and text.start_date_time is text.end_date_time is None
        and not _defects(text),
        terms=_terms(text),
        settings=frozenset(policy.read),
    )


def _terms(text: TariffText) -> str:
    written = (text.currency, text.elements, text.min_price, text.max_price)
    return repr(_canonical(msgspec.to_builtins(written, builtin_types=(Decimal,))))


def _canonical(value: object) -> object:
    """A value in which equal numbers look alike, and what is not stated is not there."""
    if isinstance(value, dict):
        return {name: _canonical(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return str(Fraction(value)) if isinstance(value, int | Decimal) else value


def _of(dimension: str, components: list[Component]) -> Components:
    return tuple(component for component in components if component.dimension == dimension)


def _expired_flats(expiry: Components, used: Components, policy: TariffPolicy) -> tuple[Components, ...]:
    return (expiry, used) if (expiry or used) and policy.expired_flat == "add" else (expiry + used,)


def _element(index: int, text: TariffText, policy: TariffPolicy) -> list[Component]:
    element = text.elements[index]
    restrictions = compile_restrictions(element.restrictions, policy)
    kinds = {component.type for component in element.price_components}
    is_parking = kinds == {"FLAT", "PARKING_TIME"} and policy.flat_part == "by_element"
    counted = [
        (place, component)
        for place, component in enumerate(element.price_components)
        if _counts(place, element, policy) and component.type in _RATE_UNITS
    ]
    return [
        _component((index, place), component, restrictions, text.id, is_parking, policy) for place, component in counted
    ]


def _counts(place: int, element: ElementText, policy: TariffPolicy) -> bool:
    """Whether a component is the one of its dimension that counts in its element (E1)."""
    kind = element.price_components[place].type
    places = [at for at, component in enumerate(element.price_components) if component.type == kind]
    return len(places) == 1 or place == places[0 if policy.duplicate_component == "first" else -1]


def _component(
    place: tuple[int, int],
    text: ComponentText,
    restrictions: Restrictions,
    tariff: str,
    is_parking: bool,
    policy: TariffPolicy,
) -> Component:
    rate = _price(text.price, policy) * _RATE_UNITS[text.type]
    is_reservation = restrictions.reservation is not None
    return Component(
        tariff=tariff,
        element=place[0],
        index=place[1],
        dimension="RESERVATION_TIME" if is_reservation and text.type == "TIME" else text.type,
        part=RESERVATION if is_reservation else PARKING if is_parking else _PART_OF[text.type],
        price=text.price,
        vat=text.vat,
        step_size=text.step_size,
        rate=simplest(rate),
        rate_incl=simplest(rate * (PER_ONE + (0 if text.vat is None else _hundredth(millionths(text.vat))))),
        step=_step(text),
        restrictions=restrictions,
        checks=restrictions.checks + restrictions.electric,
    )


def _hundredth(number: Exact) -> Exact:
    return simplest(Fraction(number, 100))


def _price(price: Number, policy: TariffPolicy) -> Exact:
    exact = millionths(price)
    is_fine = exact % FOUR_DECIMALS != 0
    return half_up(exact, FOUR_DECIMALS) if is_fine and policy.number_reading == "four_decimals" else exact


def _step(text: ComponentText) -> Exact:
    if text.type == "FLAT" or text.step_size is None or text.step_size <= 0:
        return 0
    return simplest(Fraction(millionths(text.step_size) * _STEP_UNITS[text.type], PER_ONE))


def _limit(text: LimitText | None, policy: TariffPolicy) -> Limit | None:
    if text is None:
        return None
    incl = None if text.incl_vat is None else _price(text.incl_vat, policy) * (INCL_UNITS // PER_ONE)
    return Limit(_price(text.excl_vat, policy) * (EXCL_UNITS // PER_ONE), incl)


def _is_fine(component: ComponentText) -> bool:
    return millionths(component.price) % FOUR_DECIMALS != 0


def _moment(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    moment = lenient_datetime(text)
    if moment is None:
        raise ValueError(f"{text[:NAME_MAX_CHARACTERS]!r} is no moment - at `$.{name}`")
    return moment.astimezone(UTC)


def _defects(text: TariffText) -> list[str]:
    """What is wrong with a Tariff that can be priced with all the same (E1, S7), as sentences."""
    return [
        sentence
        for number, element in enumerate(text.elements, 1)
        for sentence in [*_unknowns(number, element), *_doubles(number, element), *_oddly_stepped(number, element)]
    ]


def _unknowns(number: int, element: ElementText) -> Iterator[str]:
    for component in element.price_components:
        if component.type not in _RATE_UNITS:
            kind = component.type[:NAME_MAX_CHARACTERS]
            yield f"Element {number} has a price for {kind!r}, which is no dimension of a price; it prices nothing."
    reservation = element.restrictions.reservation if element.restrictions is not None else None
    if reservation not in _RESERVATIONS:
        kind = str(reservation)[:NAME_MAX_CHARACTERS]
        yield f"Element {number} is for reservations of the unknown kind {kind!r}; it prices nothing."


_RESERVATIONS = (None, "RESERVATION", "RESERVATION_EXPIRES")


def _doubles(number: int, element: ElementText) -> Iterator[str]:
    kinds = [component.type for component in element.price_components]
    for kind in sorted({kind for kind in kinds if kinds.count(kind) > 1}):
        yield f"Element {number} has more than one component of {kind[:NAME_MAX_CHARACTERS]}."


def _oddly_stepped(number: int, element: ElementText) -> Iterator[str]:
    for component in element.price_components:
        step = component.step_size
        if component.type not in _STEP_UNITS:
            continue
        if step is None or step <= 0:
            yield f"Element {number} has no step_size for {component.type}, so nothing is rounded up."
        elif step % 1:
            yield f"Element {number} has a step_size for {component.type} that is not a whole number."
