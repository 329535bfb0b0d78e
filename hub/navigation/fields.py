"""Single fields of what a partner sent, read as they are meant: each answers with a clean value, or None, and notes what was wrong.

Clean input takes the short way through each function: every change of every Location passes here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, TypeGuard, get_args

from pydantic import TypeAdapter, ValidationError

from hub.navigation.faults import Fault, FaultKind, Grade
from hub.navigation.location import Point, Text
from ocpi_modules.types import (
    INT_MAX,
    MOMENTS_KEPT_MAX,
    NOT_AVAILABLE,
    OpenEnum,
    Url,
    fold,
    lenient_datetime,
    parse_datetime,
)

FAULTS_MAX = 10_000
"""How many faults of one Location are told apart; what costs a part of it is always noted."""

ID_MAX_CHARACTERS = 36
TEXT_READ_MAX_CHARACTERS = 4096
DISPLAY_TEXT_MAX_CHARACTERS = 512
LANGUAGE_CHARACTERS = 2
NUMBER_MAX_CHARACTERS = 20
URL_MAX_CHARACTERS = 255
MOMENT_MAX_CHARACTERS = 40
BOOLEAN_MAX_CHARACTERS = 8
DEGREE_DECIMALS = 7  # one centimetre, and all that OCPI can write
LATITUDE_MAX = 90.0
LONGITUDE_MAX = 180.0


@dataclass(slots=True)
class Part:
    """An object in a Location: what it holds, where faults are noted, and which EVSE, connector and field it belongs to."""

    content: Mapping[str, Any]
    faults: list[Fault] = field(default_factory=list)
    evse: str = ""
    connector: str = ""
    prefix: str = ""

    def note(self, kind: FaultKind, name: str) -> None:
        """Note a fault of one field."""
        if len(self.faults) < FAULTS_MAX or kind.grade is not Grade.NOTED:
            self.faults.append(Fault(kind, f"{self.prefix}{name}", self.evse, self.connector))

    def inner(self, content: Mapping[str, Any], name: str) -> Part:
        """An object in one of its fields."""
        return Part(content, self.faults, self.evse, self.connector, f"{self.prefix}{name}.")


def inner_of(part: Part, name: str) -> Part | None:
    """The object in a field."""
    value = part.content.get(name)
    if value is None:
        return None
    if type(value) is dict:
        return part.inner(value, name)
    part.note(FaultKind.FIELD_UNREADABLE, name)
    return None


def list_of(part: Part, name: str) -> list[Any]:
    """The entries of a list; null, no field and an empty list are the same (Y-08)."""
    value = part.content.get(name)
    if value is None:
        return []
    if type(value) is list:
        return value
    part.note(FaultKind.FIELD_UNREADABLE, name)
    return []


def inners_of(part: Part, name: str) -> list[Part]:
    """The objects in a list."""
    if name not in part.content:
        return []
    found = []
    for index, one in enumerate(list_of(part, name)):
        if type(one) is dict:
            found.append(part.inner(one, f"{name}.{index}"))
        else:
            part.note(FaultKind.FIELD_UNREADABLE, f"{name}.{index}")
    return found


# --- text ------------------------------------------------------------------------------------

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_TAG = re.compile(r"<[/!?A-Za-z][^>]*>")


def text_of(part: Part, name: str, most: int) -> str | None:
    """Text for people, cut where it is too long; None where it is empty or `#NA` (Y-11)."""
    text = _said_text(part, name, most)
    return text if text is None or len(text) <= most else text[:most].rstrip()


def code_of(part: Part, name: str, most: int) -> str | None:
    """Text that means nothing when it is cut, such as a number on a sign: left out where it is too long."""
    text = _said_text(part, name, most)
    return text if text is None or len(text) <= most else None


def _said_text(part: Part, name: str, most: int) -> str | None:
    """The text of a field in whole; that it is too long is noted."""
    value = part.content.get(name)
    text = None if value is None else _clean_text(part, name, value)
    if text is not None and len(text) > most:
        part.note(FaultKind.TEXT_TOO_LONG, name)
    return text


def _clean_text(part: Part, name: str, value: Any) -> str | None:
    if type(value) is not str:
        value = _number_as_text(part, name, value)
    elif not value.isprintable():
        value = _without_controls(part, name, value)
    text: str = value.strip()
    return text if text and text != NOT_AVAILABLE else None


def _number_as_text(part: Part, name: str, value: Any) -> str:
    if type(value) is not int or value.bit_length() > 63:
        part.note(FaultKind.FIELD_UNREADABLE, name)
        return ""
    part.note(FaultKind.TEXT_AS_NUMBER, name)
    return str(value)


def _without_controls(part: Part, name: str, value: str) -> str:
    # what cannot be printed is more than what OCPI forbids: a no-break space stays
    clean = _CONTROLS.sub(" ", value)
    if clean != value:
        part.note(FaultKind.TEXT_FORM, name)
    return clean


def texts_of(part: Part, name: str) -> tuple[Text, ...]:
    """Texts in several languages (types, "DisplayText")."""
    return tuple(text for one in inners_of(part, name) if (text := display_text_of(one)))


def display_text_of(part: Part) -> Text | None:
    """A text in one language, without markup."""
    language, text = code_of(part, "language", DISPLAY_TEXT_MAX_CHARACTERS), _text_without_markup(part)
    code = (language or "").replace("_", "-").partition("-")[0].lower()
    if text is None or len(code) != LANGUAGE_CHARACTERS or not (code.isascii() and code.isalpha()):
        part.note(FaultKind.FIELD_UNREADABLE, "text")
        return None
    if language is not None and len(language) != LANGUAGE_CHARACTERS:
        part.note(FaultKind.TEXT_FORM, "language")
    return Text(code, text)


def _text_without_markup(part: Part) -> str | None:
    text = text_of(part, "text", TEXT_READ_MAX_CHARACTERS)
    if text is None:
        return None
    if _TAG.search(text):
        part.note(FaultKind.TEXT_FORM, "text")
        text = _TAG.sub("", text)
        # what is left may have become a tag by what was taken out of it
        text = (text.replace("<", "") if _TAG.search(text) else text).strip()
    if len(text) > DISPLAY_TEXT_MAX_CHARACTERS:
        part.note(FaultKind.TEXT_TOO_LONG, "text")
        text = text[:DISPLAY_TEXT_MAX_CHARACTERS].rstrip()
    return text or None


def is_id(value: Any, most: int = ID_MAX_CHARACTERS) -> TypeGuard[str]:
    """Whether this is a CiString of at most so many characters (types, "CiString")."""
    return type(value) is str and 0 < len(value) <= most and value.isascii() and value.isprintable()


def ids_of(part: Part, name: str) -> tuple[str, ...]:
    """The ids in a list."""
    values = list_of(part, name)
    found = tuple(one for one in values if is_id(one))
    if len(found) < len(values):
        part.note(FaultKind.FIELD_UNREADABLE, name)
    return found


def url_of(part: Part, name: str) -> str | None:
    """An absolute http or https URL (types, "URL"); nothing else becomes a link."""
    value = part.content.get(name)
    text = value.strip() if type(value) is str else value
    if text is None or text == "":
        return None
    if type(text) is str and len(text) <= URL_MAX_CHARACTERS and _is_url(text):
        return text
    part.note(FaultKind.FIELD_UNREADABLE, name)
    return None


_validate_url = TypeAdapter[str](Url).validate_python


@lru_cache(maxsize=MOMENTS_KEPT_MAX)
def _is_url(text: str) -> bool:
    try:
        _validate_url(text)
    except ValidationError:
        return False
    return True


# --- words -----------------------------------------------------------------------------------

_OPEN_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ .-]{0,63}")
_NOT_ALPHANUMERIC = re.compile(r"[^A-Z0-9]+")


class Words:
    """The words that OCPI knows for one thing; others extend it, so unknown words of a word's form are kept (X-44)."""

    __slots__ = ("_by_letters", "known")

    def __init__(self, enumeration: Any) -> None:
        annotation = get_args(enumeration)[1]
        assert isinstance(annotation, OpenEnum)
        self.known = frozenset(annotation.known)
        self._by_letters = {letters_of(word): word for word in annotation.known}

    def meant(self, text: str) -> str | None:
        """The word that a text means: a known one however it is written, an unknown one as it is; None for what is no word."""
        found = self._by_letters.get(letters_of(text))
        return found or (text if _OPEN_VALUE.fullmatch(text) else None)


def letters_of(text: str) -> str:
    """A word without what people write differently: case, blanks, dashes, underscores."""
    return _NOT_ALPHANUMERIC.sub("", fold(text))


def word_of(part: Part, name: str, words: Words) -> str | None:
    """A word of OCPI."""
    value = part.content.get(name)
    if value is None or value == "":
        return None
    return value if type(value) is str and value in words.known else _meant(part, name, words, value)


def words_of(part: Part, name: str, words: Words) -> tuple[str, ...]:
    """The words in a list, each once."""
    values = list_of(part, name)
    found = [one for one in values if type(one) is str and one in words.known]
    if len(found) < len(values):
        found = [word for one in values if (word := _meant(part, name, words, one))]
    return tuple(dict.fromkeys(found))


def _meant(part: Part, name: str, words: Words, value: Any) -> str | None:
    word = words.meant(value.strip()) if type(value) is str else None
    if word is None:
        part.note(FaultKind.FIELD_UNREADABLE, name)
    elif word != value:
        part.note(FaultKind.WORD_FORM, name)
    return word


# --- numbers ---------------------------------------------------------------------------------

_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)?")
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


def whole_of(part: Part, name: str, most: int = INT_MAX) -> int | None:
    """A whole number from 0 to `most`."""
    value = part.content.get(name)
    if value is None or (type(value) is int and 0 <= value <= most):
        return value
    number = decimal_of(part, name)
    if number is None:
        return None
    if number > most:
        part.note(FaultKind.FIELD_UNREADABLE, name)
        return None
    if type(value) is Decimal or number % 1:
        part.note(FaultKind.NUMBER_NOT_WHOLE, name)
    return int(number.to_integral_value(ROUND_HALF_UP))


def decimal_of(part: Part, name: str) -> Decimal | None:
    """A number that is not negative."""
    value = part.content.get(name)
    if type(value) is str:
        return _number_in_text(part, name, value.strip())
    if value is None:
        return None
    number = Decimal(value) if type(value) is int or type(value) is Decimal else None
    if number is None or not number.is_finite() or number < 0 or number.adjusted() > NUMBER_MAX_CHARACTERS:
        part.note(FaultKind.FIELD_UNREADABLE, name)
        return None
    return number


def _number_in_text(part: Part, name: str, text: str) -> Decimal | None:
    if not text:
        return None
    if len(text) > NUMBER_MAX_CHARACTERS or not _NUMBER.fullmatch(text):
        part.note(FaultKind.FIELD_UNREADABLE, name)
        return None
    part.note(FaultKind.NUMBER_AS_TEXT, name)
    return Decimal(text.replace(",", "."))


def flag_of(part: Part, name: str) -> bool | None:
    """true or false."""
    value = part.content.get(name)
    if value is None or value is True or value is False:
        return value
    text = value.strip().lower() if type(value) is str and len(value) <= BOOLEAN_MAX_CHARACTERS else ""
    text = str(value) if type(value) is int and value in (0, 1) else text
    if text not in _TRUE and text not in _FALSE:
        part.note(FaultKind.FIELD_UNREADABLE, name)
        return None
    part.note(FaultKind.BOOLEAN_FORM, name)
    return text in _TRUE


# --- moments ---------------------------------------------------------------------------------


def moment_of(part: Part, name: str, otherwise: datetime) -> datetime:
    """A moment in UTC; `otherwise` where there is none."""
    value = part.content.get(name)
    moment, kind = _moment_in(value)
    if kind is not None:
        part.note(kind, name)
    elif moment is None:
        part.note(FaultKind.TIMESTAMP_UNREADABLE if value else FaultKind.TIMESTAMP_MISSING, name)
    return moment or otherwise


def moment_if_any(part: Part, name: str) -> datetime | None:
    """A moment in UTC; None where there is none that can be read."""
    moment, kind = _moment_in(part.content.get(name))
    if kind is not None:
        part.note(kind, name)
    return moment


Moment = tuple[datetime | None, FaultKind | None]
"""A moment in UTC, and what is wrong with its form."""


def _moment_in(value: Any) -> Moment:
    is_text = type(value) is str and len(value) <= MOMENT_MAX_CHARACTERS
    return _read_moment(value) if is_text else (None, None)


@lru_cache(maxsize=MOMENTS_KEPT_MAX)
def _read_moment(text: str) -> Moment:
    try:
        return parse_datetime(text), None if text[-1] == "Z" else FaultKind.TIMESTAMP_WITHOUT_ZONE
    except ValueError:
        moment = lenient_datetime(text.strip())
    if moment is None:
        return None, None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000), FaultKind.TIMESTAMP_FORM


# --- coordinates -----------------------------------------------------------------------------

_OF_OCPI = re.compile(r"-?[0-9]{1,3}\.[0-9]{5,7}")
_DEGREES = re.compile(r"[+-]?[0-9]{1,3}(?:[.,][0-9]{0,20})?")

Degrees = tuple[float | None, FaultKind | None]
"""Degrees, and what is wrong with them."""


def degrees_of(value: Any) -> Degrees:
    """Degrees as they are meant, to seven decimals; how large they may be is another question."""
    if type(value) is str:
        return (float(value), None) if _OF_OCPI.fullmatch(value) else _degrees_in_text(value.strip())
    if type(value) is int or type(value) is Decimal:
        return _degrees_in_number(value)
    return None, FaultKind.COORDINATES_MISSING if value is None else FaultKind.COORDINATES_UNREADABLE


def _degrees_in_text(text: str) -> Degrees:
    if not text:
        return None, FaultKind.COORDINATES_MISSING
    if not _DEGREES.fullmatch(text):
        return None, FaultKind.COORDINATES_UNREADABLE
    return round(float(text.replace(",", ".")), DEGREE_DECIMALS), FaultKind.COORDINATES_FORM


def _degrees_in_number(value: int | Decimal) -> Degrees:
    try:
        return round(float(value), DEGREE_DECIMALS), FaultKind.COORDINATES_NUMBERS
    except (OverflowError, InvalidOperation):
        return None, FaultKind.COORDINATES_IMPOSSIBLE


def point_in(content: Mapping[str, Any]) -> tuple[Point | None, FaultKind | None]:
    """The point of an object with latitude and longitude, and what is wrong with it."""
    latitude, one = degrees_of(content.get("latitude"))
    longitude, other = degrees_of(content.get("longitude"))
    if latitude is None or longitude is None:
        return None, one if latitude is None else other
    if not is_on_earth(latitude, longitude):
        return None, FaultKind.COORDINATES_IMPOSSIBLE
    return Point(latitude + 0.0, longitude + 0.0), one or other  # and no -0.0


def inner_point_of(part: Part, name: str) -> Point | None:
    """The point in a field that a Location can do without."""
    inner = inner_of(part, name)
    return minor_point(inner, "latitude") if inner else None


def minor_point(part: Part, name: str) -> Point | None:
    """A point that a Location can do without: left out where it is none."""
    point, kind = point_in(part.content)
    if kind is not None:
        part.note(kind if point else FaultKind.FIELD_UNREADABLE, name)
    return point


def is_on_earth(latitude: float, longitude: float) -> bool:
    """Whether a charger can be there: within the degrees there are, and not at 0, 0, which stands for no answer."""
    is_inside = -LATITUDE_MAX <= latitude <= LATITUDE_MAX and -LONGITUDE_MAX <= longitude <= LONGITUDE_MAX
    return is_inside and bool(latitude or longitude)
