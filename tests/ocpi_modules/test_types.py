"""The data types and the JSON codec: checklist section 11 (Y-01 to Y-11)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ocpi_modules.types import (
    NESTING_MAX_LEVELS,
    UNKNOWN_TIME,
    Bool,
    CdrDateTime,
    CiString,
    CountryCode,
    Currency,
    DateTime,
    DisplayText,
    FalseByDefault,
    Int,
    Language,
    LocalTime,
    Many,
    NotJsonText,
    Number,
    OcpiObject,
    OpenEnum,
    PartyId,
    Price,
    Rate,
    Some,
    String,
    TimeZone,
    TrueByDefault,
    Url,
    decode_json,
    encode_json,
    fold,
    format_datetime,
    parse_datetime,
    same,
    validation_sentence,
)

OUTGOING_DATE_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$")
Open = Annotated[str, OpenEnum("REGULAR", "AD_HOC", "IEC_60309_2_three_16")]


def read(kind: Any, value: Any) -> Any:
    return TypeAdapter(kind).validate_python(value)


# --- DateTime --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-01-31T12:30:05Z", datetime(2026, 1, 31, 12, 30, 5, tzinfo=UTC), id="with Z"),
        pytest.param("2026-01-31T12:30:05", datetime(2026, 1, 31, 12, 30, 5, tzinfo=UTC), id="no Z is UTC too"),
        pytest.param("2026-01-31T12:30:05.2Z", datetime(2026, 1, 31, 12, 30, 5, 200_000, tzinfo=UTC), id="tenths"),
        pytest.param("2026-01-31T12:30:05.25", datetime(2026, 1, 31, 12, 30, 5, 250_000, tzinfo=UTC), id="hundredths"),
        pytest.param("2026-01-31T12:30:05.257Z", datetime(2026, 1, 31, 12, 30, 5, 257_000, tzinfo=UTC), id="millis"),
        pytest.param("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC), id="leap day"),
        pytest.param("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC), id="first day"),
    ],
)
def test_a_date_time_is_read_as_utc(text: str, expected: datetime) -> None:
    """Y-01."""
    for value in (parse_datetime(text), read(DateTime, text), read(CdrDateTime, text)):
        assert value == expected
        assert value.utcoffset() == timedelta(0)


NO_DATE_TIMES = [
    pytest.param("2026-01-31T12:30:05+02:00", id="an offset"),
    pytest.param("2026-01-31T12:30:05+00:00", id="an offset of nothing"),
    pytest.param("2026-01-31T12:30:05-00:00", id="an unknown offset"),
    pytest.param("2026-01-31", id="a date alone"),
    pytest.param("2026-01-31 12:30:05Z", id="a blank"),
    pytest.param("2026-01-31t12:30:05z", id="lower case"),
    pytest.param("2026-01-31T12:30Z", id="no seconds"),
    pytest.param("2026-01-31T12:30:05.Z", id="a point without digits"),
    pytest.param("2026-01-31T12:30:05.1234Z", id="more digits than fit"),
    pytest.param("2026-01-31T12:30:05,5Z", id="a decimal comma"),
    pytest.param("2026-02-29T12:30:05Z", id="no leap year"),
    pytest.param("2026-13-01T12:30:05Z", id="month 13"),
    pytest.param("2026-00-01T12:30:05Z", id="month 0"),
    pytest.param("2026-01-31T24:00:00Z", id="hour 24"),
    pytest.param("2026-01-31T12:60:00Z", id="minute 60"),
    pytest.param("2026-12-31T23:59:60Z", id="a leap second"),
    pytest.param("0000-01-01T00:00:00Z", id="year 0"),
    pytest.param("2026-W05-6T12:30:05Z", id="a week date"),
    pytest.param("20260131T123005Z", id="the basic form"),
    pytest.param("2026-01-31T12:30:05Z\n", id="a line break behind"),
    pytest.param(" 2026-01-31T12:30:05Z", id="a blank before"),
    pytest.param("٢٠٢٦-01-31T12:30:05Z", id="digits of another script"),
    pytest.param("", id="nothing"),
    pytest.param(0, id="zero"),
    pytest.param(1769862605, id="seconds since 1970"),
    pytest.param(Decimal("1769862605.5"), id="a number with decimals"),
    pytest.param(None, id="null"),
    pytest.param(True, id="true"),
    pytest.param(["2026-01-31T12:30:05Z"], id="a list"),
]


@pytest.mark.parametrize("value", NO_DATE_TIMES)
def test_other_forms_of_time_are_refused(value: Any) -> None:
    """Y-02."""
    with pytest.raises(ValueError, match=r".+"):
        parse_datetime(value)
    for kind in (DateTime, CdrDateTime):
        with pytest.raises(ValidationError, match="is not a moment in UTC"):
            read(kind, value)


@pytest.mark.parametrize("text", ["1970-1-1T00:00:00Z", "1970-1-1T00:00:00", "1970-01-01T00:00:00Z"])
def test_the_unknown_time_of_a_cdr_is_read_in_both_forms_and_written_in_full(text: str) -> None:
    """X-36."""
    assert read(CdrDateTime, text) == UNKNOWN_TIME
    assert TypeAdapter(CdrDateTime).dump_python(read(CdrDateTime, text)) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        pytest.param(datetime(2026, 1, 31, 12, 30, 5, tzinfo=UTC), "2026-01-31T12:30:05Z", id="whole seconds"),
        pytest.param(datetime(2026, 1, 31, 12, 30, 5, 20_000, tzinfo=UTC), "2026-01-31T12:30:05.020Z", id="millis"),
        pytest.param(datetime(2026, 1, 31, 12, 30, 5, 999_999, tzinfo=UTC), "2026-01-31T12:30:05.999Z", id="cut"),
        pytest.param(datetime(2026, 1, 31, 12, 30, 5, 999, tzinfo=UTC), "2026-01-31T12:30:05Z", id="micros only"),
        pytest.param(
            datetime(2026, 1, 31, 13, 30, 5, tzinfo=timezone(timedelta(hours=1))), "2026-01-31T12:30:05Z", id="CET"
        ),
        pytest.param(datetime(999, 1, 1, tzinfo=UTC), "0999-01-01T00:00:00Z", id="four digits of year"),
    ],
)
def test_a_date_time_is_written_in_utc_with_milliseconds_at_most(moment: datetime, text: str) -> None:
    """Y-03."""
    assert format_datetime(moment) == text


def test_a_moment_of_our_own_is_taken_and_turned_into_utc() -> None:
    """Y-03."""
    noon_in_oslo = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=1)))
    moment = read(DateTime, noon_in_oslo)
    assert moment == noon_in_oslo
    assert moment.tzinfo is UTC


def test_a_date_time_without_time_zone_is_not_written_and_not_taken() -> None:
    """Y-03."""
    naive = datetime(2026, 1, 31)  # noqa: DTZ001  # this is the fault
    with pytest.raises(ValueError, match="time zone"):
        format_datetime(naive)
    with pytest.raises(ValidationError):
        read(DateTime, naive)


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_fits_into_25_characters_and_comes_back_to_the_millisecond(moment: datetime) -> None:
    """Y-03."""
    text = format_datetime(moment)
    assert OUTGOING_DATE_TIME.match(text)
    assert len(text) <= 25
    assert parse_datetime(text) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(st.datetimes(timezones=st.just(UTC)), st.timedeltas(timedelta(hours=-14), timedelta(hours=14)))
def test_the_time_zone_of_a_moment_does_not_show(moment: datetime, offset: timedelta) -> None:
    """Y-03."""
    try:
        elsewhere = moment.astimezone(timezone(offset))
    except OverflowError:  # there is no such local time in the calendar
        return
    assert format_datetime(elsewhere) == format_datetime(moment)


# --- strings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(Annotated[str, CiString(3)], "abc", id="CiString of N"),
        pytest.param(Annotated[str, CiString(3)], "~ !", id="the ends of printable ASCII"),
        pytest.param(Annotated[str, CiString(3)], "#NA", id="no data available (Y-11)"),
        pytest.param(Annotated[str, String(3)], "", id="an empty string"),
        pytest.param(Annotated[str, String(3)], "ééé", id="characters, not bytes"),
        pytest.param(Annotated[str, String(3)], "🔌🔌🔌", id="characters, not UTF-16 units"),
        pytest.param(Annotated[str, String(9)], "充电站 ½", id="any script"),
        pytest.param(Url, "https://a.example", id="a bare host"),
        pytest.param(Url, "HTTP://a.example:8080/x?y=%2F&z=1#f", id="all the parts"),
        pytest.param(Url, "https://[2001:db8::1]/x", id="an IPv6 host"),
        pytest.param(Url, "https://laden.example/straße.png", id="beyond ASCII"),
        pytest.param(Url, "https://a.example/" + "x" * 237, id="255 characters"),
        pytest.param(CountryCode, "nl", id="country code in lower case"),
        pytest.param(PartyId, "A", id="a short party id"),
        pytest.param(LocalTime, "00:00", id="midnight"),
        pytest.param(LocalTime, "23:59", id="the last minute"),
        pytest.param(TimeZone, "Europe/Oslo", id="a time zone"),
        pytest.param(TimeZone, "America/Argentina/Buenos_Aires", id="a time zone of three parts"),
    ],
)
def test_text_within_the_rules_is_kept_as_it_is(kind: Any, value: str) -> None:
    """Y-04, Y-05, Y-09."""
    assert read(kind, value) == value


CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)]


@pytest.mark.parametrize("character", CONTROLS, ids=[f"U+{ord(character):04X}" for character in CONTROLS])
def test_characters_that_cannot_be_printed_are_refused_in_every_text(character: str) -> None:
    """Y-04, Y-05."""
    for kind in (Annotated[str, CiString(9)], Annotated[str, String(9)]):
        with pytest.raises(ValidationError):
            read(kind, f"a{character}b")
        with pytest.raises(ValidationError):
            read(kind, f"ab{character}")
    with pytest.raises(ValidationError):
        read(Url, f"https://a.example/{character}")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(Annotated[str, CiString(3)], "abcd", id="CiString of N+1"),
        pytest.param(Annotated[str, CiString(3)], "", id="an empty CiString"),
        pytest.param(Annotated[str, CiString(3)], "é", id="a CiString beyond ASCII"),
        pytest.param(Annotated[str, CiString(3)], 123, id="a number"),
        pytest.param(Annotated[str, CiString(3)], b"abc", id="bytes"),
        pytest.param(Annotated[str, CiString(3)], None, id="null"),
        pytest.param(Annotated[str, String(3)], "éééé", id="string of N+1"),
        pytest.param(Annotated[str, String(3)], "\ud800", id="half a surrogate pair"),
        pytest.param(Annotated[str, String(3)], True, id="true"),
        pytest.param(Url, "https://a.example/" + "x" * 238, id="256 characters"),
        pytest.param(Url, "//a.example", id="no scheme"),
        pytest.param(Url, "https://", id="no host"),
        pytest.param(Url, "https:///x", id="an empty host"),
        pytest.param(Url, "https://a.example/x y", id="a blank"),
        pytest.param(Url, "https://a.example/\u00a0", id="a blank that does not break"),
        pytest.param(Url, 'https://a.example/">', id="the end of an attribute"),
        pytest.param(Url, "https:\\\\a.example", id="the other slashes"),
        pytest.param(Url, "javascript:alert(1)//https://a.example", id="another scheme"),
        pytest.param(Url, "", id="no URL"),
        pytest.param(CountryCode, "NLD", id="country code of three"),
        pytest.param(CountryCode, "N1", id="country code with a digit"),
        pytest.param(PartyId, "ABCD", id="party id of four"),
        pytest.param(PartyId, "A B", id="party id with a blank"),
        pytest.param(Currency, "eur", id="currency in lower case"),
        pytest.param(Language, "eng", id="language of three"),
        pytest.param(LocalTime, "24:00", id="hour 24"),
        pytest.param(LocalTime, "7:00", id="no leading zero"),
        pytest.param(LocalTime, "07:60", id="minute 60"),
        pytest.param(LocalTime, "07:00:00", id="seconds"),
        pytest.param(LocalTime, "07:00\n", id="a line break behind"),
        pytest.param(TimeZone, "CEST", id="a summer time"),
        pytest.param(TimeZone, "europe/oslo", id="a time zone in lower case"),
        pytest.param(TimeZone, "localtime", id="the zone of the machine"),
        pytest.param(TimeZone, "../../etc/passwd", id="a path"),
    ],
)
def test_text_outside_the_rules_is_refused(kind: Any, value: Any) -> None:
    """Y-04, Y-05, Y-09."""
    with pytest.raises(ValidationError):
        read(kind, value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<b>bold</b>", id="a tag"),
        pytest.param("line<br/>line", id="a tag that closes itself"),
        pytest.param("<!-- x -->", id="a comment"),
        pytest.param("see </a>", id="an end"),
        pytest.param("<script\u00a0src=x>", id="a tag with an odd blank"),
        pytest.param("x" * 513, id="513 characters"),
    ],
)
def test_a_display_text_holds_no_markup_and_at_most_512_characters(text: str) -> None:
    """Y-09."""
    with pytest.raises(ValidationError):
        DisplayText.model_validate({"language": "en", "text": text})


@pytest.mark.parametrize("text", ["x" * 512, "1 < 2 and 3 > 2", "<3", "5 > 4", "a -> b"])
def test_a_display_text_may_compare_and_may_be_long(text: str) -> None:
    """Y-09."""
    assert DisplayText.model_validate({"language": "en", "text": text}).text == text


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        pytest.param("LOC1", "loc1", True, id="only case differs"),
        pytest.param("LOC1", "LOC2", False, id="another id"),
        pytest.param("i", "ı", False, id="a letter that Unicode folds into another"),
        pytest.param("é", "É", False, id="beyond ASCII nothing is folded"),
        pytest.param("éa", "éA", True, id="ASCII is folded next to other letters too"),
        pytest.param("ß", "SS", False, id="a letter that Unicode folds into two"),
    ],
)
def test_ids_are_compared_without_case(one: str, other: str, equal: bool) -> None:
    """Y-04."""
    assert same(one, other) is equal


@given(st.text())
def test_folding_twice_is_folding_once_and_keeps_the_length(text: str) -> None:
    """Y-04."""
    assert fold(fold(text)) == fold(text)
    assert len(fold(text)) == len(text)


# --- enumerations ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("REGULAR", id="known"),
        pytest.param("IEC_60309_2_three_16", id="known in mixed case"),
        pytest.param("PROFILE_SOLAR", id="unknown is kept (X-44)"),
        pytest.param("nltnm-foo", id="unknown with a dash"),
        pytest.param("3.0", id="unknown with a point"),
        pytest.param("x" * 64, id="64 characters"),
    ],
)
def test_an_open_enum_keeps_known_and_unknown_values(value: str) -> None:
    """X-44."""
    assert read(Open, value) == value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("regular", id="known in lower case"),
        pytest.param("Ad_Hoc", id="known in mixed case"),
        pytest.param("IEC_60309_2_THREE_16", id="known in upper case"),
        pytest.param("", id="nothing"),
        pytest.param("x" * 65, id="65 characters"),
        pytest.param("<b>", id="markup"),
        pytest.param("ÖFFENTLICH", id="beyond ASCII"),
        pytest.param(7, id="a number"),
        pytest.param(None, id="null"),
        pytest.param({}, id="an object"),
    ],
)
def test_an_open_enum_refuses_misspelt_case_and_what_is_no_value(value: Any) -> None:
    """Y-06."""
    with pytest.raises(ValidationError, match="is not one of REGULAR, AD_HOC, IEC_60309_2_three_16"):
        read(Open, value)


def test_an_open_enum_tells_its_known_values() -> None:
    """X-44."""
    assert TypeAdapter(Open).json_schema() == {
        "type": "string",
        "examples": ["REGULAR", "AD_HOC", "IEC_60309_2_three_16"],
    }


# --- numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("4.10", id="a trailing zero"),
        pytest.param("0.00", id="nothing, with decimals"),
        pytest.param("-4.95", id="below nothing"),
        pytest.param("12.3456", id="four decimals"),
        pytest.param("999999999999999.9999", id="the largest whole part"),
        pytest.param("0.000001", id="a millionth"),
        pytest.param("1E-15", id="15 decimals"),
        pytest.param("7", id="a whole number"),
        pytest.param("-0.5", id="minus a half"),
    ],
)
def test_a_number_keeps_its_digits_on_the_way_in_and_out(text: str) -> None:
    """Y-07."""
    number = read(Number, decode_json(text.encode()))
    assert isinstance(number, Decimal)
    assert encode_json(number) == text.encode()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("12.3", id="text"),
        pytest.param("", id="no text"),
        pytest.param(True, id="true"),
        pytest.param(False, id="false"),
        pytest.param(12.3, id="a float, whose digits are gone"),
        pytest.param(None, id="null"),
        pytest.param([1], id="a list"),
        pytest.param({"excl_vat": 1}, id="an object"),
    ],
)
def test_what_is_no_json_number_is_refused(value: Any) -> None:
    """Y-07."""
    with pytest.raises(ValidationError, match="is not a JSON number"):
        read(Number, value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(10**15, id="sixteen digits"),
        pytest.param(-(10**15), id="sixteen digits below nothing"),
        pytest.param(10**400, id="four hundred digits"),
        pytest.param(Decimal("1E+15"), id="sixteen digits by exponent"),
        pytest.param(Decimal("1E+999999"), id="an absurd exponent"),
        pytest.param(Decimal("0E+999999"), id="nothing with an absurd exponent"),
        pytest.param(Decimal("0.0000000000000001"), id="16 decimals"),
        pytest.param(Decimal("1E-999999"), id="an absurd exponent below one"),
        pytest.param(Decimal("NaN"), id="not a number"),
        pytest.param(Decimal("sNaN"), id="a signal"),
        pytest.param(Decimal("Infinity"), id="no end"),
    ],
)
def test_numbers_beyond_reason_are_refused(value: Any) -> None:
    """Y-07."""
    with pytest.raises(ValidationError, match="has too many digits"):
        read(Number, value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**14), max_value=10**14))
def test_every_number_of_four_decimals_comes_back_digit_by_digit(number: Decimal) -> None:
    """Y-07."""
    text = encode_json(number)
    again = read(Number, decode_json(text))
    assert again.as_tuple() == number.as_tuple()
    assert encode_json(again) == text


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_every_whole_number_below_the_bound_is_a_number(number: int) -> None:
    """Y-07."""
    assert read(Number, decode_json(encode_json(number))) == number


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(Int, 0, id="zero"),
        pytest.param(Int, 2**31 - 1, id="the largest"),
        pytest.param(Bool, True, id="true"),
        pytest.param(Bool, False, id="false"),
        pytest.param(Rate, Decimal("8.1"), id="one decimal"),
        pytest.param(Rate, Decimal("8.10"), id="one decimal that counts"),
        pytest.param(Rate, 16, id="a whole rate"),
    ],
)
def test_ints_booleans_and_rates_are_themselves(kind: Any, value: Any) -> None:
    """Y-07, CP-08."""
    assert read(kind, value) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(Int, "1", id="an int as text"),
        pytest.param(Int, True, id="an int that is true"),
        pytest.param(Int, Decimal("1.0"), id="an int with decimals"),
        pytest.param(Int, -1, id="an int below nothing"),
        pytest.param(Int, 2**31, id="an int beyond 31 bits"),
        pytest.param(Int, None, id="an int that is null"),
        pytest.param(Bool, 1, id="one"),
        pytest.param(Bool, 0, id="zero"),
        pytest.param(Bool, "true", id="true as text"),
        pytest.param(Bool, None, id="null"),
        pytest.param(Rate, Decimal("8.15"), id="two decimals (CP-08)"),
        pytest.param(Rate, "8.1", id="a rate as text"),
    ],
)
def test_ints_booleans_and_rates_are_not_coerced(kind: Any, value: Any) -> None:
    """Y-07, CP-08."""
    with pytest.raises(ValidationError):
        read(kind, value)


def test_absent_vat_stays_absent_and_zero_stays_zero() -> None:
    """CD-12."""
    unknown = Price.model_validate(decode_json(b'{"excl_vat":1.50}'))
    nothing = Price.model_validate(decode_json(b'{"excl_vat":1.50,"incl_vat":0}'))
    assert unknown.incl_vat is None
    assert nothing.incl_vat == 0
    assert encode_json(unknown) == b'{"excl_vat":1.50}'
    assert encode_json(nothing) == b'{"excl_vat":1.50,"incl_vat":0}'


# --- cardinality and objects -----------------------------------------------------------------


class Thing(OcpiObject):
    """An object with one field of each cardinality."""

    name: Annotated[str, String(10)]
    note: Annotated[str, String(10)] | None = None
    prices: Many[Price] = ()
    texts: Some[DisplayText] = (DisplayText(language="en", text="Hello"),)
    open: TrueByDefault = True
    closed: FalseByDefault = False


@pytest.mark.parametrize(
    "given_fields",
    [
        pytest.param({}, id="omitted"),
        pytest.param({"note": None, "prices": None, "open": None, "closed": None}, id="null"),
        pytest.param({"prices": []}, id="an empty list"),
    ],
)
def test_null_an_empty_list_and_nothing_at_all_are_the_same(given_fields: dict[str, Any]) -> None:
    """Y-08."""
    thing = Thing.model_validate({"name": "x", **given_fields})
    assert (thing.note, thing.prices, thing.open, thing.closed) == (None, (), True, False)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"name": None}, id="a required field that is null"),
        pytest.param({"texts": []}, id="a list of + that is empty"),
        pytest.param({"texts": None}, id="a list of + that is null"),
        pytest.param({"prices": {}}, id="an object in place of a list"),
        pytest.param({"prices": "[]"}, id="text in place of a list"),
        pytest.param({"prices": [None]}, id="null in a list"),
    ],
)
def test_required_fields_are_not_null_and_required_lists_are_not_empty(fields: dict[str, Any]) -> None:
    """Y-08."""
    with pytest.raises(ValidationError):
        Thing.model_validate({"name": "x", **fields})


@pytest.mark.parametrize("whole", [None, [], "x", 1, [{"name": "x"}]])
def test_what_is_no_object_is_refused_in_words(whole: Any) -> None:
    """T-14."""
    with pytest.raises(ValidationError) as refused:
        Thing.model_validate(whole)
    assert validation_sentence(refused.value) == "the object is not a JSON object"


def test_unknown_fields_are_kept_with_the_text_of_their_numbers() -> None:
    """Y-10."""
    text = (
        b'{"name":"x","x_vendor":{"a":1.10,"deep":[null,{"b":"\xc3\xa9"}]},"model_dump":3,"_id":4,'
        b'"__class__":"y","as_content":true,"prices":[{"excl_vat":2.0,"fee":0.500}]}'
    )
    again = encode_json(Thing.model_validate(decode_json(text)))
    assert decode_json(again) == decode_json(text)
    assert b'"a":1.10' in again
    assert b'"fee":0.500' in again


def test_objects_do_not_change() -> None:
    """R-10."""
    thing = Thing(name="x")
    with pytest.raises(ValidationError, match="frozen"):
        thing.name = "y"  # type: ignore[misc]  # the type checker knows it too


# --- JSON ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half an object"),
        pytest.param(b'{"id":', id="half a field"),
        pytest.param(b"{} {}", id="two values"),
        pytest.param(b"{'a': 1}", id="the other quotes"),
        pytest.param(b"[1,]", id="a comma too many"),
        pytest.param(b"01", id="a leading zero"),
        pytest.param(b"1.", id="a point without digits"),
        pytest.param(b"NaN", id="not a number"),
        pytest.param(b"-Infinity", id="no end"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        pytest.param(b'"\xff"', id="no UTF-8"),
        pytest.param(b'"\xed\xa0\x80"', id="a surrogate in UTF-8"),
        pytest.param(b'"\\ud800"', id="half a surrogate pair"),
        pytest.param(b'"\\udc00"', id="the other half"),
        pytest.param(b'"\\ud800\\u0041"', id="half a pair, then a letter"),
        pytest.param(b'"a\nb"', id="a line break in a string"),
        pytest.param(b"9" * 5000, id="an int of 5000 digits"),
        pytest.param(b"1e99999999999999999999", id="an exponent beyond the clouds"),
        pytest.param(b"[" * 100_000, id="endless nesting"),
        pytest.param(b"[" * (NESTING_MAX_LEVELS + 1) + b"]" * (NESTING_MAX_LEVELS + 1), id="one level too deep"),
        pytest.param(b'{"a":' * 500 + b"1" + b"}" * 500, id="500 objects in each other"),
    ],
)
def test_what_is_not_json_raises_one_error(body: bytes) -> None:
    """T-13."""
    with pytest.raises(NotJsonText):
        decode_json(body)


def test_the_deepest_nesting_and_the_widest_list_are_read() -> None:
    """T-13."""
    deepest = b"[" * NESTING_MAX_LEVELS + b"]" * NESTING_MAX_LEVELS
    assert encode_json(decode_json(deepest)) == deepest
    wide = b"[" + b",".join([b"[]"] * 1000) + b"]"
    assert encode_json(decode_json(wide)) == wide


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(Decimal("4.10"), b"4.10", id="digits are kept"),
        pytest.param(Decimal("1E+3"), b"1E+3", id="an exponent is JSON"),
        pytest.param(Decimal("0E-7"), b"0E-7", id="nothing with an exponent"),
        pytest.param(10**30, b"1" + b"0" * 30, id="a large int"),
        pytest.param(1.5, b"1.5", id="a float of our own"),
        pytest.param(datetime(2026, 1, 31, tzinfo=UTC), b'"2026-01-31T00:00:00Z"', id="a moment"),
        pytest.param(
            {"a": [datetime(2026, 1, 31, 0, 0, 0, 123_456, tzinfo=UTC)]},
            b'{"a":["2026-01-31T00:00:00.123Z"]}',
            id="a moment inside",
        ),
        pytest.param({"p": Price(excl_vat=Decimal("2.50"))}, b'{"p":{"excl_vat":2.50}}', id="an object inside"),
        pytest.param((True, None, "é"), '[true,null,"é"]'.encode(), id="the rest"),
    ],
)
def test_values_are_written_as_json(value: Any, text: bytes) -> None:
    """Y-03, Y-07."""
    assert encode_json(value) == text


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(Decimal("NaN"), id="not a number"),
        pytest.param(Decimal("-Infinity"), id="no end"),
        pytest.param(float("nan"), id="a float that is no number"),
        pytest.param({"a": [float("inf")]}, id="a float without end, inside"),
        pytest.param("\ud800", id="half a surrogate pair"),
        pytest.param(datetime(2026, 1, 31), id="a moment without time zone"),  # noqa: DTZ001  # this is the fault
    ],
)
def test_what_json_cannot_say_is_not_written(value: Any) -> None:
    """Y-03, Y-07."""
    with pytest.raises(ValueError, match=r".+"):
        encode_json(value)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_every_value_comes_back_from_json(value: Any) -> None:
    """Y-07, R-10."""
    assert decode_json(encode_json(value)) == value


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_one_error(body: bytes) -> None:
    """T-13, T-14."""
    try:
        value = decode_json(body)
    except NotJsonText:
        return
    assert decode_json(encode_json(value)) == value


# --- refusals in words -----------------------------------------------------------------------


@given(JSON_VALUES)
def test_every_refusal_is_one_short_printable_sentence(value: Any) -> None:
    """T-14."""
    for content in (
        value,
        {"name": value},
        {"name": "x", "texts": [{"language": value, "text": value}], "note": value},
    ):
        try:
            Thing.model_validate(content)
        except ValidationError as refused:
            sentence = validation_sentence(refused)
            assert 0 < len(sentence) <= 255
            assert sentence.isprintable()


def test_a_refusal_repeats_at_most_60_characters_of_what_was_sent() -> None:
    """T-14."""
    with pytest.raises(ValidationError) as refused:
        read(DateTime, "\u202e<script>" + "x" * 100_000)
    sentence = validation_sentence(refused.value)
    assert sentence.count("x") <= 60
    assert "\\u202e<script>" in sentence


def test_a_refusal_of_a_long_list_stops_at_the_first_fault() -> None:
    """T-14."""
    with pytest.raises(ValidationError) as refused:
        Thing.model_validate({"name": "x", "prices": [{}] * 10_000})
    assert refused.value.error_count() == 1
    assert validation_sentence(refused.value) == "prices.0.excl_vat is required"
