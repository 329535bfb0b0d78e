"""OCPI objects at random, as JSON text: legal in every way that the classes of `ocpi_modules` allow, and nasty within it.

A value is plain Python (dict, list, str, bool, None), but a number is a `Num`, which is its text: ``0.1000`` has to stay ``0.1000``.
`json_text` writes a value in a style, and `exactly` reads JSON so that two texts are equal only if their numbers have the same digits.
"""

from __future__ import annotations

import json
import random
import types
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from ocpi_modules.cdrs import CDR, SESSION_ONLY_DIMENSIONS, CdrDimension
from ocpi_modules.chargingprofiles import ActiveChargingProfileResult
from ocpi_modules.commands import StartSession
from ocpi_modules.credentials import Credentials
from ocpi_modules.locations import EVSE, Hours, Location, PublishTokenType, RegularHours
from ocpi_modules.tariffs import LocalDate, TariffElement
from ocpi_modules.types import (
    CdrDateTime,
    DateTime,
    Matching,
    Number,
    OcpiObject,
    OpenEnum,
    Percentage,
    PlainText,
    Rate,
    TimeZone,
    Url,
)

Object = dict[str, Any]
Strategy = st.SearchStrategy[Any]

NOWHERE = "http://127.0.0.1:9"
"""An address that is never called, and if it were: nothing listens there, and no name has to be looked up."""

OPTIONAL_MAX_FIELDS = 5
SHORT_MAX_CHARACTERS = 12
LIST_MAX_ITEMS = 2
INT_MAX = 2**31 - 1


class Num(str):
    """A JSON number, by its text."""

    def __repr__(self) -> str:
        return f"Num({self!s})"


# --- JSON as text ----------------------------------------------------------------------------


def json_text(value: Any, style: int = 0) -> bytes:
    """`value` as JSON; style 0 is the plainest, every other number is a style of its own: blanks, escapes, order of keys."""
    chance = random.Random(style)
    written = "".join(_written(value, _Plain() if style == 0 else _Odd(chance)))
    return written.encode()


class _Plain:
    """Nothing between the signs, keys in order, text as it is."""

    def blank(self) -> str:
        return ""

    def order(self, names: list[str]) -> list[str]:
        return names

    def text(self, value: str) -> str:
        return json.dumps(value, ensure_ascii=False)


class _Odd(_Plain):
    """Everything that JSON leaves to the writer, written by chance."""

    _BLANKS = ("", "", "", " ", "\n", "\t", "\r\n", "   ")

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._escaped = chance.choice((0.0, 0.3, 1.0))

    def blank(self) -> str:
        return self._chance.choice(self._BLANKS)

    def order(self, names: list[str]) -> list[str]:
        return self._chance.sample(names, len(names))

    def text(self, value: str) -> str:
        return '"' + "".join(self._character(character) for character in value) + '"'

    def _character(self, character: str) -> str:
        if character == "/" and self._chance.random() < 0.5:
            return "\\/"
        if self._chance.random() >= self._escaped:
            return json.dumps(character, ensure_ascii=False)[1:-1]
        escaped = "".join(f"\\u{unit:04x}" for unit in _utf16(character))
        return escaped.upper().replace("\\U", "\\u") if self._chance.random() < 0.5 else escaped


def _utf16(character: str) -> list[int]:
    units = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(units[start : start + 2], "big") for start in range(0, len(units), 2)]


def _written(value: Any, style: _Plain) -> Iterator[str]:
    yield style.blank()
    if isinstance(value, dict):
        yield from _members(value, style)
    elif isinstance(value, list):
        yield from _items(value, style)
    elif isinstance(value, str):
        yield str(value) if isinstance(value, Num) else style.text(value)
    else:
        yield json.dumps(value)
    yield style.blank()


def _members(value: Object, style: _Plain) -> Iterator[str]:
    yield "{" + ("" if value else style.blank())
    for index, name in enumerate(style.order(list(value))):
        yield ("," if index else "") + style.blank() + style.text(name) + style.blank() + ":"
        yield from _written(value[name], style)
    yield "}"


def _items(value: list[Any], style: _Plain) -> Iterator[str]:
    yield "[" + ("" if value else style.blank())
    for index, item in enumerate(value):
        yield "," if index else ""
        yield from _written(item, style)
    yield "]"


def exactly(text: bytes) -> Any:
    """Decoded JSON in which a number is its value and its number of decimals: 1.10 is not 1.1, and 1e2 is not 100."""
    return json.loads(text, parse_float=_digits, parse_int=_digits)


def _digits(text: str) -> tuple[Decimal, int]:
    number = Decimal(text)
    return number, int(number.as_tuple().exponent)


# --- numbers, text, time -----------------------------------------------------------------------

_digit_runs = st.text("0123456789", min_size=1, max_size=15)
_whole = st.integers(0, 10**15 - 1).map(str) | st.integers(0, 999).map(str)
_signs = st.sampled_from(["", "", "", "-"])

_famous_numbers = st.sampled_from(
    [
        *("0", "12.3456", "0.1000", "1e2", "1E+2", "1.10", "-1.5e-3", "0.0", "-0.0", "1e14", "0e0"),
        *("25e-2", "100"),
        *("999999999999999.999999999999999", "0.000000000000001", "1.000000000000000"),
    ]
)

numbers: Strategy = st.builds(Num, _famous_numbers | st.builds("{}{}.{}".format, _signs, _whole, _digit_runs) | _whole)
"""Every number text that `Number` allows: below 10**15, at most 15 decimals."""

_percentages = st.builds(Num, st.sampled_from(["0", "100", "33.3333", "1e1", "100.000", "0.10"]))
_rates = st.builds(Num, st.sampled_from(["0", "16", "16.5", "16.50", "1.6e1", "-1.0"]) | _whole)

wild_numbers: Strategy = st.builds(
    Num,
    st.sampled_from(
        [
            *("1e400", "-1E-400", "123456789012345678901234567890"),
            *("0.1000000000000000055511151231257827", "-0.0"),
            *("18446744073709551616",),
            *("3.141592653589793238462643383279502884197169399375105820974944592307816406286",),
        ]
    )
    | _famous_numbers,
)
"""Number texts that a field of a partner's own may have."""

_NOT_PRINTABLE = "\u2028\u2029"


def characters(excluded: str = "") -> Strategy:
    """Any character that UTF-8 can say, but these."""
    return st.characters(codec="utf-8", exclude_characters=excluded)


_nasty = st.sampled_from('"\\/ <>&%é漢🚗\u202e\ufeff\u0301\ufffd\u00a0~')
_printable = _nasty | st.characters(exclude_categories=("Cc", "Cs"), exclude_characters=_NOT_PRINTABLE)
_without_tags = _printable.map(lambda character: character.replace("<", "("))
_ascii = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
_in_paths = st.characters(exclude_categories=("C", "Z"), exclude_characters='<>"\\')

free_text: Strategy = st.text(characters("\0") | _nasty, max_size=12)
"""Text that a field of a partner's own may hold: tabs and line breaks too, but no NUL."""


def _text(alphabet: Strategy, shortest: int, longest: int) -> Strategy:
    short = st.text(alphabet, min_size=shortest, max_size=min(longest, SHORT_MAX_CHARACTERS))
    return short | short | alphabet.map(lambda character: character * longest)


@st.composite
def moments(draw: st.DrawFn) -> str:
    """A DateTime with or without Z and fraction, from the first year to the last."""
    fallback = st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0"))
    moment = draw(st.sampled_from(["2026-01-31T12:00:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59"]) | fallback)
    return moment + draw(st.sampled_from(["Z", "", ".1Z", ".000Z", ".999", ".50"]))


_urls = st.builds(
    lambda host, path: (host + path)[:255],
    st.sampled_from([NOWHERE, "HTTP://[::1]:9", "https://127.0.0.1:9/a%20b?c=d&e", NOWHERE + "/é?q=漢#f"]),
    st.just("") | st.text(_in_paths, max_size=SHORT_MAX_CHARACTERS).map("/{}".format),
)

_ZONES = ("Europe/Amsterdam", "UTC", "Asia/Kathmandu", "America/Argentina/Buenos_Aires", "Etc/GMT+12")

_AS_THEY_ARE: tuple[tuple[Any, Strategy], ...] = (
    (Number, numbers),
    (Percentage, _percentages),
    (Rate, _rates),
    (DateTime, moments()),
    (CdrDateTime, moments() | st.sampled_from(["1970-1-1T00:00:00Z", "1970-1-1T00:00:00"])),
    (LocalDate, st.dates().map(lambda day: day.replace(year=1000 + day.year % 1900, day=min(day.day, 28)).isoformat())),
    (TimeZone, st.sampled_from(_ZONES)),
    (PlainText, _text(_without_tags, 0, 512)),
    (Url, _urls),
)


# --- fields and objects --------------------------------------------------------------------------


def values(annotation: Any) -> Strategy:
    """Legal values of a field that is declared like this."""
    for known, strategy in _AS_THEY_ARE:
        if annotation == known:
            return strategy
    base, marks = _unwrapped(annotation)
    if get_origin(base) in {Union, types.UnionType}:
        (inner,) = [choice for choice in get_args(base) if choice is not types.NoneType]
        return values(inner)
    if get_origin(base) is tuple:
        least = max((mark.min_length for mark in marks if type(mark).__name__ == "MinLen"), default=0)
        return st.lists(values(get_args(base)[0]), min_size=least, max_size=max(least, LIST_MAX_ITEMS))
    return _of_class(base, marks)


def _unwrapped(annotation: Any) -> tuple[Any, list[Any]]:
    if get_origin(annotation) is not Annotated:
        return annotation, []
    base, *marks = get_args(annotation)
    flat = [inner for mark in marks for inner in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]
    return base, flat


def _of_class(base: type[Any], marks: list[Any]) -> Strategy:
    if issubclass(base, OcpiObject):
        return objects(base)
    if issubclass(base, StrEnum):
        return st.sampled_from([member.value for member in base])
    if base is bool:
        return st.booleans()
    if base is int:
        low = max((mark.ge for mark in marks if hasattr(mark, "ge")), default=0)
        high = min((mark.le for mark in marks if hasattr(mark, "le")), default=INT_MAX)
        return st.builds(Num, (st.sampled_from([low, high]) | st.integers(low, high)).map(str))
    if base is str:
        return _of_text(marks)
    raise TypeError(f"no values are known for {base}")


def _of_text(marks: list[Any]) -> Strategy:
    for mark in marks:
        if isinstance(mark, OpenEnum):
            return st.sampled_from(mark.known) | st.sampled_from(["SOMETHING_NEW", "2.4 GHz", "v2.3.0"])
        if isinstance(mark, Matching):
            return st.from_regex(mark.pattern, fullmatch=True)
        if isinstance(mark, StringConstraints) and mark.max_length is not None:
            alphabet = _ascii if "x7e]*" in str(mark.pattern) else _printable
            return _text(alphabet, mark.min_length or 0, mark.max_length)
    raise TypeError(f"no text is known that fits {marks}")


_OFTEN = ("evses", "charging_periods", "energy_mix", "opening_times", "restrictions")


@cache
def objects(model: type[OcpiObject]) -> Strategy:
    """Valid objects of a class: some optional fields present, some null, most absent; and fields that OCPI does not know."""
    return _objects(model)


@st.composite
def _objects(draw: st.DrawFn, model: type[OcpiObject]) -> Object:
    optional = [name for name, info in model.model_fields.items() if not info.is_required()]
    weighted = optional + [name for name in optional if name in _OFTEN] * 5
    present = draw(_some(weighted, OPTIONAL_MAX_FIELDS))
    content = {
        name: draw(values(info.rebuild_annotation()))
        for name, info in model.model_fields.items()
        if info.is_required() or name in present
    }
    content |= dict.fromkeys(sorted(draw(_some(optional, 2)) - present))
    content |= draw(st.just({}) | st.just({}) | st.just({}) | extras(frozenset(model.model_fields)))
    return _AGREED.get(model, _as_is)(content)


def _some(names: list[str], most: int) -> Strategy:
    return st.lists(st.sampled_from(names), max_size=most).map(set) if names else st.just(set())


@cache
def extras(taken: frozenset[str]) -> Strategy:
    """Fields that OCPI does not know, nested ones too."""
    odd_names = ["x_vendor", "", "é", "__class__", "model_config", "as_content", "status_code", "data", "x" * 300]
    names = (st.sampled_from(odd_names) | free_text).filter(lambda name: name not in taken)
    return st.dictionaries(names, wild_values, min_size=1, max_size=2)


wild_values: Strategy = st.recursive(
    st.none() | st.booleans() | wild_numbers | free_text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(free_text, inner, max_size=2),
    max_leaves=4,
)
"""Any JSON value that is kept exactly."""


# --- what fields have to agree on ------------------------------------------------------------------


def _as_is(content: Object) -> Object:
    return content


def _in_order(content: Object) -> Object:
    begin, end = sorted((content["period_begin"], content["period_end"]))
    return {**content, "period_begin": begin, "period_end": end} if begin < end else {**content, **_DAYTIME}


_DAYTIME = {"period_begin": "07:00", "period_end": "19:00"}


def _always_or_by_the_day(content: Object) -> Object:
    if content["twentyfourseven"]:
        content.pop("regular_hours", None)
        return content
    return {**content, "twentyfourseven": not content.get("regular_hours")}


def _naming_a_token(content: Object) -> Object:
    if content.get("uid") is not None and content.get("type") is None:
        content["type"] = "RFID"
    if content.get("visual_number") is not None and content.get("issuer") is None:
        content["issuer"] = "Issuer"
    if all(content.get(name) is None for name in ("uid", "visual_number", "group_id")):
        content["group_id"] = "G"
    return content


def _numbered(children: list[Object], id_field: str) -> list[Object]:
    """Every id made its own: a number in front of what was drawn."""
    return [{**child, id_field: f"{index}{child[id_field]}"[:36]} for index, child in enumerate(children)]


def _with_connectors_of_their_own(content: Object) -> Object:
    return {**content, "connectors": _numbered(content["connectors"], "id")}


def _with_evses_of_their_own(content: Object) -> Object:
    if content.get("evses"):
        content["evses"] = _numbered(content["evses"], "uid")
    if content["publish"]:
        content.pop("publish_allowed_to", None)
    return content


def _reservations_flat_or_by_time(content: Object) -> Object:
    if (content.get("restrictions") or {}).get("reservation") is not None:
        content["price_components"] = [{**priced, "type": "FLAT"} for priced in content["price_components"]]
    return content


def _with_a_real_charge(content: Object) -> Object:
    return {**content, "volume": Num("80.50")} if content["type"] == "STATE_OF_CHARGE" else content


def _final(content: Object) -> Object:
    for period in content["charging_periods"]:
        period["dimensions"] = [_billed(measured) for measured in period["dimensions"]]
    if content.get("credit"):
        return {**content, "credit_reference_id": "the one before"}
    content.pop("credit_reference_id", None)
    return {**content, "id": content["id"][:36]}


def _billed(measured: Object) -> Object:
    return {**measured, "type": "ENERGY"} if measured["type"] in SESSION_ONLY_DIMENSIONS else measured


def _at_an_evse(content: Object) -> Object:
    if content.get("connector_id") is not None and content.get("evse_uid") is None:
        content["evse_uid"] = "E1"
    return content


def _profile_when_accepted(content: Object) -> Object:
    return {**content, "result": "ACCEPTED"} if content.get("profile") is not None else content


def _one_role(content: Object) -> Object:
    return {**content, "roles": content["roles"][:1]}


_AGREED: dict[type[OcpiObject], Callable[[Object], Object]] = {
    RegularHours: _in_order,
    Hours: _always_or_by_the_day,
    PublishTokenType: _naming_a_token,
    EVSE: _with_connectors_of_their_own,
    Location: _with_evses_of_their_own,
    TariffElement: _reservations_flat_or_by_time,
    CdrDimension: _with_a_real_charge,
    CDR: _final,
    StartSession: _at_an_evse,
    ActiveChargingProfileResult: _profile_when_accepted,
    Credentials: _one_role,
}

styles: Strategy = st.integers(0, 255)
"""How a value is written: see `json_text`."""


# --- nonsense --------------------------------------------------------------------------------------

_DEEP = b'{"x":' * 70 + b"1" + b"}" * 70
BROKEN_TEXTS = [
    *(b"", b" ", b"\x00", b"{", b"]", b'{"id":', b"NaN", b'{"a": NaN}', b'{"a": -Infinity}'),
    *(b"\xff\xfe", b"\xef\xbb\xbf{}"),
    *(b'{"a": "\\ud800"}', b'{"a": "\xed\xa0\x80"}', b'{"a": 01}', b"{'a': 1}", b'{"a": 1}}'),
    *(b'{"a": 1,}', b"nul"),
    *(_DEEP, b"[" * 5000 + b"]" * 5000, b'{"a": 1e99999999999999999999}', b"1" * 5000),
    *(b'{"a": ' + b"9" * 5000 + b"}",),
]
"""Texts that are no JSON, or JSON beyond all bounds."""

nul_text = '{"a": "\\u0000"}'

odd_bodies: Strategy = (
    st.sampled_from(BROKEN_TEXTS)
    | st.binary(max_size=20)
    | st.builds(json_text, wild_values, styles)
    | st.sampled_from([b"{}", b"[]", b"null", b"0", b'""', nul_text.encode()])
)
"""Bodies that are no object of OCPI; most are no JSON either."""

_odd_values: Strategy = (
    wild_values
    | st.sampled_from(
        [
            Num("-1"),
            Num("1e999999"),
            Num("1e15"),
            Num("0." + "1" * 400),
            "\0",
            "",
            "x" * 5000,
            [],
            {},
            [[]],
            [None],
            True,
        ]
    )
    | st.sampled_from(["available", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+00:00", "..", "a/../b", "#NA", "é"])
)


@st.composite
def mutated(draw: st.DrawFn, content: Object) -> bytes:
    """The text of an object with one to three things wrong: a field gone, replaced or twice, or the text cut or stained."""
    style = draw(styles)
    for _ in range(draw(st.integers(1, 3))):
        content = _mutated_somewhere(draw, content)
    text = json_text(content, style)
    return draw(st.just(text) | st.just(text) | st.just(text) | _stained(text))


def _mutated_somewhere(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict) and value:
        name = draw(st.sampled_from(sorted(value)))
        how = draw(st.sampled_from(["replace", "delete", "inside", "inside", "add"]))
        if how == "delete":
            return {key: item for key, item in value.items() if key != name}
        if how == "add":
            return {**value, draw(free_text): draw(_odd_values)}
        return {**value, name: draw(_odd_values) if how == "replace" else _mutated_somewhere(draw, value[name])}
    if isinstance(value, list) and value:
        how = draw(st.sampled_from(["twice", "inside", "inside", "empty"]))
        if how == "inside":
            return [_mutated_somewhere(draw, value[0]), *value[1:]]
        return [*value, *value] if how == "twice" else []
    return draw(_odd_values)


@st.composite
def _stained(draw: st.DrawFn, text: bytes) -> bytes:
    """Cut off, a few bytes written over, or its first field once more with something else in it."""
    place = draw(st.integers(0, len(text)))
    stain = draw(st.binary(min_size=1, max_size=3))
    first = text.find(b"{") + 1
    again = b'"id": null,' if text[first:].strip() != b"}" else b""
    return draw(
        st.sampled_from([text[:place], text[:place] + stain + text[place + 1 :], text[:first] + again + text[first:]])
    )
