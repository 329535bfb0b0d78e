"""Connectors as they are meant: what plug it is, and the most power it gives (mod_locations, "Connector"; L-21)."""

from __future__ import annotations

from datetime import datetime
from math import sqrt
from typing import NamedTuple

from hub.navigation.faults import FaultKind
from hub.navigation.fields import Part, Words, ids_of, moment_of, url_of, whole_of, word_of
from hub.navigation.location import Connector
from hub.pricing.interface import PHASES
from ocpi_modules import locations

VOLTS_MAX = 100_000
AMPERES_MAX = 100_000
WATTS_MAX = 100_000_000
WATTS_LEAST = 1000
"""No plug for cars gives less: a smaller number is in kW, where volts and amperes do not speak against it."""
MARGIN = 1.5
LINE_TO_NEUTRAL_MAX_VOLTS = 300
"""From a line to neutral mains have 277 V at most."""
LINE_TO_LINE_MAX_VOLTS = 519
"""What is more than this is beyond the limit above also when it is divided."""
NOMINAL_VOLTS = {380: 220, 400: 230, 415: 240}
"""Between lines, and to neutral."""

DC, AC_3_PHASE, CABLE = "DC", "AC_3_PHASE", "CABLE"
ALWAYS_DC = frozenset({"CHADEMO", "CHAOJI", "GBT_DC", "IEC_62196_T1_COMBO", "IEC_62196_T2_COMBO"})
"""Standards of plugs that are on cables and carry direct current, and nothing else."""

_FORMATS = Words(locations.ConnectorFormat)
_POWER_TYPES = Words(locations.PowerType)
STANDARDS = Words(locations.ConnectorType)
"""Those that OCPI knows; partners have others, too."""


class Plug(NamedTuple):
    """Which plug or socket it is, and what current it carries."""

    standard: str
    format: str
    power_type: str


class Power(NamedTuple):
    """The most watts, None where nobody knows; `is_computed`: from volts and amperes."""

    watts: int | None
    is_computed: bool = False


def connector_of(part: Part, since: datetime) -> Connector | None:
    """A connector; None where it cannot be published. `since` stands in for a time stamp that cannot be read (UTC)."""
    plug = _plug(part)
    if part.content.get("id") != part.connector:  # else what faults call it by is its id
        part.note(FaultKind.CONNECTOR_ID_UNFIT, "id")
        return None
    if plug is None:
        return None
    volts, amperes = _volts(part, plug.power_type), _amperes(part)
    power = _power(part, volts * amperes * PHASES.get(plug.power_type, 0))
    return Connector(
        id=part.connector,
        standard=plug.standard,
        format=plug.format,
        power_type=plug.power_type,
        max_voltage=volts,
        max_amperage=amperes,
        last_updated=moment_of(part, "last_updated", since),
        max_electric_power=power.watts,
        is_power_computed=power.is_computed,
        tariff_ids=ids_of(part, "tariff_ids"),
        terms_and_conditions=url_of(part, "terms_and_conditions"),
    )


def _plug(part: Part) -> Plug | None:
    standard = word_of(part, "standard", STANDARDS)
    format_, power_type = word_of(part, "format", _FORMATS), word_of(part, "power_type", _POWER_TYPES)
    if standard is None:
        part.note(FaultKind.CONNECTOR_STANDARD_MISSING, "standard")
        return None
    if format_ and power_type:
        return Plug(standard, format_, power_type)
    missing = "power_type" if format_ else "format"
    if standard not in ALWAYS_DC:
        part.note(FaultKind.CONNECTOR_KIND_MISSING, missing)
        return None
    part.note(FaultKind.CONNECTOR_KIND_DERIVED, missing)
    return Plug(standard, format_ or CABLE, power_type or DC)


def _volts(part: Part, power_type: str) -> int:
    """Of three phases from a line to neutral; 0 where nobody knows."""
    volts = whole_of(part, "max_voltage", VOLTS_MAX) or 0
    if not volts:
        part.note(FaultKind.VOLTAGE_MISSING, "max_voltage")
    if power_type != AC_3_PHASE or not LINE_TO_NEUTRAL_MAX_VOLTS < volts <= LINE_TO_LINE_MAX_VOLTS:
        return volts
    part.note(FaultKind.VOLTAGE_LINE_TO_LINE, "max_voltage")
    return NOMINAL_VOLTS.get(volts, round(volts / sqrt(3)))


def _amperes(part: Part) -> int:
    amperes = whole_of(part, "max_amperage", AMPERES_MAX) or 0
    if not amperes:
        part.note(FaultKind.AMPERAGE_MISSING, "max_amperage")
    return amperes


def _power(part: Part, computed: int) -> Power:
    """As stated, else what voltage, amperage and phases come to (`computed`, 0 where that is not known)."""
    stated = whole_of(part, "max_electric_power", WATTS_MAX)
    if stated:
        return Power(_in_watts(part, stated, computed))
    if 0 < computed <= WATTS_MAX:
        part.note(FaultKind.POWER_COMPUTED, "max_electric_power")
        return Power(computed, is_computed=True)
    part.note(FaultKind.POWER_MISSING, "max_electric_power")
    return Power(None)


def _in_watts(part: Part, stated: int, computed: int) -> int:
    if stated >= WATTS_LEAST or stated * 1000 > computed * MARGIN:
        return stated
    part.note(FaultKind.POWER_IN_KILOWATTS, "max_electric_power")
    return stated * 1000
