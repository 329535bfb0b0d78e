"""The data types that every OCPI object is made of, and the JSON codec that keeps numbers exact.

Shapes and lengths come from ``types`` of the specification, null and cardinality from ``terminology``.
Values are never coerced: a string is a JSON string, a number is a JSON number, a boolean is true or false.

Decode a body with `decode_json`, hand the result to ``model_validate``, and turn a refusal into words with
`validation_sentence`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from functools import cache, lru_cache, partial
from math import isfinite
from typing import Annotated, Any, TypeVar
from zoneinfo import available_timezones

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    create_model,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

NUMBER_WHOLE_MAX_DIGITS = 15
NUMBER_DECIMALS_MAX_DIGITS = 15
INT_MAX = 2**31 - 1
NESTING_MAX_LEVELS = 128
MOMENTS_KEPT_MAX = 4096  # a push and what it changes name the same few again and again
SENTENCE_MAX_CHARACTERS = 255
ECHO_MAX_CHARACTERS = 60

NOT_AVAILABLE = "#NA"
"""Stands in a required string that cannot be filled (transport_and_format, "No data available"; Y-11)."""

Item = TypeVar("Item")


# --- JSON ------------------------------------------------------------------------------------


class NotJsonText(ValueError):
    """These bytes are not one JSON value in UTF-8 that can be kept exactly."""


_TOO_DEEP = "it is nested too deep"
_CONTAINERS = frozenset({dict, list})
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def decode_json(body: bytes) -> Any:
    """The JSON value in `body`: whole numbers as int, all others as Decimal with their digits (Y-07).

    Raises NotJsonText for anything else: malformed or nested too deep, not UTF-8, half a surrogate pair,
    an absurd exponent.
    """
    try:
        value = _DECODER.decode(body)
    except msgspec.DecodeError as exc:
        raise NotJsonText(str(exc)) from exc
    except UnicodeError as exc:
        raise NotJsonText("it is not UTF-8") from exc
    except DecimalException as exc:
        raise NotJsonText("it holds a number beyond all reason") from exc
    except RecursionError as exc:
        raise NotJsonText(_TOO_DEEP) from exc
    if body.count(b"[") + body.count(b"{") > NESTING_MAX_LEVELS and not _is_shallow(body) and _is_too_deep(value):
        raise NotJsonText(_TOO_DEEP)
    return value


def _is_shallow(body: bytes) -> bool:
    """Whether the brackets alone show that nothing is nested too deep; False also where those in strings confuse them."""
    brackets = body.translate(None, _NOT_BRACKETS)
    for _ in range(NESTING_MAX_LEVELS):
        inner = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not inner:
            return True
        if len(inner) == len(brackets):
            return False
        brackets = inner
    return False


def _is_too_deep(value: Any) -> bool:
    # level by level, and containers only: recursion is what has to be kept off
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(NESTING_MAX_LEVELS):
        if not level:
            return False
        inside = (item.values() if type(item) is dict else item for item in level)
        level = [child for children in inside for child in children if type(child) in _CONTAINERS]
    return bool(level)


def encode_json(value: Any) -> bytes:
    """`value` as JSON text: Decimals with their digits, datetimes by `format_datetime`, objects by content.

    Raises ValueError for what JSON cannot say: NaN, infinity, a lone surrogate.
    """
    return _ENCODER.encode(_plain(value))


def encode_decoded(value: Any) -> bytes:
    """The same for what `decode_json` made, or a part of it: nothing in it needs to be looked at."""
    return _ENCODER.encode(value)


_AS_THEY_ARE = frozenset({str, int, bool, type(None)})


def _plain(value: Any) -> Any:
    plain = _PLAIN.get(type(value))
    if plain is not None:
        return plain(value)
    return _plain_dict(value.as_content()) if isinstance(value, OcpiObject) else value


def _plain_dict(value: dict[str, Any]) -> dict[str, Any]:
    return {name: item if type(item) in _AS_THEY_ARE else _plain(item) for name, item in value.items()}


def _plain_list(value: list[Any] | tuple[Any, ...]) -> list[Any]:
    return [item if type(item) in _AS_THEY_ARE else _plain(item) for item in value]


def _finite_decimal(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("JSON has no NaN and no infinity")
    return value


def _finite_float(value: float) -> float:
    if not isfinite(value):
        raise ValueError("JSON has no NaN and no infinity")
    return value


# --- text ------------------------------------------------------------------------------------

_ASCII_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)

_NO_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_CI_STRING = r"^[\x20-\x7e]*$"
_STRING = rf"^[^{_NO_CONTROLS}]*$"
_URL = rf'^(?i:https?)://[^\s{_NO_CONTROLS}/?#<>"\\]+[^\s{_NO_CONTROLS}<>"\\]*$'
_OPEN_VALUE = r"^[A-Za-z0-9][A-Za-z0-9_ .-]{0,63}$"
_TAG = re.compile(r"<[/!?A-Za-z][^>]*>")

_REASONS = {
    _CI_STRING: "is not printable ASCII",
    _STRING: "holds characters that cannot be printed",
    _URL: "is not an absolute http or https URL",
}


def fold(text: str) -> str:
    """`text` as it is compared without case: ASCII letters in upper case, the rest untouched (Y-04)."""
    return text.upper() if text.isascii() else text.translate(_ASCII_UPPER)


def same(one: str, other: str) -> bool:
    """Whether two CiStrings are equal: case does not matter (Y-04)."""
    return fold(one) == fold(other)


def CiString(max_length: int) -> StringConstraints:
    """1 to `max_length` printable ASCII characters, compared without case (types, "CiString"; Y-04)."""
    return StringConstraints(strict=True, min_length=1, max_length=max_length, pattern=_CI_STRING)


def String(max_length: int) -> StringConstraints:
    """At most `max_length` printable characters, so no tabs or line breaks (types, "string"; Y-05)."""
    return StringConstraints(strict=True, max_length=max_length, pattern=_STRING)


@dataclass(frozen=True, slots=True)
class Matching:
    """Text of exactly this form (in the syntax of Rust); `reason` completes the sentence "this field …"."""

    pattern: str
    reason: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(
            core_schema.str_schema(strict=True, pattern=f"^(?:{self.pattern})$"),
            custom_error_type="form",
            custom_error_message=self.reason,
        )


def _without_markup(text: str) -> str:
    if _TAG.search(text):
        raise PydanticCustomError("markup", "holds markup")
    return text


def _time_zone(text: str) -> str:
    if text not in time_zones():
        raise PydanticCustomError("time_zone", "is not a time zone of the IANA database")
    return text


@cache
def time_zones() -> frozenset[str]:
    """The names of the IANA time zones."""
    # "localtime" is a name on some systems, and means another zone on each
    return frozenset(available_timezones()) - {"localtime"}


Id = Annotated[str, CiString(36)]
"""The id of an object, unique at its owner; compare with `same`."""

CountryCode = Annotated[str, Matching("[A-Za-z]{2}", "is not a country code of two letters")]
"""ISO 3166-1 alpha-2 in either case: CiString(2)."""

PartyId = Annotated[str, Matching("[!-~]{1,3}", "is not a party id of one to three characters")]
"""The id of a party within its country: CiString(3), blanks excluded."""

Country = Annotated[str, Matching("[A-Za-z]{3}", "is not a country code of three letters")]
"""ISO 3166-1 alpha-3 (L-16)."""

Language = Annotated[str, Matching("[A-Za-z]{2}", "is not a language code of two letters")]
"""ISO 639-1."""

Currency = Annotated[str, Matching("[A-Z]{3}", "is not a currency code of three capital letters")]
"""ISO 4217."""

Url = Annotated[str, StringConstraints(strict=True, max_length=255, pattern=_URL)]
"""An absolute http or https URL of at most 255 characters, without blanks (types, "URL")."""

LocalTime = Annotated[str, Matching("(?:[01][0-9]|2[0-3]):[0-5][0-9]", "is not a time of day written HH:MM")]
"""A time of day in the time zone of the Location, 00:00 to 23:59 (L-19, TF-05)."""

TimeZone = Annotated[str, String(255), AfterValidator(_time_zone)]
"""The name of an IANA time zone (L-16)."""

PlainText = Annotated[str, String(512), AfterValidator(_without_markup)]
"""Text to be shown to a driver: no markup (types, "DisplayText")."""


# --- enumerations ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenEnum:
    """An enumeration that others extend: unknown values are kept (X-44), misspelt case is refused (Y-06).

    Use it as ``Annotated[str, OpenEnum("A", "B")]``. Enumerations on which the hub acts are closed StrEnums.
    """

    known: tuple[str, ...]
    _folded: frozenset[str] = field(repr=False, compare=False)

    def __init__(self, *known: str) -> None:
        object.__setattr__(self, "known", known)
        object.__setattr__(self, "_folded", frozenset(map(fold, known)))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        unknown = core_schema.no_info_after_validator_function(
            self._unless_misspelt, core_schema.str_schema(strict=True, pattern=_OPEN_VALUE)
        )
        # the known values never leave Rust; only unknown ones are looked at here
        known = core_schema.literal_schema(list(self.known))
        return core_schema.custom_error_schema(
            core_schema.union_schema([known, unknown], mode="left_to_right"),
            custom_error_type="open_enum",
            custom_error_message="is not one of {known}",
            custom_error_context={"known": ", ".join(self.known)},
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return {"type": "string", "examples": list(self.known)}

    def _unless_misspelt(self, value: str) -> str:
        if fold(value) in self._folded:
            raise ValueError("a known value in another case")
        return value


# --- numbers ---------------------------------------------------------------------------------


def _number(value: Any) -> Decimal:
    # bool is an int to Python, and float has already lost digits: only the exact types pass
    kind = type(value)
    if kind is not Decimal and kind is not int:
        raise PydanticCustomError("number", "is not a JSON number")
    number: Decimal = value if kind is Decimal else Decimal(value)
    _, digits, decimals = number.as_tuple()  # decimals: a letter for NaN and infinity
    if (
        type(decimals) is not int
        or decimals < -NUMBER_DECIMALS_MAX_DIGITS
        or len(digits) + decimals > NUMBER_WHOLE_MAX_DIGITS
    ):
        raise PydanticCustomError("number_size", "has too many digits")
    return number


def _one_decimal(number: Decimal) -> Decimal:
    if number != round(number, 1):
        raise PydanticCustomError("decimals", "has more than one decimal")
    return number


def _percentage(number: Decimal) -> Decimal:
    if not 0 <= number <= 100:
        raise PydanticCustomError("percentage", "is not between 0 and 100")
    return number


Number = Annotated[Decimal, PlainValidator(_number), WithJsonSchema({"type": "number"})]
"""A JSON number, exact: below 10**15, at most 15 decimals (types, "number"; Y-07). No strings, no floats."""

Rate = Annotated[Number, AfterValidator(_one_decimal)]
"""A charging rate in watts or amperes with at most one decimal (CP-08)."""

Percentage = Annotated[Number, AfterValidator(_percentage)]
"""A number from 0 to 100."""

Int = Annotated[int, Field(strict=True, ge=0, le=INT_MAX)]
"""A whole JSON number that counts something: 0 to 2**31-1."""

Bool = Annotated[bool, Field(strict=True)]
"""true or false, and nothing that merely looks like it."""


# --- time ------------------------------------------------------------------------------------

_DATE_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,3})?Z?$"
_IS_DATE_TIME = re.compile(_DATE_TIME).fullmatch
_NO_DATE_TIME = "is not a moment in UTC written like 2026-01-31T12:00:00Z"
_UNKNOWN_TIMES = ("1970-1-1T00:00:00Z", "1970-1-1T00:00:00")

UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""The start or end of a CDR whose CPO does not know it (mod_cdrs, "CDR Object"; X-36)."""


def parse_datetime(text: Any) -> datetime:
    """An OCPI DateTime as an aware datetime in UTC (types, "DateTime"; Y-01, Y-02).

    With or without ``Z``, with or without a fraction of one to three digits. Raises ValueError for all else:
    offsets (``+00:00`` included), dates alone, days that do not exist, more digits than string(25) can carry.
    """
    if type(text) is not str:
        raise ValueError(_NO_DATE_TIME)
    return _strict_moment(text)


@lru_cache(maxsize=MOMENTS_KEPT_MAX)
def _strict_moment(text: str) -> datetime:
    if not _IS_DATE_TIME(text):
        raise ValueError(_NO_DATE_TIME)
    return _moment(text)


def parse_cdr_datetime(text: Any) -> datetime:
    """The start or end of a CDR; the text for an unknown time counts in its short form too (X-36). Raises ValueError."""
    return UNKNOWN_TIME if text in _UNKNOWN_TIMES else parse_datetime(text)


def lenient_datetime(value: Any) -> datetime | None:
    """A moment in UTC from whatever ISO 8601 allows, offsets too; without one it is UTC. None where it cannot be read."""
    return _lenient_moment(value) if type(value) is str else None


@lru_cache(maxsize=MOMENTS_KEPT_MAX)
def _lenient_moment(value: str) -> datetime | None:
    try:
        return parse_datetime(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def format_datetime(moment: datetime) -> str:
    """An aware datetime as an OCPI DateTime in UTC with ``Z``, cut to milliseconds if it has any (Y-03).

    Raises ValueError for a datetime without time zone: nobody could say which moment it is.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond >= 1000 else "seconds") + "Z"


def _moment(text: str) -> datetime:
    # text without designator is UTC too
    return datetime.fromisoformat(text if text.endswith("Z") else text + "Z")


def _in_utc(value: Any) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(_NO_DATE_TIME)
    return value.astimezone(UTC)


def _unknown_time(_: str) -> datetime:
    return UNKNOWN_TIME


@dataclass(frozen=True, slots=True)
class _Moment:
    """Reads an OCPI DateTime, or takes an aware datetime; `unknown` are texts that stand for UNKNOWN_TIME."""

    unknown: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        after = core_schema.no_info_after_validator_function
        choices: list[CoreSchema | tuple[CoreSchema, str]] = [
            # the form is checked in Rust: an object holds many of these
            after(_moment, core_schema.str_schema(strict=True, pattern=_DATE_TIME)),
            core_schema.no_info_plain_validator_function(_in_utc),
        ]
        if self.unknown:
            choices.append(after(_unknown_time, core_schema.literal_schema(list(self.unknown))))
        return core_schema.custom_error_schema(
            core_schema.union_schema(choices, mode="left_to_right"),
            custom_error_type="date_time",
            custom_error_message=_NO_DATE_TIME,
        )


_WRITTEN = PlainSerializer(format_datetime, return_type=str)
_DATE_TIME_SCHEMA = WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 25})

DateTime = Annotated[datetime, _Moment(), _WRITTEN, _DATE_TIME_SCHEMA]
"""A moment in UTC, as text that `parse_datetime` reads and `format_datetime` writes."""

CdrDateTime = Annotated[datetime, _Moment(_UNKNOWN_TIMES), _WRITTEN, _DATE_TIME_SCHEMA]
"""The start or end of a CDR: the text for an unknown time is let through in its short form too (X-36)."""


# --- cardinality -----------------------------------------------------------------------------


def _none_as_empty(value: Any) -> Any:
    return () if value is None else value


def _none_as(default: bool, value: Any) -> Any:
    return default if value is None else value


Many = Annotated[tuple[Item, ...], FailFast(), BeforeValidator(_none_as_empty)]
"""``*``: any number of items; null, an empty list and no list at all are the same (Y-08)."""

Some = Annotated[tuple[Item, ...], FailFast(), Field(min_length=1)]
"""``+``: at least one item (Y-08)."""

TrueByDefault = Annotated[Bool, BeforeValidator(partial(_none_as, True))]
"""A boolean that is true when null or omitted."""

FalseByDefault = Annotated[Bool, BeforeValidator(partial(_none_as, False))]
"""A boolean that is false when null or omitted."""


@dataclass(frozen=True, slots=True)
class Nested:
    """Marks a list of parts that a PATCH merges by id; only the id of each is required (X-30)."""

    id_field: str
    object: type[OcpiObject]


# --- objects ---------------------------------------------------------------------------------


class OcpiObject(BaseModel):
    """An object of OCPI: frozen, strict about its fields, keeping those that OCPI does not know (Y-10)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    def as_content(self) -> dict[str, Any]:
        """The fields that were given, unknown ones too, for `encode_json`; null is not given (Y-08)."""
        return self.model_dump(exclude_unset=True, exclude_none=True)


def means_the_same(one: Any, other: Any) -> bool:
    """Whether two decoded objects say the same: null, an empty list and no field at all are one (Y-08), 1 and 1.0, and a moment with and
    without Z (Y-01).
    """
    return bool(one == other or _said(one) == _said(other))


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _said(item) for name, item in value.items() if item is not None and item != []}
    if isinstance(value, list):
        return [_said(item) for item in value]
    return _moment(value) if isinstance(value, str) and _is_moment(value) else value


def _is_moment(text: str) -> bool:
    try:
        parse_datetime(text)
    except ValueError:
        return False
    return True


class Price(OcpiObject):
    """An amount of money in the currency of the object around it (types, "Price"; CD-12).

    `incl_vat` absent means that it is not known, which is not 0.
    """

    excl_vat: Number
    incl_vat: Number | None = None


class DisplayText(OcpiObject):
    """A text in one language, to be shown to a driver (types, "DisplayText"; Y-09)."""

    language: Language
    text: PlainText


_PLAIN: dict[type, Callable[[Any], Any]] = {
    dict: _plain_dict,
    list: _plain_list,
    tuple: _plain_list,
    datetime: format_datetime,
    Decimal: _finite_decimal,
    float: _finite_float,
}


@cache
def has_rules(model: type[OcpiObject]) -> bool:
    """Whether an object of this class may be wrong though each of its fields is right."""
    return bool(model.__pydantic_decorators__.model_validators)


def validate_partial(model: type[OcpiObject], fields: dict[str, Any]) -> None:
    """Judge the fields of a PATCH, each by itself: types, lengths, and null only where a field is optional.

    Rules between fields are for the merged object; nothing is required but the ids of nested parts.
    Raises ValidationError.
    """
    _partial(model).model_validate(fields)


@cache
def _partial(model: type[OcpiObject], required: str = "") -> type[OcpiObject]:
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        nested = next((mark for mark in info.metadata if isinstance(mark, Nested)), None)
        annotation = _partial_list(nested, info.is_required()) if nested else info.rebuild_annotation()
        fields[name] = (annotation, ... if name == required else None)
    return create_model(model.__name__, __base__=OcpiObject, **fields)


def _partial_list(nested: Nested, is_required: bool) -> Any:
    # no null here: a PATCH with null takes a field away, and parts never vanish
    part: Any = _partial(nested.object, nested.id_field)
    return Annotated[tuple[part, ...], FailFast(), Field(min_length=int(is_required))]


def broken_rule(field: str, reason: str) -> PydanticCustomError:
    """The refusal of a field because of another one, for the rules between the fields of an object."""
    return PydanticCustomError("rule", "{reason}", {"field": field, "reason": reason})


# --- refusals in words -----------------------------------------------------------------------

_REASON_TEMPLATES = {
    "missing": "is required",
    "bool_type": "is not true or false",
    "int_type": "is not a whole JSON number",
    "string_type": "is not a JSON string",
    "string_unicode": "is not printable text",
    "tuple_type": "is not a JSON array",
    "model_type": "is not a JSON object",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "is empty",
    "too_short": "needs at least {min_length} item",
    "greater_than_equal": "is less than {ge}",
    "less_than_equal": "is more than {le}",
}

# text that missed its form is not repeated: it may be a credentials token
_ECHOED = frozenset({"open_enum", "enum", "date_time", "time_zone"})


def validation_sentence(exc: ValidationError) -> str:
    """A printable sentence of at most 255 characters for `status_message`: which field, and what is wrong.

    Only the first fault is told, and never more than 60 characters of what was sent.
    """
    return fault_sentence(exc.errors(include_url=False)[0])


def fault_sentence(error: Any) -> str:
    """One of the `errors()` of a ValidationError in the same words."""
    return _cut(f"{_subject(error)} {_reason(error)}", SENTENCE_MAX_CHARACTERS)


def defect_sentences(exc: ValidationError) -> list[str]:
    """Every fault, without the place in a list and without what was sent, so that equal faults are equal sentences."""
    errors = [error for error in exc.errors() if not is_consequence(error)]
    return [_cut(f"{_kind_path(error)} {_reason(error)}", SENTENCE_MAX_CHARACTERS) for error in errors]


def is_consequence(error: Any) -> bool:
    """Whether one of the `errors()` only follows from another: a list whose first item is bad counts as empty."""
    return error["type"] == "too_short" and bool(error["input"])


def _kind_path(error: Any) -> str:
    path = [*error["loc"], error["ctx"]["field"]] if error["type"] == "rule" else error["loc"]
    return ".".join(step for step in path if isinstance(step, str)) or "the object"


def _subject(error: Any) -> str:
    path = [*error["loc"], error["ctx"]["field"]] if error["type"] == "rule" else error["loc"]
    name = ".".join(map(str, path)) or "the object"
    sent = error["input"]
    return f"{name}: {_echo(sent)}" if error["type"] in _ECHOED and isinstance(sent, str) else name


def _echo(text: str) -> str:
    # cut before it is escaped: there is no bound to what was sent
    return _cut(ascii(text[:ECHO_MAX_CHARACTERS]), ECHO_MAX_CHARACTERS)


def _cut(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def _reason(error: Any) -> str:
    kind: str = error["type"]
    context: dict[str, Any] = error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return _REASONS[context["pattern"]]
    if kind == "enum":
        return f"is not one of {context['expected']}".replace("'", "").replace(" or ", ", ")
    template = _REASON_TEMPLATES.get(kind)
    return template.format(**context) if template else str(error["msg"])
