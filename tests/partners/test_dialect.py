"""What is said to a partner and heard from it, in its own dialect."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hub.partners.dialect import (
    ADDRESS_SHORT_CHARACTERS,
    counted_on,
    heard_body,
    is_same_server,
    next_page_url,
    rewrites,
    spoken_body,
    spoken_query,
    spoken_reply,
    spoken_text,
    with_nulls,
    with_singles,
)
from hub.partners.quirks import Quirks
from ocpi_modules.catalog import FUNCTIONAL, MODULES
from ocpi_modules.message import Message, Reply
from ocpi_modules.module import Purpose
from ocpi_modules.types import decode_json, encode_json
from tests.routing import CP1, MS1, message_of

Object = dict[str, Any]
Example = Callable[..., Object]

PLAIN, NULLS, SINGLES = Quirks(), Quirks(nulls=True), Quirks(singles=True)
LOCATIONS, TARIFFS, CDRS = MODULES["locations"], MODULES["tariffs"], MODULES["cdrs"]
AT = "DE/CP1"


def put_location(content: Object, suffix: str = "L1", method: str = "PUT") -> Message:
    return message_of(method, f"receiver/locations/{AT}/{suffix}", content=content, receiver=MS1)


def said(message: Message, quirks: Quirks) -> Any:
    return decode_json(spoken_body(message, quirks))


def odd(content: Object) -> bytes:
    """JSON text that no writer of ours would write."""
    return json.dumps(content, indent=3).encode()


# --- bytes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "quirks",
    [
        pytest.param(PLAIN, id="none"),
        pytest.param(
            Quirks(
                token="raw",
                slash=True,
                unwrap=False,
                links="rebuild",
                token_type=True,
                lenient=True,
                collapse=True,
                short_address=True,
            ),
            id="all that do not concern a location",
        ),
    ],
)
def test_the_bytes_that_came_in_go_out_where_no_quirk_names_them(quirks: Quirks, example: Example) -> None:
    """R-10: whatever they look like."""
    body = odd(example("location"))
    message = replace(put_location(example("location")), body=body)
    assert spoken_body(message, quirks) == body
    assert spoken_text(LOCATIONS, body, quirks) == body
    reply = Reply(raw=b'{"status_code": 1000,\n"data": {}}')
    read = message_of("GET", "sender/locations/L1", sender=MS1, receiver=CP1)
    assert spoken_reply(reply, read, quirks) is reply


@pytest.mark.parametrize(
    ("quirks", "rewritten"),
    [
        pytest.param(PLAIN, set(), id="none"),
        pytest.param(NULLS, {module.id for module in FUNCTIONAL}, id="nulls stand in every object"),
        pytest.param(SINGLES, {"locations"}, id="schedules and impacts stand in locations"),
        pytest.param(Quirks(short_address=True), {"cdrs"}, id="addresses are cut in CDRs"),
    ],
)
def test_only_the_objects_that_a_quirk_concerns_are_written_anew(quirks: Quirks, rewritten: set[str]) -> None:
    assert {module.id for module in FUNCTIONAL if rewrites(module, quirks)} == rewritten


@pytest.mark.parametrize("quirks", [NULLS, Quirks(singles=True)], ids=["nulls", "singles"])
def test_what_is_written_anew_keeps_the_text_of_its_numbers_and_what_ocpi_does_not_know(quirks: Quirks) -> None:
    """Y-07, Y-10."""
    content = {"id": "L1", "x_rate": Decimal("1.10"), "x_more": {"zero": Decimal("0.00")}, "last_updated": "2026-01-01"}
    text = spoken_body(put_location(content), quirks)
    assert b'"x_rate":1.10' in text
    assert b'"x_more":{"zero":0.00}' in text
    assert b'"last_updated":"2026-01-01"' in text


# --- nulls ----------------------------------------------------------------------------------------------


def test_absent_fields_are_null_at_every_depth_and_absent_lists_stay_absent() -> None:
    content = {
        "id": "L1",
        "operator": {"name": "X", "logo": {"url": "https://x.example/l.png", "category": "OPERATOR", "type": "png"}},
        "evses": [{"uid": "E1", "connectors": [{"id": "1"}]}],
    }
    told = said(put_location(content), NULLS)
    assert told["name"] is None
    assert told["operator"]["website"] is None
    assert [told["operator"]["logo"][name] for name in ("thumbnail", "width", "height")] == [None] * 3
    assert told["evses"][0]["floor_level"] is None
    assert told["evses"][0]["connectors"][0]["max_electric_power"] is None
    for place, names in (
        (told, ("images", "directions", "facilities")),
        (told["evses"][0], ("capabilities", "status_schedule")),
        (told["evses"][0]["connectors"][0], ("tariff_ids",)),
    ):
        assert set(names).isdisjoint(place), "pydantic's null for a list is refused by those who want nulls for fields"


def test_required_fields_that_are_missing_are_not_invented() -> None:
    assert {"city", "country", "coordinates"}.isdisjoint(said(put_location({"id": "L1"}), NULLS))


def test_nothing_that_was_said_is_changed_by_nulls(example: Example) -> None:
    content = decode_json(encode_json(example("location")))
    told = with_nulls(LOCATIONS.object_at(0), content)

    def without_nulls(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without_nulls(item) for name, item in value.items() if item is not None}
        return [without_nulls(item) for item in value] if isinstance(value, list) else value

    assert without_nulls(told) == content
    assert told != content


def test_a_patch_gets_no_nulls() -> None:
    """X-30: there they take fields away."""
    message = put_location({"status": "CHARGING", "last_updated": "2026-01-01T00:00:00Z"}, "L1/E1", "PATCH")
    assert spoken_body(message, Quirks(nulls=True, singles=True)) == message.body


@pytest.mark.parametrize(
    ("suffix", "absent"),
    [
        pytest.param("L1/E1", "floor_level", id="an EVSE"),
        pytest.param("L1/E1/1", "terms_and_conditions", id="a connector"),
    ],
)
def test_a_part_is_filled_like_the_part_that_it_is(suffix: str, absent: str) -> None:
    told = said(put_location({"last_updated": "2026-01-01T00:00:00Z"}, suffix), NULLS)
    assert told[absent] is None
    assert "country" not in told


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(message_of("DELETE", f"receiver/tariffs/{AT}/T1"), id="a removal"),
        pytest.param(
            message_of("POST", "sender/tokens/U1/authorize", receiver=MS1), id="an authorization without place"
        ),
    ],
)
def test_no_body_stays_no_body(message: Message) -> None:
    assert spoken_body(message, Quirks(nulls=True, singles=True, short_address=True)) == b""


def test_a_command_is_filled_too(example: Example) -> None:
    content = {"response_url": "https://x.example/1", "location_id": "L1", "token": {"uid": "U1"}}
    told = said(message_of("POST", "receiver/commands/START_SESSION", content=content, receiver=CP1), NULLS)
    assert told["evse_uid"] is None
    assert told["token"]["visual_number"] is None


@pytest.mark.parametrize("content", [None, 7, "text", ["text", None]])
def test_what_is_no_object_is_left_alone(content: Any) -> None:
    assert with_nulls(LOCATIONS.object_at(0), content) == content
    assert with_singles(content) == content


# --- singles --------------------------------------------------------------------------------------------

SCHEDULE = [{"period_begin": "2026-01-01T00:00:00Z", "status": "REMOVED"}, {"status": "PLANNED"}]
IMPACT = [{"category": "NUCLEAR_WASTE", "amount": Decimal("0.0")}, {"category": "CARBON_DIOXIDE", "amount": 3}]


def test_the_first_of_two_lists_stands_in_their_place() -> None:
    content = {
        "energy_mix": {"environ_impact": IMPACT, "energy_sources": [{}]},
        "evses": [{"status_schedule": SCHEDULE}],
    }
    assert with_singles(content) == {
        "energy_mix": {"environ_impact": IMPACT[0], "energy_sources": [{}]},
        "evses": [{"status_schedule": SCHEDULE[0]}],
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param({"status_schedule": []}, {"status_schedule": None}, id="an empty list"),
        pytest.param({"status_schedule": {"status": "X"}}, {"status_schedule": {"status": "X"}}, id="one already"),
        pytest.param([{"status_schedule": SCHEDULE}], [{"status_schedule": SCHEDULE[0]}], id="in a list of objects"),
    ],
)
def test_other_forms_of_the_two(content: Any, told: Any) -> None:
    assert with_singles(content) == told


def test_who_wants_both_gets_null_for_the_two_that_are_no_lists_to_it() -> None:
    content = {"id": "L1", "energy_mix": {"is_green_energy": True}, "evses": [{"uid": "E1"}]}
    told = said(put_location(content), Quirks(nulls=True, singles=True))
    assert told["evses"][0]["status_schedule"] is None
    assert told["energy_mix"]["environ_impact"] is None
    assert "capabilities" not in told["evses"][0]


# --- short addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "told"),
    [
        pytest.param("x" * 255, "x" * ADDRESS_SHORT_CHARACTERS, id="long"),
        pytest.param("x" * 46, "x" * 45, id="one too many"),
        pytest.param("x" * 45, "x" * 45, id="just right"),
        pytest.param("ü" * 46, "ü" * 45, id="counted in characters"),
        pytest.param(7, 7, id="no text"),
    ],
)
@pytest.mark.proves("X-34")
def test_the_address_of_a_cdr_is_cut_for_who_asked_for_it(address: Any, told: Any, example: Example) -> None:
    cdr = example("cdr")
    cdr["cdr_location"]["address"] = address
    cut = decode_json(spoken_text(CDRS, encode_json(cdr), Quirks(short_address=True)))
    assert cut["cdr_location"]["address"] == told
    rest = {name: value for name, value in cut["cdr_location"].items() if name != "address"}
    assert rest == {name: value for name, value in cdr["cdr_location"].items() if name != "address"}
    assert {name for name in cut if cut[name] != decode_json(encode_json(cdr))[name]} <= {"cdr_location"}


@pytest.mark.parametrize("content", [{}, {"cdr_location": None}, {"cdr_location": "x"}, {"cdr_location": {}}, None])
def test_a_cdr_without_an_address_is_left_alone(content: Any) -> None:
    assert decode_json(spoken_text(CDRS, encode_json(content), Quirks(short_address=True))) == content


# --- queries --------------------------------------------------------------------------------------------

TYPED = Quirks(token_type=True)


@pytest.mark.parametrize(
    ("message", "query"),
    [
        pytest.param(
            message_of("POST", "sender/tokens/U1/authorize", query="type=APP_USER", receiver=MS1),
            "type=APP_USER&token_type=APP_USER",
            id="an authorization",
        ),
        pytest.param(
            message_of("PUT", "receiver/tokens/NL/MS1/U1", query="type=RFID&x=%20", content={}, sender=MS1),
            "type=RFID&x=%20&token_type=RFID",
            id="what came stays as it was encoded",
        ),
        pytest.param(
            message_of("PUT", "receiver/tokens/NL/MS1/U1", content={"type": "APP_USER"}, sender=MS1),
            "token_type=APP_USER",
            id="X-48 the type that only the body names",
        ),
        pytest.param(message_of("GET", "receiver/tokens/NL/MS1/U1", sender=MS1), "token_type=RFID", id="the default"),
        pytest.param(message_of("GET", "sender/tokens", query="limit=2", receiver=MS1), "limit=2", id="a list"),
        pytest.param(message_of("GET", "sender/locations/L1", query="type=X", receiver=CP1), "type=X", id="no token"),
    ],
)
def test_the_type_of_a_token_is_told_under_the_name_that_it_reads(message: Message, query: str) -> None:
    assert spoken_query(message, TYPED) == query
    assert spoken_query(message, PLAIN) == message.raw_query


# --- answers on their way to a partner --------------------------------------------------------------------


def test_the_answer_to_a_read_is_in_the_reader_s_dialect(example: Example) -> None:
    read = message_of("GET", "sender/locations/L1", sender=MS1, receiver=CP1)
    lean = {"id": "L1", "x": Decimal("1.10"), "evses": [{"uid": "E1", "status_schedule": SCHEDULE}]}
    raw = encode_json({"status_code": 1000, "data": lean, "timestamp": "2026-01-01T00:00:00Z"})
    both = Quirks(nulls=True, singles=True)
    for reply in (Reply(raw=raw), Reply(data=encode_json(lean))):
        told = spoken_reply(reply, read, both)
        text = told.raw if told.raw is not None else told.data
        assert text is not None
        assert b'"x":1.10' in text
        content = decode_json(text)
        location = content["data"] if told.raw is not None else content
        assert location["name"] is None
        assert location["evses"][0]["status_schedule"] == {**SCHEDULE[0], "period_end": None}
    assert spoken_reply(Reply(raw=raw), read, PLAIN).raw is raw


def test_each_object_of_a_list_is_in_the_reader_s_dialect() -> None:
    told = spoken_reply(Reply(data=b'[{"id":"L1"},{"id":"L2"}]'), message_of("GET", "sender/locations"), NULLS)
    assert told.data is not None
    assert [(one["id"], one["name"]) for one in decode_json(told.data)] == [("L1", None), ("L2", None)]


def test_a_part_is_read_as_the_part_that_it_is() -> None:
    told = spoken_reply(Reply(data=b'{"uid":"E1"}'), message_of("GET", "sender/locations/L1/E1"), NULLS)
    assert told.data is not None
    content = decode_json(told.data)
    assert content["floor_level"] is None
    assert "address" not in content


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        pytest.param(
            message_of("GET", "sender/locations/L1"), Reply(2003, raw=b'{"status_code":2003}'), id="a refusal"
        ),
        pytest.param(
            message_of("PUT", f"receiver/locations/{AT}/L1", content={}),
            Reply(raw=b'{"status_code":1000}'),
            id="the answer to a push",
        ),
        pytest.param(
            message_of("POST", "sender/tokens/U1/authorize"),
            Reply(raw=b'{"status_code":1000,"data":{"allowed":"ALLOWED"}}'),
            id="an authorization",
        ),
    ],
)
def test_an_answer_that_holds_no_object_goes_back_as_it_came(message: Message, reply: Reply) -> None:
    assert spoken_reply(reply, message, NULLS) is reply


@pytest.mark.parametrize("raw", [b'{"status_code":1000}', b'{"status_code":1000,"data":null}'])
def test_an_answer_without_data_gets_none(raw: bytes) -> None:
    told = spoken_reply(Reply(raw=raw), message_of("GET", "sender/locations/L1"), NULLS)
    assert told.raw is not None
    assert decode_json(told.raw) == decode_json(raw)


# --- answers of a partner -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "heard"),
    [
        pytest.param(
            b'{"data":[{"id":"L1"}],"status_code":1000}', {"status_code": 1000, "data": {"id": "L1"}}, id="one"
        ),
        pytest.param(b'{"data" : [ ],"status_code":1000}', {"status_code": 1000}, id="none"),
        pytest.param(
            b'{"data":[1.10],"status_code":1000}', {"status_code": 1000, "data": Decimal("1.10")}, id="a number"
        ),
        pytest.param(
            b'{"data":[{"result":"REJECTED"}],"status_code":2003,"status_message":"no"}',
            {"status_code": 2003, "status_message": "no", "data": {"result": "REJECTED"}},
            id="in a refusal",
        ),
    ],
)
def test_a_single_object_is_taken_out_of_the_list_around_it(body: bytes, heard: Any) -> None:
    assert decode_json(heard_body(body, PLAIN, Purpose.READ)) == heard


def test_what_is_taken_out_keeps_the_text_of_its_numbers() -> None:
    """Y-07."""
    assert b'"kwh":1.100' in heard_body(b'{"status_code":1000,"data":[{"kwh":1.100}]}', PLAIN, Purpose.READ)


@pytest.mark.parametrize(
    ("body", "quirks", "purpose"),
    [
        pytest.param(b'{"data":[{}],"status_code":1000}', PLAIN, Purpose.LIST, id="a list that was asked for"),
        pytest.param(b'{"data":[{}],"status_code":1000}', Quirks(unwrap=False), Purpose.READ, id="not to be touched"),
        pytest.param(b'{"data":[{}, {}],"status_code":1000}', PLAIN, Purpose.READ, id="two objects"),
        pytest.param(b'{"data": {"id":"L1"},"status_code":1000}', PLAIN, Purpose.READ, id="an object"),
        pytest.param(b'{"data":{"data":[1]},"status_code":1000}', PLAIN, Purpose.READ, id="a list further down"),
        pytest.param(b'{"data":[{}],"status_code":1000}', PLAIN, Purpose.REPLACE, id="T-15 the answer to a push"),
        pytest.param(b'{"data":[{}]}', PLAIN, Purpose.READ, id="no envelope"),
        pytest.param(b'<html>"data":[', PLAIN, Purpose.READ, id="no JSON"),
        pytest.param(b"", PLAIN, Purpose.REPLACE, id="nothing"),
    ],
)
def test_any_other_answer_is_heard_as_it_came(body: bytes, quirks: Quirks, purpose: Purpose) -> None:
    assert heard_body(body, quirks, purpose) is body


# --- pages ----------------------------------------------------------------------------------------------

FIRST = "https://p.example/locations?date_from=2026-01-01T00:00:00Z&limit=2"
REBUILD = Quirks(links="rebuild")


def page(objects: int) -> bytes:
    return encode_json({"status_code": 1000, "data": [{}] * objects})


def headers(total: int | None = None, limit: int | None = None, link: str | None = None) -> dict[str, str]:
    found = {"x-total-count": total, "x-limit": limit, "link": link}
    return {name: str(value) for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("requested", "told", "objects", "following"),
    [
        pytest.param(
            FIRST,
            headers(5, 2),
            2,
            "https://p.example/locations?date_from=2026-01-01T00:00:00Z&offset=2&limit=2",
            id="with the dates of the request",
        ),
        pytest.param(
            "https://p.example/l?offset=2&limit=2", headers(5, 2), 2, "https://p.example/l?offset=4&limit=2", id="on"
        ),
        pytest.param("https://p.example/l?offset=4&limit=2", headers(5, 2), 1, None, id="the last page"),
        pytest.param("https://p.example/l?limit=2", headers(2, 2), 2, None, id="just full"),
        pytest.param(
            "https://p.example/l", headers(5, 2), 2, "https://p.example/l?offset=2&limit=2", id="its own limit"
        ),
        pytest.param("https://p.example/l", headers(5), 2, "https://p.example/l?offset=2&limit=2", id="what it showed"),
        pytest.param(
            "https://p.example/l?limit=50",
            headers(120, 100),
            50,
            "https://p.example/l?offset=50&limit=50",
            id="X-27 a limit that is not the size of the page",
        ),
        pytest.param(
            "https://p.example/l?limit=50",
            headers(120, 10),
            10,
            "https://p.example/l?offset=10&limit=50",
            id="a small cap",
        ),
        pytest.param("https://p.example/l?limit=2", headers(limit=2), 2, None, id="it does not say how many"),
        pytest.param("https://p.example/l?limit=2", headers(5, 2), 0, None, id="an empty page ends it"),
        pytest.param(
            "https://p.example/l?k=%20&k=", headers(5, 2), 2, "https://p.example/l?k=+&k=&offset=2&limit=2", id="more"
        ),
    ],
)
def test_the_next_page_is_counted_on(requested: str, told: dict[str, str], objects: int, following: str | None) -> None:
    assert counted_on(requested, told, page(objects)) == following


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data":{}}', b'{"data":null}'])
def test_an_answer_that_is_no_page_has_no_next_one(body: bytes) -> None:
    assert counted_on(FIRST, headers(5, 2), body) is None


@pytest.mark.parametrize(
    ("link", "quirks", "following"),
    [
        pytest.param('<https://p.example/l?c=1>; rel="next"', PLAIN, "https://p.example/l?c=1", id="P-14 followed"),
        pytest.param("</l?c=1>; rel=next", PLAIN, "https://p.example/l?c=1", id="X-26 relative"),
        pytest.param(None, PLAIN, None, id="none: the last page, whatever the total says"),
        pytest.param("", PLAIN, None, id="empty: the last page"),
        pytest.param('<https://q.example/l?c=1>; rel="next"', PLAIN, "counted", id="R-08 another host"),
        pytest.param('<http://p.example/l?c=1>; rel="next"', PLAIN, "counted", id="R-08 another scheme"),
        pytest.param('<https://p.example:8443/l>; rel="next"', PLAIN, "counted", id="R-08 another port"),
        pytest.param(
            '<https://p.example@q.example/l>; rel="next"', PLAIN, "counted", id="R-08 a user that looks like it"
        ),
        pytest.param('<https://p.example/l?c=1>; rel="next"', REBUILD, "counted", id="its Links are of no use"),
        pytest.param("", REBUILD, "counted", id="it has no Links"),
    ],
)
def test_a_link_is_followed_to_the_partner_itself_only(link: str | None, quirks: Quirks, following: str | None) -> None:
    counted = "https://p.example/locations?date_from=2026-01-01T00:00:00Z&offset=2&limit=2"
    expected = counted if following == "counted" else following
    assert next_page_url(FIRST, headers(5, 2, link), page(2), quirks) == expected


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        pytest.param("https://p.example/a?b#c", "https://p.example/d", True, id="paths do not matter"),
        pytest.param("https://p.example", "http://p.example", False, id="scheme"),
        pytest.param("https://p.example", "https://p.example.q", False, id="host"),
        pytest.param("https://p.example", "https://p.example:444", False, id="port"),
        pytest.param("https://p.example", "https://u@p.example", False, id="user"),
    ],
)
def test_a_server_is_a_scheme_a_host_and_a_port(one: str, other: str, is_same: bool) -> None:
    assert is_same_server(one, other) is is_same
    assert is_same_server(other, one) is is_same
