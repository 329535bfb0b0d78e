"""What is wrong with a Location as its owner sent it, each kind once, and what becomes of it on its way to the public.

`docs/reference/location-quality.md` is made from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Grade(StrEnum):
    """What a fault comes to."""

    NOTED = "NOTED"
    """The value is put right, or does without; the Location is published."""
    LEFT_OUT = "LEFT_OUT"
    """The EVSE or connector is not published."""
    UNFIT = "UNFIT"
    """The Location is not published."""


class FaultKind(StrEnum):
    """One for each way in which a part of a Location is not what OCPI 2.2.1 says (mod_locations, types)."""

    NOT_A_LOCATION = "NOT_A_LOCATION"
    ID_UNFIT = "ID_UNFIT"
    OWNER_DIFFERS = "OWNER_DIFFERS"
    COORDINATES_FORM = "COORDINATES_FORM"
    COORDINATES_NUMBERS = "COORDINATES_NUMBERS"
    COORDINATES_MISSING = "COORDINATES_MISSING"
    COORDINATES_UNREADABLE = "COORDINATES_UNREADABLE"
    COORDINATES_IMPOSSIBLE = "COORDINATES_IMPOSSIBLE"
    COORDINATES_SWAPPED = "COORDINATES_SWAPPED"
    COUNTRY_FORM = "COUNTRY_FORM"
    COUNTRY_MISSING = "COUNTRY_MISSING"
    COUNTRY_UNKNOWN = "COUNTRY_UNKNOWN"
    COUNTRY_NOT_FOUND = "COUNTRY_NOT_FOUND"
    TIME_ZONE_MISSING = "TIME_ZONE_MISSING"
    TIME_ZONE_UNKNOWN = "TIME_ZONE_UNKNOWN"
    TIME_ZONE_NOT_FOUND = "TIME_ZONE_NOT_FOUND"
    ADDRESS_MISSING = "ADDRESS_MISSING"
    CITY_MISSING = "CITY_MISSING"
    OPENING_TIMES_MISSING = "OPENING_TIMES_MISSING"
    OPENING_TIMES_FORM = "OPENING_TIMES_FORM"
    OPENING_TIMES_UNREADABLE = "OPENING_TIMES_UNREADABLE"
    EVSES_MISSING = "EVSES_MISSING"
    EVSES_ALL_REMOVED = "EVSES_ALL_REMOVED"
    EVSE_UID_UNFIT = "EVSE_UID_UNFIT"
    EVSE_UID_REPEATED = "EVSE_UID_REPEATED"
    EVSE_REMOVED = "EVSE_REMOVED"
    EVSE_WITHOUT_CONNECTORS = "EVSE_WITHOUT_CONNECTORS"
    EVSE_ID_MISSING = "EVSE_ID_MISSING"
    EVSE_ID_FORM = "EVSE_ID_FORM"
    STATUS_MISSING = "STATUS_MISSING"
    STATUS_FORM = "STATUS_FORM"
    STATUS_UNKNOWN_WORD = "STATUS_UNKNOWN_WORD"
    CONNECTOR_ID_UNFIT = "CONNECTOR_ID_UNFIT"
    CONNECTOR_ID_REPEATED = "CONNECTOR_ID_REPEATED"
    CONNECTOR_STANDARD_MISSING = "CONNECTOR_STANDARD_MISSING"
    CONNECTOR_KIND_DERIVED = "CONNECTOR_KIND_DERIVED"
    CONNECTOR_KIND_MISSING = "CONNECTOR_KIND_MISSING"
    VOLTAGE_MISSING = "VOLTAGE_MISSING"
    VOLTAGE_LINE_TO_LINE = "VOLTAGE_LINE_TO_LINE"
    AMPERAGE_MISSING = "AMPERAGE_MISSING"
    POWER_COMPUTED = "POWER_COMPUTED"
    POWER_MISSING = "POWER_MISSING"
    POWER_IN_KILOWATTS = "POWER_IN_KILOWATTS"
    TIMESTAMP_WITHOUT_ZONE = "TIMESTAMP_WITHOUT_ZONE"
    TIMESTAMP_FORM = "TIMESTAMP_FORM"
    TIMESTAMP_MISSING = "TIMESTAMP_MISSING"
    TIMESTAMP_UNREADABLE = "TIMESTAMP_UNREADABLE"
    TIMESTAMP_AHEAD = "TIMESTAMP_AHEAD"
    NUMBER_AS_TEXT = "NUMBER_AS_TEXT"
    NUMBER_NOT_WHOLE = "NUMBER_NOT_WHOLE"
    TEXT_AS_NUMBER = "TEXT_AS_NUMBER"
    TEXT_FORM = "TEXT_FORM"
    TEXT_TOO_LONG = "TEXT_TOO_LONG"
    WORD_FORM = "WORD_FORM"
    BOOLEAN_FORM = "BOOLEAN_FORM"
    FIELD_UNREADABLE = "FIELD_UNREADABLE"

    @property
    def rule(self) -> Rule:
        """What becomes of it."""
        return RULES[self]

    @property
    def grade(self) -> Grade:
        """How much of the Location it costs."""
        return RULES[self].grade


class Rule(NamedTuple):
    """What one kind of fault means, and what is done about it. `is_allowed`: OCPI permits it, so that it lowers no score."""

    grade: Grade
    means: str
    done: str
    is_allowed: bool = False


def _noted(means: str, done: str, is_allowed: bool = False) -> Rule:
    return Rule(Grade.NOTED, means, done, is_allowed)


def _left_out(means: str, is_allowed: bool = False) -> Rule:
    return Rule(Grade.LEFT_OUT, means, "that part is left out", is_allowed)


def _unfit(means: str, is_allowed: bool = False) -> Rule:
    return Rule(Grade.UNFIT, means, "the Location is not published", is_allowed)


RULES: Mapping[FaultKind, Rule] = {
    FaultKind.NOT_A_LOCATION: _unfit("The text is no JSON object."),
    FaultKind.ID_UNFIT: _unfit("The id is missing, or not 1 to 36 printable ASCII characters."),
    FaultKind.OWNER_DIFFERS: _noted(
        "The object names another party than the one that sent it.", "its sender is its owner"
    ),
    FaultKind.COORDINATES_FORM: _noted("Coordinates are not text with 5 to 7 decimals.", "read as they are meant"),
    FaultKind.COORDINATES_NUMBERS: _noted("Coordinates are JSON numbers instead of text.", "read as they are meant"),
    FaultKind.COORDINATES_MISSING: _unfit("There are no coordinates, or empty ones."),
    FaultKind.COORDINATES_UNREADABLE: _unfit("Coordinates are no decimal degrees."),
    FaultKind.COORDINATES_IMPOSSIBLE: _unfit("Coordinates are outside the Earth, or 0, 0."),
    FaultKind.COORDINATES_SWAPPED: _unfit(
        "The point is not in the stated time zone; with latitude and longitude swapped it is."
    ),
    FaultKind.COUNTRY_FORM: _noted(
        "The country is not three capital letters, but known.", "written as ISO 3166-1 alpha-3"
    ),
    FaultKind.COUNTRY_MISSING: _noted("There is no country.", "found from the time zone"),
    FaultKind.COUNTRY_UNKNOWN: _noted("The country is none of ISO 3166-1.", "found from the time zone"),
    FaultKind.COUNTRY_NOT_FOUND: _unfit("There is no known country, and the time zone belongs to none."),
    FaultKind.TIME_ZONE_MISSING: _noted("There is no time zone.", "found from the coordinates"),
    FaultKind.TIME_ZONE_UNKNOWN: _noted("The time zone is none of the IANA database.", "found from the coordinates"),
    FaultKind.TIME_ZONE_NOT_FOUND: _unfit("There is no known time zone, and none at the coordinates."),
    FaultKind.ADDRESS_MISSING: _noted("There is no address.", "left empty"),
    FaultKind.CITY_MISSING: _noted("There is no city.", "left empty"),
    FaultKind.OPENING_TIMES_MISSING: _noted("There are no opening times.", "unknown; they are optional", True),
    FaultKind.OPENING_TIMES_FORM: _noted(
        "Opening times are written in another form (8:00, 24:00, past midnight, days beside twentyfourseven).",
        "put into the form; what passes midnight becomes two periods",
    ),
    FaultKind.OPENING_TIMES_UNREADABLE: _noted(
        "Opening times say nothing certain.", "unknown: half a schedule would be a wrong one"
    ),
    FaultKind.EVSES_MISSING: _unfit("No EVSE is left that can be published."),
    FaultKind.EVSES_ALL_REMOVED: _unfit("All EVSEs are REMOVED.", True),
    FaultKind.EVSE_UID_UNFIT: _left_out("The uid is missing, or not 1 to 36 printable ASCII characters."),
    FaultKind.EVSE_UID_REPEATED: _left_out("Another EVSE of the Location has the same uid."),
    FaultKind.EVSE_REMOVED: _left_out("The EVSE is REMOVED; OCPI keeps it listed.", True),
    FaultKind.EVSE_WITHOUT_CONNECTORS: _left_out("The EVSE has no connector that can be published."),
    FaultKind.EVSE_ID_MISSING: _noted("The EVSE has no evse_id.", "none; it is optional", True),
    FaultKind.EVSE_ID_FORM: _noted("The evse_id is not one of eMI3.", "published as it is where it is printable ASCII"),
    FaultKind.STATUS_MISSING: _noted("The EVSE has no status.", "UNKNOWN"),
    FaultKind.STATUS_FORM: _noted("The status is a known word in another form (blanks, case).", "the known word"),
    FaultKind.STATUS_UNKNOWN_WORD: _noted("The status is no word of OCPI.", "UNKNOWN"),
    FaultKind.CONNECTOR_ID_UNFIT: _left_out("The id is missing, or not 1 to 36 printable ASCII characters."),
    FaultKind.CONNECTOR_ID_REPEATED: _left_out("Another connector of the EVSE has the same id."),
    FaultKind.CONNECTOR_STANDARD_MISSING: _left_out("Nobody can tell what plug it is."),
    FaultKind.CONNECTOR_KIND_DERIVED: _noted(
        "Format or power type is missing, and the standard has only one.",
        "CABLE and DC, as for every plug of its standard",
    ),
    FaultKind.CONNECTOR_KIND_MISSING: _left_out("Format or power type is missing, and the standard does not tell."),
    FaultKind.VOLTAGE_MISSING: _noted("max_voltage is missing or 0.", "0"),
    FaultKind.VOLTAGE_LINE_TO_LINE: _noted(
        "max_voltage of three phases is between lines; OCPI wants it to neutral.", "divided by the square root of 3"
    ),
    FaultKind.AMPERAGE_MISSING: _noted("max_amperage is missing or 0.", "0"),
    FaultKind.POWER_COMPUTED: _noted(
        "There is no max_electric_power.", "volts x amperes x phases, marked as computed", True
    ),
    FaultKind.POWER_MISSING: _noted("There is no max_electric_power, and nothing to compute it from.", "unknown"),
    FaultKind.POWER_IN_KILOWATTS: _noted("max_electric_power is in kW: volts and amperes say so.", "times 1,000"),
    FaultKind.TIMESTAMP_WITHOUT_ZONE: _noted("A time stamp has no Z.", "read as UTC, as OCPI says", True),
    FaultKind.TIMESTAMP_FORM: _noted("A time stamp has an offset or another form of ISO 8601.", "converted to UTC"),
    FaultKind.TIMESTAMP_MISSING: _noted("last_updated is missing.", "that of the part around it"),
    FaultKind.TIMESTAMP_UNREADABLE: _noted("last_updated cannot be read.", "that of the part around it"),
    FaultKind.TIMESTAMP_AHEAD: _noted(
        "The status is from more than 5 minutes after it was heard.", "when it was heard"
    ),
    FaultKind.NUMBER_AS_TEXT: _noted("A number is JSON text.", "read as a number"),
    FaultKind.NUMBER_NOT_WHOLE: _noted("A whole number has decimals.", "rounded, half up"),
    FaultKind.TEXT_AS_NUMBER: _noted("Text is a JSON number.", "read as text"),
    FaultKind.TEXT_FORM: _noted("Text holds line breaks, tabs or markup, or its language has a region.", "cleaned"),
    FaultKind.TEXT_TOO_LONG: _noted("Text is longer than OCPI allows.", "cut; what is a code is left out"),
    FaultKind.WORD_FORM: _noted("A word of OCPI is in another form (blanks, case).", "the known word"),
    FaultKind.BOOLEAN_FORM: _noted("true or false is text or a number.", "read as it is meant"),
    FaultKind.FIELD_UNREADABLE: _noted("A field, or an entry of a list, is not what it should be.", "left out"),
}
"""Every kind of fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: of which kind, in which field, of which EVSE (its uid, or ``#3``) and connector (its id); "" for none."""

    kind: FaultKind
    field: str
    evse: str = ""
    connector: str = ""

    @property
    def grade(self) -> Grade:
        """How much of the Location it costs."""
        return self.kind.grade

    @property
    def part(self) -> tuple[str, str]:
        """The EVSE and connector that has it."""
        return self.evse, self.connector

    @property
    def path(self) -> str:
        """Where it is: ``evses[E1].connectors[2].max_voltage``."""
        evse = f"evses[{self.evse}]" if self.evse else ""
        connector = f"connectors[{self.connector}]" if self.connector else ""
        return ".".join(step for step in (evse, connector, self.field) if step)
