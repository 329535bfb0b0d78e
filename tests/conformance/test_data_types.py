"""Data types and general validation, from outside: section 11 of the checklist (Y-01 to Y-11)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from hub.demo.faults import Seen
from hub.demo.party import DemoPlatform, role
from ocpi_modules.headers import authorization
from ocpi_modules.parties import Party
from tests.conformance.answers import result_of
from tests.conftest import HUB, World, loopback_client
from tests.ocpi_modules.test_objects import MISSING, changed
from tests.web.conftest import CP1, MS1, Bench

Object = dict[str, Any]
Make = Callable[..., Object]

CREATED, UPDATED, REFUSED = (201, 1000), (200, 1000), (200, 2001)

MODULE_OF = {
    "location": "locations",
    "session": "sessions",
    "cdr": "cdrs",
    "credit_cdr": "cdrs",
    "tariff": "tariffs",
    "token": "tokens",
}
KINDS = ("location", "session", "cdr", "tariff", "token")

LOOKS_LIKE_A_TIME = re.compile(r"^\d{4}-\d\d?-\d\d?[T ]")
IS_A_DATETIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z?$")


@pytest.fixture
def make(example: Make, unique: Callable[[str], str]) -> Make:
    """A good object of a party of the bench under an id of its own, one of its values changed: ``make("session", "kwh", 3)``.

    Sessions and CDRs are for NL/MS1, tokens are its own, the rest is DE/CP1's.
    """

    def made(name: str, path: str = "", value: Any = None) -> Object:
        owner = MS1 if name == "token" else CP1
        content = example(name, country_code=owner.country_code, party_id=owner.party_id)
        content[key_of(name)] = unique(name)
        if "cdr_token" in content:
            content["cdr_token"] |= {"country_code": MS1.country_code, "party_id": MS1.party_id}
        return changed(content, path, value) if path else content

    return made


def key_of(name: str) -> str:
    return "uid" if name == "token" else "id"


def owner_of(bench: Bench, name: str) -> tuple[DemoPlatform, Party]:
    return (bench.p3, MS1) if name == "token" else (bench.p1, CP1)


def takers(bench: Bench, name: str) -> tuple[DemoPlatform, ...]:
    """Who gets to hear of a good one that the hub is told of."""
    if name == "token":
        return (bench.p1, bench.p2)
    return (bench.p3,) if MODULE_OF[name] in {"sessions", "cdrs"} else bench.everybody[1:]


def url_of(name: str, object_id: str) -> str:
    owner = MS1 if name == "token" else CP1
    return f"receiver/{MODULE_OF[name]}/{owner}/{quote(object_id, safe='')}"


async def push(bench: Bench, name: str, content: Any, *, receiver: Party = HUB, object_id: str = "") -> httpx.Response:
    """PUT the object, or POST the CDR; `content` may be bytes, under this id then."""
    platform, owner = owner_of(bench, name)
    if MODULE_OF[name] == "cdrs":
        return await bench.send(platform, "POST", "receiver/cdrs", sender=owner, receiver=receiver, content=content)
    url = url_of(name, object_id or content[key_of(name)])
    return await bench.send(platform, "PUT", url, sender=owner, receiver=receiver, content=content)


async def read(bench: Bench, name: str, object_id: str) -> httpx.Response:
    """The hub's copy, as its owner reads it."""
    platform, owner = owner_of(bench, name)
    return await bench.send(platform, "GET", url_of(name, object_id), sender=owner, receiver=HUB)


def about(object_id: str) -> Callable[[Seen], bool]:
    """Whether a request speaks of this object, in its URL or in its body."""
    in_url, in_body = quote(object_id, safe=""), json.dumps(object_id).encode()
    return lambda seen: in_url in seen.path or in_body in seen.body


def heard_of(bench: Bench, object_id: str) -> list[Seen]:
    return [seen for platform in bench.everybody for seen in platform.seen if about(object_id)(seen)]


async def until_all_is_delivered(bench: Bench, make: Make, name: str) -> None:
    """What was told to the hub before has arrived wherever it was to arrive: messages to one party keep their order."""
    good = make(name)
    assert result_of(await push(bench, name, good)) == CREATED
    for platform in takers(bench, name):
        await platform.wait_until_seen(about(good[key_of(name)]))


async def assert_refused(bench: Bench, make: Make, name: str, content: Object, *, object_id: str = "") -> None:
    """E2001: HTTP 200 with 2001 and a reason; nothing is stored, nothing is sent."""
    object_id = object_id or content[key_of(name)]
    answer = await push(bench, name, content, object_id=object_id)
    assert result_of(answer) == REFUSED
    assert answer.json()["status_message"]
    assert answer.json().get("data") is None
    assert result_of(await read(bench, name, object_id)) != UPDATED
    await until_all_is_delivered(bench, make, name)
    assert heard_of(bench, object_id) == []


async def listed(bench: Bench, query: str = "") -> set[str]:
    """The ids of all Locations that NL/MS1 gets from the hub, page by page."""
    found: list[str] = []
    path = f"sender/locations?limit=100&{query}"
    while path:
        answer = await bench.send(bench.p3, "GET", path, sender=MS1, receiver=HUB)
        assert result_of(answer) == UPDATED
        found += [location["id"] for location in answer.json()["data"]]
        path = answer.headers.get("link", "").partition("/ocpi/2.2.1/")[2].partition(">")[0]
    assert len(found) == len(set(found))
    return set(found)


def exactly(text: str | bytes) -> Any:
    """JSON with every number as it is written; whole ones are Decimal too."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


# --- DateTime -------------------------------------------------------------------------------------


@pytest.fixture
def clock_far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine of the hub stands where local time is fourteen hours ahead of UTC."""
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.proves("Y-01")
@pytest.mark.usefixtures("clock_far_from_utc")
@pytest.mark.parametrize(
    ("written", "moment", "just_after"),
    [
        pytest.param("2031-06-29T20:39:09Z", "2031-06-29T20:39:09Z", "2031-06-29T20:39:09.001Z", id="with Z"),
        pytest.param("2031-06-29T20:39:09", "2031-06-29T20:39:09Z", "2031-06-29T20:39:09.001Z", id="without Z"),
        pytest.param(
            "2031-06-29T20:39:09.2Z", "2031-06-29T20:39:09.200Z", "2031-06-29T20:39:09.201Z", id="one decimal"
        ),
        pytest.param(
            "2031-06-29T20:39:09.12Z", "2031-06-29T20:39:09.120Z", "2031-06-29T20:39:09.121Z", id="two decimals"
        ),
        pytest.param(
            "2031-06-29T20:39:09.123", "2031-06-29T20:39:09.123Z", "2031-06-29T20:39:09.124Z", id="three, no Z"
        ),
    ],
)
async def test_a_datetime_is_the_same_moment_in_utc_with_or_without_z_and_fraction(
    shared: Bench, make: Make, written: str, moment: str, just_after: str
) -> None:
    location = make("location", "last_updated", written)
    assert result_of(await push(shared, "location", location)) == CREATED
    assert location["id"] in await listed(shared, f"date_from={moment}&date_to={just_after}")
    assert location["id"] not in await listed(shared, f"date_from={just_after}&date_to=2031-07-01T00:00:00Z")
    assert location["id"] not in await listed(shared, f"date_from=2031-06-01T00:00:00Z&date_to={moment}")
    assert location["id"] in await listed(shared, f"date_from={written}&date_to={just_after.removesuffix('Z')}")
    (seen,) = await shared.p3.wait_until_seen(about(location["id"]))
    assert seen.content["last_updated"] == written


@pytest.mark.proves("Y-02")
@pytest.mark.parametrize(
    ("name", "path", "written"),
    [
        pytest.param("location", "last_updated", "2019-01-01T10:00:00+02:00", id="an offset"),
        pytest.param("location", "last_updated", "2019-01-01T10:00:00-05:00", id="an offset to the west"),
        pytest.param("location", "last_updated", "2019-01-01T10:00:00+00:00", id="an offset of nothing"),
        pytest.param("location", "last_updated", "2019-01-01", id="a date alone"),
        pytest.param("location", "last_updated", "2019-01-01 10:00:00Z", id="a blank for the T"),
        pytest.param("location", "last_updated", "", id="nothing"),
        pytest.param("location", "last_updated", " ", id="a blank"),
        pytest.param("location", "last_updated", "2019-02-30T10:00:00Z", id="a day that does not exist"),
        pytest.param("location", "last_updated", 1546336800, id="seconds since 1970"),
        pytest.param("location", "evses.0.last_updated", "2019-01-01T10:00:00+02:00", id="an EVSE with an offset"),
        pytest.param("session", "start_date_time", "2019-01-01T10:00:00+00:00", id="a session with an offset"),
        pytest.param("cdr", "end_date_time", "2019-01-01T10:00:00+02:00", id="a CDR with an offset"),
        pytest.param("tariff", "end_date_time", "2019-01-01", id="a tariff that ends on a date"),
        pytest.param("token", "last_updated", "2019-01-01T10:00:00+01:00", id="a token with an offset"),
    ],
)
async def test_what_is_no_datetime_of_ocpi_is_refused(
    shared: Bench, make: Make, name: str, path: str, written: Any
) -> None:
    await assert_refused(shared, make, name, make(name, path, written))


def times_in(value: Any) -> list[str]:
    """Every text in a JSON value that is a date with a time, however it is written."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in times_in(item)]
    if isinstance(value, list):
        return [text for item in value for text in times_in(item)]
    return [value] if isinstance(value, str) and LOOKS_LIKE_A_TIME.match(value) else []


def assert_times_are_ocpi(content: Any) -> None:
    times = times_in(content)
    assert times, "a timestamp at least"
    assert [text for text in times if not IS_A_DATETIME.match(text) or len(text) > 25] == []


@pytest.mark.proves("Y-03")
async def test_every_answer_of_the_hub_writes_its_times_with_z_and_at_most_milliseconds(
    shared: Bench, make: Make
) -> None:
    made = {name: make(name) for name in KINDS}
    answers = [await push(shared, name, content) for name, content in made.items()]
    answers += [await read(shared, name, content[key_of(name)]) for name, content in made.items()]
    evse = f"{url_of('location', made['location']['id'])}/{made['location']['evses'][0]['uid']}"
    patched = {"status": "CHARGING", "last_updated": "2031-01-01T00:00:00.5Z"}
    answers.append(await shared.send(shared.p1, "PATCH", evse, sender=CP1, receiver=HUB, content=patched))
    answers += [
        await shared.send(shared.p3, "GET", f"sender/{module}", sender=MS1, receiver=receiver)
        for module, receiver in [(module, HUB) for module in sorted(set(MODULE_OF.values()))] + [("locations", CP1)]
    ]
    for path in ("sender/hubclientinfo", "credentials", "nothing", evse, "sender/locations?limit=x", "../versions", ""):
        answers.append(await shared.send(shared.p3, "GET", path, sender=MS1, receiver=HUB))
    answers.append(await shared.send(shared.p1, "DELETE", evse, sender=CP1, receiver=HUB))
    answers.append(await shared.send(shared.p1, "PUT", evse, sender=CP1, receiver=HUB, content=b"{"))
    answers.append(await shared.send(shared.p1, "GET", evse, headers={"Authorization": "Token bm9wZQ=="}))
    answers.append(await shared.send(shared.p1, "GET", "sender/locations", sender=CP1, receiver=Party("ZZ", "ZZZ")))
    assert {answer.status_code for answer in answers} == {200, 201, 400, 401, 404, 405}
    for answer in answers:
        assert answer.json()["timestamp"].endswith("Z")
        assert_times_are_ocpi(answer.json())
    for path in ("/admin/partners", "/admin/invitations"):
        assert_times_are_ocpi((await shared.world.admin.get(path)).json())


@pytest.mark.proves("Y-03")
async def test_what_the_hub_itself_tells_its_partners_has_such_times_too(world: World) -> None:
    first = await world.join("P1", ("CPO", "DE/CP1"))
    await world.join("P3", ("EMSP", "NL/MS1"))
    seen = await first.wait_until_seen(lambda seen: seen.module_id == "hubclientinfo" and seen.method == "PUT")
    assert {entry.content["party_id"] for entry in seen} == {"MS1"}
    for entry in seen:
        assert entry.content["last_updated"].endswith("Z")
        assert_times_are_ocpi(entry.content)


# --- CiString and string --------------------------------------------------------------------------


@pytest.mark.proves("Y-04")
async def test_an_id_in_another_case_is_the_same_object_and_keeps_its_spelling(shared: Bench, make: Make) -> None:
    location = make("location")
    written, other = location["id"].upper(), location["id"].lower()
    evse, connector = "Evse-Ab", "Conn-Xy"
    location = {**location, "id": written, "last_updated": "2026-01-15T07:00:00Z"}
    location["evses"][0]["uid"] = evse
    location["evses"][0]["connectors"][0]["id"] = connector
    before = await listed(shared)
    assert result_of(await push(shared, "location", location)) == CREATED
    assert result_of(await push(shared, "location", location, object_id=other)) == UPDATED
    for path in (f"DE/CP1/{written}", f"DE/CP1/{other}", f"de/cp1/{other}", f"De/cP1/{other.capitalize()}"):
        for part, found in (("", location), (f"/{evse.upper()}", location["evses"][0])):
            answer = await shared.send(shared.p1, "GET", f"receiver/locations/{path}{part}", sender=CP1, receiver=HUB)
            assert answer.json()["data"] == found
    deep = f"{other}/{evse.lower()}/{connector.swapcase()}"
    fields = {"max_amperage": 63, "last_updated": "2026-01-15T08:00:00Z"}
    patched = await shared.send(
        shared.p1, "PATCH", f"receiver/locations/de/cp1/{deep}", sender=CP1, receiver=HUB, content=fields
    )
    assert result_of(patched) == UPDATED
    answer = await shared.send(shared.p3, "GET", f"sender/locations/{deep}", sender=MS1, receiver=HUB)
    assert (answer.json()["data"]["id"], answer.json()["data"]["max_amperage"]) == (connector, 63)
    whole = (await read(shared, "location", other)).json()["data"]
    assert (whole["id"], [one["uid"] for one in whole["evses"]]) == (written, [evse, location["evses"][1]["uid"]])
    assert await listed(shared) - before == {written}


@pytest.mark.proves("Y-04")
async def test_the_case_of_parties_and_uids_makes_no_difference(shared: Bench, make: Make) -> None:
    token = make("token", "last_updated", "2034-04-05T06:07:08Z")
    uid = token["uid"]
    assert result_of(await push(shared, "token", token)) == CREATED
    again = {**token, "uid": uid.upper(), "country_code": "nl", "party_id": "ms1"}
    headers = {"OCPI-from-country-code": "nl", "OCPI-from-party-id": "Ms1", "OCPI-to-country-code": "nL"}
    headers["OCPI-to-party-id"] = "hub"
    url = f"receiver/tokens/nl/mS1/{uid.swapcase()}"
    assert result_of(await shared.send(shared.p3, "PUT", url, headers=headers, content=again)) == UPDATED
    answer = await shared.send(
        shared.p1, "GET", "sender/tokens?date_from=2034-04-05T06:07:08Z", sender=CP1, receiver=HUB
    )
    assert len([one for one in answer.json()["data"] if one["uid"].lower() == uid.lower()]) == 1


@pytest.mark.proves("Y-04")
@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        pytest.param("location", "id", "Köln-1", id="the id of a location"),
        pytest.param("location", "id", "A\tB", id="a tab"),
        pytest.param("location", "evses.0.uid", "Säule", id="the uid of an EVSE"),
        pytest.param("location", "evses.0.connectors.0.id", "№1", id="the id of a connector"),
        pytest.param("session", "authorization_reference", "référence", id="a reference"),
        pytest.param("cdr", "id", "CDR–1", id="the id of a CDR"),
        pytest.param("token", "uid", "漢字", id="the uid of a token"),
    ],
)
async def test_an_id_that_is_not_printable_ascii_is_refused(
    shared: Bench, make: Make, name: str, path: str, value: str
) -> None:
    await assert_refused(shared, make, name, make(name, path, value))


@pytest.mark.proves("Y-05")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("é" * 255, id="255 letters of two bytes"),
        pytest.param("🔌" * 255, id="255 signs of four bytes"),
        pytest.param("Straße — “Köln”", id="beyond ASCII"),
    ],
)
async def test_a_string_is_counted_in_characters_and_kept_as_it_is_written(
    shared: Bench, make: Make, name: str
) -> None:
    location = make("location", "name", name)
    assert result_of(await push(shared, "location", location)) == CREATED
    assert (await read(shared, "location", location["id"])).json()["data"]["name"] == name
    swapped = {**location, "name": name.swapcase()}
    assert result_of(await push(shared, "location", swapped)) == UPDATED
    assert (await read(shared, "location", location["id"])).json()["data"]["name"] == name.swapcase()


@pytest.mark.proves("Y-05")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("é" * 256, id="256 characters"),
        pytest.param("Springweg\n2", id="a line feed"),
        pytest.param("Springweg\r2", id="a carriage return"),
        pytest.param("Springweg\t2", id="a tab"),
        pytest.param("Springweg\u00002", id="a NUL"),
    ],
)
async def test_a_string_that_is_too_long_or_not_printable_is_refused(shared: Bench, make: Make, name: str) -> None:
    await assert_refused(shared, make, "location", make("location", "name", name))


# --- enumerations ---------------------------------------------------------------------------------


@pytest.mark.proves("Y-06")
@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        pytest.param("location", "evses.0.status", "available", id="status of an EVSE"),
        pytest.param("location", "evses.0.capabilities.0", "Rfid_Reader", id="capability"),
        pytest.param("location", "evses.0.connectors.0.standard", "iec_62196_t2", id="standard of a connector"),
        pytest.param("location", "evses.0.connectors.0.standard", "IEC_60309_2_SINGLE_16", id="a value in both cases"),
        pytest.param("location", "evses.0.connectors.0.format", "Socket", id="format of a connector"),
        pytest.param("location", "evses.0.connectors.0.power_type", "dc", id="kind of current"),
        pytest.param("location", "facilities.0", "hotel", id="facility"),
        pytest.param("location", "parking_type", "on_street", id="kind of parking"),
        pytest.param("session", "status", "active", id="status of a session"),
        pytest.param("session", "auth_method", "whitelist", id="method of authorisation"),
        pytest.param("session", "cdr_token.type", "rfid", id="type of the token of a session"),
        pytest.param("cdr", "charging_periods.0.dimensions.0.type", "energy", id="dimension"),
        pytest.param("tariff", "type", "regular", id="type of a tariff"),
        pytest.param("tariff", "elements.2.price_components.0.type", "Energy", id="what is priced"),
        pytest.param("tariff", "elements.1.restrictions.day_of_week.0", "Monday", id="day of the week"),
        pytest.param("token", "whitelist", "always", id="whitelist of a token"),
        pytest.param("token", "type", "Rfid", id="type of a token"),
    ],
)
async def test_an_enum_value_in_another_case_is_refused(
    shared: Bench, make: Make, name: str, path: str, value: str
) -> None:
    await assert_refused(shared, make, name, make(name, path, value))


def value_at(content: Any, path: str) -> Any:
    for step in path.split("."):
        content = content[int(step) if step.isdigit() else step]
    return content


@pytest.mark.proves("X-44")
@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("location", "evses.0.capabilities.0", id="capability"),
        pytest.param("location", "evses.0.connectors.0.standard", id="standard of a connector"),
        pytest.param("location", "evses.0.connectors.0.format", id="format of a connector"),
        pytest.param("location", "evses.0.connectors.0.power_type", id="kind of current"),
        pytest.param("location", "evses.0.parking_restrictions.0", id="parking restriction"),
        pytest.param("location", "facilities.0", id="facility"),
        pytest.param("location", "parking_type", id="kind of parking"),
        pytest.param("location", "images.0.category", id="kind of image"),
        pytest.param("location", "energy_mix.energy_sources.0.source", id="source of energy"),
        pytest.param("session", "auth_method", id="method of authorisation of a session"),
        pytest.param("session", "charging_periods.0.dimensions.0.type", id="dimension of a session"),
        pytest.param("cdr", "charging_periods.0.dimensions.0.type", id="dimension of a CDR"),
        pytest.param("tariff", "type", id="type of a tariff"),
        pytest.param("tariff", "elements.2.price_components.0.type", id="what is priced"),
        pytest.param("token", "default_profile_type", id="profile of a token"),
    ],
)
async def test_an_unknown_value_of_a_descriptive_enum_is_kept_and_passed_on(
    shared: Bench, make: Make, name: str, path: str
) -> None:
    content = make(name, path, "SOMETHING_NEW")
    object_id = content[key_of(name)]
    assert result_of(await push(shared, name, content)) == CREATED
    stored = (await read(shared, name, object_id)).json()["data"]
    assert value_at(stored, path) == "SOMETHING_NEW"
    for platform in takers(shared, name):
        (seen,) = await platform.wait_until_seen(about(object_id))
        assert value_at(seen.content, path) == "SOMETHING_NEW"


@pytest.mark.proves("X-44")
@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("location", "evses.0.status", id="status of an EVSE"),
        pytest.param("session", "status", id="status of a session"),
        pytest.param("token", "whitelist", id="whitelist of a token"),
        pytest.param("token", "type", id="type of a token"),
    ],
)
async def test_an_unknown_value_of_an_enum_that_is_acted_on_is_refused(
    shared: Bench, make: Make, name: str, path: str
) -> None:
    await assert_refused(shared, make, name, make(name, path, "SOMETHING_NEW"))


@pytest.mark.proves("X-44", "Y-06", "Y-08")
async def test_roles_that_nobody_knows_and_no_roles_at_all_are_refused_and_register_nobody(world: World) -> None:
    platform = await world.platform("P3", ("EMSP", "NL/MS1"))
    invited = await world.invite([role("EMSP", "NL/MS1")])
    good = platform.credentials(platform.invite())
    sent = {"Authorization": authorization(invited), "Content-Type": "application/json"}
    url = f"{world.url}/ocpi/2.2.1/credentials"
    async with loopback_client() as http:
        for roles in ([{**good["roles"][0], "role": "WIZARD"}], [{**good["roles"][0], "role": "emsp"}], [], None):
            answer = await http.post(url, headers=sent, json={**good, "roles": roles})
            assert result_of(answer) == REFUSED
        assert list(platform.seen) == []
        assert (await world.admin.get("/admin/partners")).json() == []
        assert result_of(await http.post(url, headers=sent, json=good)) == UPDATED


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.proves("Y-07")
@pytest.mark.parametrize("number", ["12.3456", "0.00015", "-7.1", "1234567.1234567", "3", "2.5000", "1.5e2"])
async def test_a_number_keeps_all_its_decimals_wherever_it_comes_out(shared: Bench, make: Make, number: str) -> None:
    session = make("session", "kwh", "NUMBER")
    session["total_cost"]["excl_vat"] = "NUMBER"
    object_id, value = session["id"], Decimal(number)
    body = json.dumps(session).replace('"NUMBER"', number).encode()
    assert result_of(await push(shared, "session", body, object_id=object_id)) == CREATED
    (seen,) = await shared.p3.wait_until_seen(about(object_id))
    fields = {"status": "ACTIVE", "last_updated": "2031-01-01T00:00:00Z"}
    url = url_of("session", object_id)
    stored = await read(shared, "session", object_id)
    assert result_of(await shared.send(shared.p1, "PATCH", url, sender=CP1, receiver=HUB, content=fields)) == UPDATED
    patched = await read(shared, "session", object_id)
    page = await shared.send(
        shared.p3, "GET", "sender/sessions?limit=100&date_from=2031-01-01T00:00:00Z", sender=MS1, receiver=HUB
    )
    (entry,) = [one for one in exactly(page.text)["data"] if one["id"] == object_id]
    assert (patched.json()["data"]["status"], entry["status"]) == ("ACTIVE", "ACTIVE")
    for content in (exactly(seen.body), exactly(stored.text)["data"], exactly(patched.text)["data"], entry):
        for found in (content["kwh"], content["total_cost"]["excl_vat"]):
            assert (type(found), found) == (Decimal, value)


@pytest.mark.proves("Y-07")
@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        pytest.param("session", "kwh", "12.3", id="energy as text"),
        pytest.param("session", "charging_periods.0.dimensions.0.volume", "1", id="a volume as text"),
        pytest.param("session", "kwh", True, id="energy as a boolean"),
        pytest.param("cdr", "total_energy", "14.25", id="total energy as text"),
        pytest.param("cdr", "total_cost.excl_vat", "4.95", id="an amount as text"),
        pytest.param("tariff", "elements.2.price_components.0.price", "0.3475", id="a price as text"),
        pytest.param("tariff", "elements.2.price_components.0.step_size", 1.5, id="a step with decimals"),
        pytest.param("location", "evses.0.connectors.0.max_voltage", "230", id="volts as text"),
        pytest.param("location", "evses.0.connectors.0.max_amperage", 32.5, id="amperes with decimals"),
    ],
)
async def test_a_number_that_is_no_json_number_of_its_kind_is_refused(
    shared: Bench, make: Make, name: str, path: str, value: Any
) -> None:
    await assert_refused(shared, make, name, make(name, path, value))


# --- null, nothing, and empty lists ---------------------------------------------------------------

NOTHING = [pytest.param(None, id="null"), pytest.param(MISSING, id="omitted"), pytest.param([], id="empty")]


@pytest.mark.proves("Y-08")
@pytest.mark.parametrize("value", NOTHING[:2])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("location", "name", id="name of a location"),
        pytest.param("location", "opening_times", id="opening times"),
        pytest.param("location", "charging_when_closed", id="a boolean with a default"),
        pytest.param("location", "evses.0.evse_id", id="id of an EVSE"),
        pytest.param("session", "end_date_time", id="end of a session"),
        pytest.param("session", "total_cost", id="cost of a session"),
        pytest.param("cdr", "credit", id="credit of a CDR"),
        pytest.param("cdr", "credit_reference_id", id="reference of a CDR"),
        pytest.param("cdr", "signed_data", id="signed data"),
        pytest.param("tariff", "elements.2.price_components.0.vat", id="VAT"),
        pytest.param("tariff", "elements.0.restrictions", id="restrictions"),
        pytest.param("token", "energy_contract", id="energy contract"),
    ],
)
async def test_an_optional_field_may_be_null_or_absent(
    shared: Bench, make: Make, name: str, path: str, value: Any
) -> None:
    content = make(name)
    parent, _, field = path.rpartition(".")
    (value_at(content, parent) if parent else content).setdefault(field, None)
    content = changed(content, path, value)
    assert result_of(await push(shared, name, content)) == CREATED
    stored = (await read(shared, name, content[key_of(name)])).json()["data"]
    assert (value_at(stored, parent) if parent else stored).get(field) is None


@pytest.mark.proves("Y-08")
@pytest.mark.parametrize("value", NOTHING)
@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("location", "evses", id="EVSEs"),
        pytest.param("location", "facilities", id="facilities"),
        pytest.param("location", "evses.0.capabilities", id="capabilities"),
        pytest.param("location", "evses.0.connectors.0.tariff_ids", id="tariffs of a connector"),
        pytest.param("session", "charging_periods", id="periods of a session"),
        pytest.param("cdr", "tariffs", id="tariffs of a CDR"),
        pytest.param("tariff", "tariff_alt_text", id="texts of a tariff"),
    ],
)
async def test_an_optional_list_may_be_null_empty_or_absent(
    shared: Bench, make: Make, name: str, path: str, value: Any
) -> None:
    content = make(name, path, value)
    assert result_of(await push(shared, name, content)) == CREATED
    stored = (await read(shared, name, content[key_of(name)])).json()["data"]
    parent, _, field = path.rpartition(".")
    assert not (value_at(stored, parent) if parent else stored).get(field)


@pytest.mark.proves("Y-08")
@pytest.mark.parametrize("value", NOTHING)
async def test_null_and_empty_lists_mean_what_absence_means(shared: Bench, make: Make, value: Any) -> None:
    """A period is added to no periods, an EVSE to no EVSEs; nobody in particular is allowed to see what is published."""
    session, location = make("session", "charging_periods", value), make("location", "evses", value)
    (evse, _), (period, _) = make("location")["evses"], make("session")["charging_periods"]
    location["publish_allowed_to"] = None
    location = changed(location, "publish_allowed_to", value)
    assert result_of(await push(shared, "session", session)) == CREATED
    fields = {"charging_periods": [period], "last_updated": "2031-01-01T00:00:00Z"}
    url = url_of("session", session["id"])
    assert result_of(await shared.send(shared.p1, "PATCH", url, sender=CP1, receiver=HUB, content=fields)) == UPDATED
    assert (await read(shared, "session", session["id"])).json()["data"]["charging_periods"] == [period]
    assert result_of(await push(shared, "location", location)) == CREATED
    url = f"{url_of('location', location['id'])}/{evse['uid']}"
    assert result_of(await shared.send(shared.p1, "PUT", url, sender=CP1, receiver=HUB, content=evse)) == CREATED
    assert (await read(shared, "location", location["id"])).json()["data"]["evses"] == [evse]


@pytest.mark.proves("Y-08")
@pytest.mark.parametrize("value", NOTHING)
@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("location", "evses.0.connectors", id="connectors of an EVSE"),
        pytest.param("tariff", "elements", id="elements of a tariff"),
        pytest.param("tariff", "elements.0.price_components", id="components of an element"),
        pytest.param("session", "charging_periods.0.dimensions", id="dimensions of a period"),
        pytest.param("cdr", "charging_periods", id="periods of a CDR"),
        pytest.param("cdr", "signed_data.signed_values", id="signed values"),
    ],
)
async def test_a_required_list_has_an_element_at_least(
    shared: Bench, make: Make, name: str, path: str, value: Any
) -> None:
    await assert_refused(shared, make, name, make(name, path, value))


# --- lengths --------------------------------------------------------------------------------------

LENGTHS = [
    pytest.param("location", "id", 36, id="id of a location"),
    pytest.param("location", "evses.0.uid", 36, id="uid of an EVSE"),
    pytest.param("location", "evses.0.evse_id", 48, id="evse_id"),
    pytest.param("location", "evses.0.connectors.0.id", 36, id="id of a connector"),
    pytest.param("location", "evses.0.connectors.0.tariff_ids.0", 36, id="id of a tariff at a connector"),
    pytest.param("location", "evses.0.images.0.type", 4, id="type of an image"),
    pytest.param("location", "directions.0.text", 512, id="a text for display"),
    pytest.param("session", "id", 36, id="id of a session"),
    pytest.param("session", "location_id", 36, id="location of a session"),
    pytest.param("session", "evse_uid", 36, id="EVSE of a session"),
    pytest.param("session", "connector_id", 36, id="connector of a session"),
    pytest.param("session", "authorization_reference", 36, id="reference of a session"),
    pytest.param("session", "cdr_token.uid", 36, id="uid in a session"),
    pytest.param("session", "cdr_token.contract_id", 36, id="contract in a session"),
    pytest.param("session", "meter_id", 255, id="meter of a session"),
    pytest.param("cdr", "id", 36, id="id of a CDR"),
    pytest.param("cdr", "session_id", 36, id="session of a CDR"),
    pytest.param("cdr", "cdr_location.evse_id", 48, id="evse_id in a CDR"),
    pytest.param("credit_cdr", "id", 39, id="id of a credit CDR"),
    pytest.param("tariff", "id", 36, id="id of a tariff"),
    pytest.param("token", "uid", 36, id="uid of a token"),
    pytest.param("token", "contract_id", 36, id="contract of a token"),
    pytest.param("token", "group_id", 36, id="group of a token"),
]


@pytest.mark.proves("Y-09")
@pytest.mark.parametrize(("name", "path", "longest"), LENGTHS)
async def test_text_of_the_greatest_length_is_taken_and_one_more_is_not(
    shared: Bench, make: Make, unique: Callable[[str], str], name: str, path: str, longest: int
) -> None:
    longest_text = unique("x").ljust(longest, "x")[-longest:]
    content = make(name, path, longest_text)
    assert result_of(await push(shared, name, content)) == CREATED
    stored = (await read(shared, name, content[key_of(name)])).json()["data"]
    assert value_at(stored, path) == longest_text
    await assert_refused(shared, make, name, make(name, path, unique("y").ljust(longest + 1, "y")[-longest - 1 :]))


@pytest.mark.proves("Y-09")
@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("location", "evses.0.connectors.0.terms_and_conditions", id="terms"),
        pytest.param("location", "images.0.url", id="an image"),
        pytest.param("tariff", "tariff_alt_url", id="text of a tariff"),
    ],
)
async def test_an_url_has_255_characters_at_most(shared: Bench, make: Make, name: str, path: str) -> None:
    url = "https://groep.example/".ljust(255, "x")
    content = make(name, path, url)
    assert result_of(await push(shared, name, content)) == CREATED
    assert value_at((await read(shared, name, content["id"])).json()["data"], path) == url
    await assert_refused(shared, make, name, make(name, path, url + "x"))


@pytest.mark.proves("Y-09")
@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        pytest.param("location", "country_code", "DEU", id="country code of an owner"),
        pytest.param("location", "party_id", "CP11", id="party id of an owner"),
        pytest.param("location", "country", "NLDX", id="country of four letters"),
        pytest.param("location", "country", "NL", id="country of two letters"),
        pytest.param("location", "directions.0.language", "nld", id="language of three letters"),
        pytest.param("location", "directions.0.text", "<b>Naast</b> de lift", id="markup in a text"),
        pytest.param("session", "currency", "EURO", id="currency of a session"),
        pytest.param("session", "cdr_token.country_code", "NLD", id="country code of the eMSP of a session"),
        pytest.param("session", "cdr_token.party_id", "MS11", id="party id of the eMSP of a session"),
        pytest.param("cdr", "currency", "EURO", id="currency of a CDR"),
        pytest.param("cdr", "cdr_location.country", "NLDX", id="country in a CDR"),
        pytest.param("tariff", "currency", "EURO", id="currency of a tariff"),
        pytest.param("token", "language", "deu", id="language of a token"),
        pytest.param("token", "party_id", "MS11", id="party id of an eMSP"),
    ],
)
async def test_codes_have_exactly_their_length_and_texts_no_markup(
    shared: Bench, make: Make, name: str, path: str, value: str
) -> None:
    await assert_refused(shared, make, name, make(name, path, value))


# --- what OCPI does not know ----------------------------------------------------------------------

VENDORS_OWN = {"a": [1, None, {"b": "ü"}]}
NESTED = {
    "location": "evses.0",
    "session": "cdr_token",
    "cdr": "cdr_location",
    "tariff": "elements.0",
    "token": "energy_contract",
}


@pytest.mark.proves("Y-10")
@pytest.mark.parametrize(
    "directly", [pytest.param(False, id="told to the hub"), pytest.param(True, id="told to a party")]
)
@pytest.mark.parametrize("name", KINDS)
async def test_fields_that_ocpi_does_not_know_are_accepted_and_reach_every_receiver(
    shared: Bench, make: Make, name: str, directly: bool
) -> None:
    content = changed(make(name), "x_vendor", VENDORS_OWN)
    content = changed(content, f"{NESTED[name]}.x_inside", "kept")
    platform, party = (shared.p1, CP1) if name == "token" else (shared.p3, MS1)
    object_id = content[key_of(name)]
    assert result_of(await push(shared, name, content, receiver=party if directly else HUB)) == CREATED
    for receiver in (platform,) if directly else takers(shared, name):
        (seen,) = await receiver.wait_until_seen(about(object_id))
        assert json.loads(seen.body) == content
    if not directly:
        assert (await read(shared, name, object_id)).json()["data"] == content


@pytest.mark.proves("Y-10")
async def test_unknown_fields_of_a_patch_are_kept_too(shared: Bench, make: Make) -> None:
    location = make("location")
    assert result_of(await push(shared, "location", location)) == CREATED
    fields = {"x_vendor": VENDORS_OWN, "last_updated": "2031-01-01T00:00:00Z"}
    url = url_of("location", location["id"])
    assert result_of(await shared.send(shared.p1, "PATCH", url, sender=CP1, receiver=HUB, content=fields)) == UPDATED
    seen = await shared.p3.wait_until_seen(about(location["id"]), 2)
    assert seen[1].content == fields
    assert (await read(shared, "location", location["id"])).json()["data"] == {**location, **fields}


# --- #NA ------------------------------------------------------------------------------------------


@pytest.mark.proves("Y-11")
async def test_a_reservation_may_leave_its_evse_and_connector_open(shared: Bench, make: Make) -> None:
    session = make("session") | {"status": "RESERVATION", "evse_uid": "#NA", "connector_id": "#NA"}
    assert result_of(await push(shared, "session", session)) == CREATED
    (seen,) = await shared.p3.wait_until_seen(about(session["id"]))
    assert json.loads(seen.body) == session
    assert (await read(shared, "session", session["id"])).json()["data"] == session


@pytest.mark.proves("Y-11")
@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("session", "kwh", id="a number"),
        pytest.param("session", "status", id="a status"),
        pytest.param("session", "start_date_time", id="a time"),
        pytest.param("session", "cdr_token.type", id="the type of a token"),
        pytest.param("cdr", "total_cost", id="an amount"),
        pytest.param("location", "coordinates.latitude", id="a coordinate"),
    ],
)
async def test_not_available_is_for_strings_only(shared: Bench, make: Make, name: str, path: str) -> None:
    await assert_refused(shared, make, name, make(name, path, "#NA"))
