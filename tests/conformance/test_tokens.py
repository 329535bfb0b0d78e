"""Tokens and authorisation, from outside: section 16 of the checklist (TK-01 to TK-11)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hub.demo.faults import Fault, Seen
from hub.demo.party import DemoPlatform
from ocpi_modules.parties import Party
from tests.conformance.answers import result_of
from tests.conftest import HUB
from tests.ocpi_modules.test_objects import MISSING, changed
from tests.web.conftest import CP1, CP2, MS1, MS2, NS1, OT1, Bench

Object = dict[str, Any]
Named = Callable[[str], str]

CREATED, OK, REFUSED, NOT_THERE = (201, 1000), (200, 1000), (200, 2001), (404, 2004)

LATER = "2031-01-01T00:00:00Z"


@pytest.fixture
def mine(token: Object, unique: Named) -> Object:
    """An RFID token of NL/MS1 under a uid of its own."""
    return {**token, "uid": unique("U")}


async def tell(
    bench: Bench, method: str, uid: str, content: Any = None, *, kind: str = "", receiver: Party | None = HUB
) -> httpx.Response:
    """A request of NL/MS1 to the RECEIVER interface; `kind` is the type in the query, or none there."""
    path = f"receiver/tokens/NL/MS1/{uid}{f'?type={kind}' if kind else ''}"
    return await bench.send(bench.p3, method, path, sender=MS1, receiver=receiver, content=content)


async def stored(bench: Bench, uid: str, *, kind: str = "") -> Any:
    """What the hub keeps, or None."""
    answer = await tell(bench, "GET", uid, kind=kind)
    assert result_of(answer) in {OK, NOT_THERE}
    return answer.json().get("data")


def about(uid: str) -> Callable[[Seen], bool]:
    in_body = json.dumps(uid).encode()
    return lambda seen: seen.module_id == "tokens" and (f"/{uid}" in seen.path or in_body in seen.body)


def heard_of(bench: Bench, uid: str) -> list[Seen]:
    return [seen for platform in bench.everybody for seen in platform.seen if about(uid)(seen)]


async def until_all_is_delivered(bench: Bench, good: Object, unique: Named) -> None:
    """What was told to the hub before has arrived wherever it was to arrive: messages to one party keep their order."""
    last = unique("last")
    assert result_of(await tell(bench, "PUT", last, {**good, "uid": last})) == CREATED
    for platform in (bench.p1, bench.p2):
        await platform.wait_until_seen(about(last))


async def assert_refused(bench: Bench, good: Object, unique: Named, *contents: Any) -> None:
    """PUT of each is E2001: HTTP 200 with 2001, nothing stored, nothing sent. `good` is an acceptable Token."""
    for content in contents:
        answer = await tell(bench, "PUT", good["uid"], content)
        assert result_of(answer) == REFUSED
        assert answer.json()["status_message"]
    assert await stored(bench, good["uid"]) is None
    await until_all_is_delivered(bench, good, unique)
    assert heard_of(bench, good["uid"]) == []


# --- lists, writing and reading -------------------------------------------------------------------


@pytest.mark.proves("TK-01")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="of the hub"), pytest.param(MS1, id="of an eMSP")])
async def test_tokens_are_listed_in_pages(shared: Bench, mine: Object, receiver: Party) -> None:
    year = 2030 if receiver == HUB else 2032
    tokens = [{**mine, "uid": f"{mine['uid']}{n}", "last_updated": f"{year}-05-0{n}T00:00:00Z"} for n in (1, 2, 3)]
    for token in tokens:
        shared.p3.desk.offer("tokens", token)
        assert result_of(await tell(shared, "PUT", token["uid"], token)) == CREATED
    span = f"date_from={year}-05-01T00:00:00Z&date_to={year}-05-03T00:00:00Z"
    page = await shared.send(shared.p1, "GET", f"sender/tokens?{span}&limit=1", sender=CP1, receiver=receiver)
    assert result_of(page) == OK
    assert [token["uid"] for token in page.json()["data"]] == [tokens[0]["uid"]]
    assert (page.headers["x-total-count"], page.headers["x-limit"]) == ("2", "1")
    assert page.headers["link"].startswith(f"<{shared.world.url}/")
    following = page.headers["link"].removeprefix("<").partition(">")[0].partition("/ocpi/2.2.1/")[2]
    rest = await shared.send(shared.p1, "GET", following, sender=CP1, receiver=receiver)
    assert [token["uid"] for token in rest.json()["data"]] == [tokens[1]["uid"]]
    assert "link" not in rest.headers
    plain = await shared.send(shared.p1, "GET", "sender/tokens", sender=CP1, receiver=receiver)
    assert result_of(plain) == OK
    assert plain.json()["data"]


@pytest.mark.proves("TK-01")
@pytest.mark.parametrize("kind", [pytest.param("", id="without a type"), pytest.param("RFID", id="with its type")])
async def test_a_token_is_written_changed_and_read_under_its_owner_and_uid(
    shared: Bench, mine: Object, kind: str
) -> None:
    answer = await tell(shared, "PUT", mine["uid"], mine, kind=kind)
    assert result_of(answer) == CREATED
    assert answer.json().get("data") is None
    assert await stored(shared, mine["uid"], kind=kind) == mine
    left_out = {"visual_number", "group_id", "language", "energy_contract"}
    second = {name: value for name, value in mine.items() if name not in left_out}
    assert result_of(await tell(shared, "PUT", mine["uid"], second, kind=kind)) == OK
    fields = {"issuer": "Somebody else", "last_updated": LATER}
    assert result_of(await tell(shared, "PATCH", mine["uid"], fields, kind=kind)) == OK
    assert await stored(shared, mine["uid"], kind=kind) == {**second, **fields}
    for platform, party in ((shared.p1, CP1), (shared.p2, CP2)):
        seen = await platform.wait_until_seen(about(mine["uid"]), 3)
        assert [(one.method, one.sender, one.receiver) for one in seen] == [
            (method, HUB, party) for method in ("PUT", "PUT", "PATCH")
        ]
        assert [json.loads(one.body) for one in seen] == [mine, second, fields]
        assert {one.path.partition("/2.2.1/")[2] for one in seen} == {f"receiver/tokens/NL/MS1/{mine['uid']}"}
        assert {one.query for one in seen} == {f"type={kind}" if kind else ""}


@pytest.mark.proves("TK-01", "S-06", "X-32")
@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_a_token_that_is_not_there_is_404(shared: Bench, mine: Object, unique: Named, method: str) -> None:
    content = {"valid": False, "last_updated": LATER} if method == "PATCH" else None
    answer = await tell(shared, method, mine["uid"], content)
    assert result_of(answer) == NOT_THERE
    assert answer.json().get("data") is None
    assert await stored(shared, mine["uid"]) is None
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, mine["uid"]) == []


# --- uid and type ---------------------------------------------------------------------------------


@pytest.mark.proves("TK-02", "X-48")
async def test_uid_and_type_together_name_a_token(shared: Bench, mine: Object) -> None:
    app = {**mine, "type": "APP_USER", "contract_id": "NL-MS1-APP", "last_updated": "2033-01-01T00:00:00Z"}
    card = {**mine, "last_updated": "2033-01-01T00:00:00Z"}
    assert result_of(await tell(shared, "PUT", mine["uid"], card)) == CREATED
    assert result_of(await tell(shared, "PUT", mine["uid"], app, kind="APP_USER")) == CREATED
    assert await stored(shared, mine["uid"]) == card
    assert await stored(shared, mine["uid"], kind="RFID") == card
    assert await stored(shared, mine["uid"], kind="APP_USER") == app
    assert await stored(shared, mine["uid"], kind="OTHER") is None
    page = await shared.send(
        shared.p1, "GET", f"sender/tokens?date_from={card['last_updated']}&limit=100", sender=CP1, receiver=HUB
    )
    assert [token for token in page.json()["data"] if token["uid"] == mine["uid"]] == [card, app]


@pytest.mark.proves("X-48")
async def test_a_put_without_a_type_in_its_query_takes_that_of_its_body(shared: Bench, mine: Object) -> None:
    app = {**mine, "type": "APP_USER"}
    assert result_of(await tell(shared, "PUT", mine["uid"], app)) == CREATED
    assert await stored(shared, mine["uid"]) is None
    assert await stored(shared, mine["uid"], kind="APP_USER") == app
    assert result_of(await tell(shared, "PUT", mine["uid"], app, kind="APP_USER")) == OK


@pytest.mark.proves("TK-02")
async def test_tokens_of_two_emsps_with_one_uid_are_two(shared: Bench, mine: Object) -> None:
    theirs = {**mine, "country_code": "BE", "party_id": "MS2", "issuer": "The other one"}
    assert result_of(await tell(shared, "PUT", mine["uid"], mine)) == CREATED
    path = f"receiver/tokens/BE/MS2/{mine['uid']}"
    answer = await shared.send(shared.p2, "PUT", path, sender=MS2, receiver=HUB, content=theirs)
    assert result_of(answer) == CREATED
    assert await stored(shared, mine["uid"]) == mine
    assert (await shared.send(shared.p2, "GET", path, sender=MS2, receiver=HUB)).json()["data"] == theirs


# --- who may write what ---------------------------------------------------------------------------


@pytest.mark.proves("TK-03", "X-48")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(CP1, id="for a party")])
@pytest.mark.parametrize(
    ("kind", "change"),
    [
        pytest.param("", {"party_id": "MS9"}, id="another party"),
        pytest.param("", {"country_code": "BE"}, id="another country"),
        pytest.param("", {"uid": "another"}, id="another uid"),
        pytest.param("APP_USER", {}, id="another type in the query"),
        pytest.param("RFID", {"type": "APP_USER"}, id="another type in the body"),
    ],
)
async def test_url_query_and_body_of_a_token_agree(
    shared: Bench, mine: Object, unique: Named, kind: str, change: Object, receiver: Party
) -> None:
    answer = await tell(shared, "PUT", mine["uid"], {**mine, **change}, kind=kind, receiver=receiver)
    assert result_of(answer) == REFUSED
    for known in ("RFID", "APP_USER"):
        assert await stored(shared, mine["uid"], kind=known) is None
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, mine["uid"]) == []


@pytest.mark.proves("TK-03")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(CP2, id="for a party")])
@pytest.mark.parametrize(
    ("platform", "sender", "owner"),
    [
        pytest.param("p1", CP1, MS1, id="a CPO for an eMSP"),
        pytest.param("p1", CP1, CP1, id="a CPO for itself"),
        pytest.param("p2", CP2, CP2, id="a CPO beside an eMSP for itself"),
        pytest.param("p2", MS2, CP2, id="an eMSP for the CPO beside it"),
        pytest.param("p2", MS2, MS1, id="an eMSP for another"),
        pytest.param("p4", NS1, NS1, id="a navigation provider for itself"),
    ],
)
async def test_only_an_emsp_pushes_tokens_and_only_its_own(
    shared: Bench, mine: Object, unique: Named, platform: str, sender: Party, owner: Party, receiver: Party
) -> None:
    content = {**mine, "country_code": owner.country_code, "party_id": owner.party_id, "last_updated": LATER}
    path, caller = f"receiver/tokens/{owner}/{mine['uid']}", getattr(shared, platform)
    for method, body in (("PUT", content), ("PATCH", {"valid": False, "last_updated": LATER}), ("GET", None)):
        answer = await shared.send(caller, method, path, sender=sender, receiver=receiver, content=body)
        assert answer.status_code in {200, 404}
        assert 2000 <= answer.json()["status_code"] < 3000
        assert answer.json().get("data") is None
    assert await stored(shared, mine["uid"]) is None
    listed = await shared.send(shared.p1, "GET", f"sender/tokens?date_from={LATER}", sender=CP1, receiver=HUB)
    assert mine["uid"] not in {token["uid"] for token in listed.json()["data"]}
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, mine["uid"]) == []


# --- PATCH ----------------------------------------------------------------------------------------


@pytest.mark.proves("TK-04")
async def test_a_patch_meets_the_token_of_its_type_and_no_other(shared: Bench, mine: Object) -> None:
    app = {**mine, "type": "APP_USER"}
    for content in (mine, app):
        assert result_of(await tell(shared, "PUT", mine["uid"], content)) == CREATED
    fields = {"valid": False, "last_updated": LATER}
    assert result_of(await tell(shared, "PATCH", mine["uid"], fields, kind="APP_USER")) == OK
    assert await stored(shared, mine["uid"]) == mine
    assert await stored(shared, mine["uid"], kind="APP_USER") == {**app, **fields}
    assert result_of(await tell(shared, "PATCH", mine["uid"], {**fields, "issuer": "Me"})) == OK
    assert await stored(shared, mine["uid"]) == {**mine, **fields, "issuer": "Me"}
    assert await stored(shared, mine["uid"], kind="APP_USER") == {**app, **fields}
    seen = await shared.p1.wait_until_seen(about(mine["uid"]), 4)
    assert [(one.method, one.query) for one in seen[2:]] == [("PATCH", "type=APP_USER"), ("PATCH", "")]
    assert json.loads(seen[2].body) == fields


@pytest.mark.proves("TK-04", "S-03")
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"valid": False}, id="no last_updated"),
        pytest.param({"valid": False, "last_updated": None}, id="null for it"),
        pytest.param({"uid": "another", "last_updated": LATER}, id="another uid"),
        pytest.param({"party_id": "MS9", "last_updated": LATER}, id="another owner"),
        pytest.param({"valid": None, "last_updated": LATER}, id="null for a required field"),
        pytest.param({"whitelist": "SOMETIMES", "last_updated": LATER}, id="a whitelist that nobody knows"),
    ],
)
async def test_a_patch_of_wrong_fields_changes_nothing(
    shared: Bench, mine: Object, unique: Named, fields: Object
) -> None:
    assert result_of(await tell(shared, "PUT", mine["uid"], mine)) == CREATED
    assert result_of(await tell(shared, "PATCH", mine["uid"], fields)) == REFUSED
    assert await stored(shared, mine["uid"]) == mine
    await until_all_is_delivered(shared, mine, unique)
    assert {seen.method for seen in heard_of(shared, mine["uid"])} == {"PUT"}


@pytest.mark.proves("TK-04", "X-48")
async def test_a_patch_does_not_turn_a_token_into_one_of_another_type(shared: Bench, mine: Object) -> None:
    assert result_of(await tell(shared, "PUT", mine["uid"], mine)) == CREATED
    fields = {"type": "APP_USER", "last_updated": LATER}
    assert result_of(await tell(shared, "PATCH", mine["uid"], fields, kind="RFID")) == REFUSED
    assert result_of(await tell(shared, "PATCH", mine["uid"], fields)) in {REFUSED, NOT_THERE}
    assert await stored(shared, mine["uid"]) == mine
    assert await stored(shared, mine["uid"], kind="APP_USER") is None


@pytest.mark.proves("TK-05")
@pytest.mark.parametrize("receiver", [pytest.param(HUB, id="for the hub"), pytest.param(CP1, id="for a party")])
async def test_tokens_are_made_invalid_and_never_deleted(shared: Bench, mine: Object, receiver: Party) -> None:
    assert result_of(await tell(shared, "PUT", mine["uid"], mine)) == CREATED
    answer = await tell(shared, "DELETE", mine["uid"], receiver=receiver)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "PUT", "PATCH"}
    assert await stored(shared, mine["uid"]) == mine
    fields = {"valid": False, "last_updated": LATER}
    assert result_of(await tell(shared, "PATCH", mine["uid"], fields)) == OK
    assert await stored(shared, mine["uid"]) == {**mine, **fields}
    page = await shared.send(shared.p1, "GET", f"sender/tokens?date_from={LATER}", sender=CP1, receiver=HUB)
    assert [token["valid"] for token in page.json()["data"] if token["uid"] == mine["uid"]] == [False]
    assert "DELETE" not in {seen.method for seen in heard_of(shared, mine["uid"])}


# --- the fields of a Token ------------------------------------------------------------------------

REQUIRED = ["country_code", "party_id", "uid", "type", "contract_id", "issuer", "valid", "whitelist", "last_updated"]


@pytest.mark.proves("TK-06")
@pytest.mark.parametrize("field", REQUIRED)
async def test_a_token_without_a_required_field_is_refused(
    shared: Bench, mine: Object, unique: Named, field: str
) -> None:
    await assert_refused(shared, mine, unique, changed(mine, field, MISSING), changed(mine, field, None))


@pytest.mark.proves("TK-06")
async def test_a_token_of_required_fields_alone_is_accepted(shared: Bench, mine: Object) -> None:
    content = {name: mine[name] for name in REQUIRED}
    assert result_of(await tell(shared, "PUT", mine["uid"], content)) == CREATED
    assert await stored(shared, mine["uid"]) == content


@pytest.mark.proves("TK-06")
@pytest.mark.parametrize(
    ("path", "longest"),
    [
        ("uid", 36),
        ("contract_id", 36),
        ("issuer", 64),
        ("visual_number", 64),
        ("group_id", 36),
        ("energy_contract.supplier_name", 64),
        ("energy_contract.contract_id", 64),
    ],
)
async def test_text_of_a_token_has_its_greatest_length(
    shared: Bench, mine: Object, unique: Named, path: str, longest: int
) -> None:
    text = unique("x").ljust(longest, "x")
    content = changed(mine, path, text)
    assert result_of(await tell(shared, "PUT", content["uid"], content)) == CREATED
    assert await stored(shared, content["uid"]) == content
    again = {**mine, "uid": unique("U")}
    wrong = changed(again, path, f"{text}y")
    assert result_of(await tell(shared, "PUT", wrong["uid"], wrong)) == REFUSED
    assert await stored(shared, wrong["uid"]) is None
    await until_all_is_delivered(shared, mine, unique)
    assert heard_of(shared, wrong["uid"]) == []


@pytest.mark.proves("TK-06")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("type", "CARD", id="a type that nobody knows"),
        pytest.param("whitelist", "SOMETIMES", id="a whitelist that nobody knows"),
        pytest.param("valid", "true", id="a boolean as text"),
        pytest.param("language", "deu", id="a language of three letters"),
        pytest.param("language", "d", id="a language of one letter"),
        pytest.param("energy_contract", {}, id="an energy contract with nobody"),
        pytest.param("energy_contract", {"contract_id": "K-1"}, id="an energy contract without its supplier"),
        pytest.param("energy_contract", "Stadtwerke", id="an energy contract as text"),
        pytest.param("contract_id", "Vertrag-Ü", id="a contract that is not ASCII"),
    ],
)
async def test_a_token_with_a_wrong_value_is_refused(
    shared: Bench, mine: Object, unique: Named, path: str, value: Any
) -> None:
    await assert_refused(shared, mine, unique, changed(mine, path, value))


@pytest.mark.proves("TK-06")
@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("type", ["AD_HOC_USER", "APP_USER", "OTHER", "RFID"]),
        ("whitelist", ["ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER"]),
        ("default_profile_type", ["CHEAP", "FAST", "GREEN", "REGULAR"]),
        ("valid", [True, False]),
    ],
)
async def test_every_value_of_a_token_is_accepted(shared: Bench, mine: Object, field: str, values: list[Any]) -> None:
    for value in values:
        content = {**mine, field: value}
        assert result_of(await tell(shared, "PUT", mine["uid"], content)) in {CREATED, OK}
        assert await stored(shared, mine["uid"], kind=content["type"]) == content


# --- real-time authorisation ----------------------------------------------------------------------


def answered(data: Any = None, **envelope: Any) -> bytes:
    body = {"status_code": 1000, "timestamp": "2026-01-15T12:00:00Z", **envelope}
    return json.dumps(body if data is None else {**body, "data": data}, indent=1).encode()


async def authorize(
    bench: Bench, uid: str, body: bytes = b"", *, kind: str = "", receiver: Party | None = MS1, by: Party = CP1
) -> httpx.Response:
    """POST of a CPO to the SENDER interface."""
    path = f"sender/tokens/{uid}/authorize{f'?type={kind}' if kind else ''}"
    caller = bench.p1 if by == CP1 else bench.p2
    return await bench.send(caller, "POST", path, sender=by, receiver=receiver, content=body)


def asked(platform: DemoPlatform) -> list[Seen]:
    return [seen for seen in platform.seen if seen.path.endswith("/authorize")]


PLACE = b'{ "location_id":"UTR-0042" , "evse_uids": ["c3d1a9f0-0001"], "x_note": 1.50 }'


@pytest.mark.proves("TK-07")
@pytest.mark.parametrize("kind", ["", "RFID", "APP_USER"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="without a place"),
        pytest.param(PLACE, id="with a place"),
        pytest.param(b'{"location_id": "' + b"x" * 36 + b'"}', id="with a location alone"),
    ],
)
async def test_an_authorisation_reaches_the_emsp_as_it_was_asked(
    shared: Bench, mine: Object, kind: str, body: bytes
) -> None:
    shared.p3.desk.offer("tokens", {**mine, "type": kind or "RFID"})
    answer = await authorize(shared, mine["uid"], body, kind=kind)
    assert result_of(answer) == OK
    assert answer.json()["data"]["token"]["type"] == (kind or "RFID")
    (seen,) = asked(shared.p3)
    assert (seen.method, seen.body) == ("POST", body)
    assert seen.path.partition("/2.2.1/")[2] == f"sender/tokens/{mine['uid']}/authorize"
    assert seen.query == (f"type={kind}" if kind else "")
    assert (seen.sender, seen.receiver) == (CP1, MS1)
    assert [asked(platform) for platform in shared.everybody if platform is not shared.p3] == [[]] * 4


@pytest.mark.proves("TK-08")
@pytest.mark.parametrize(
    "receiver", [pytest.param(MS1, id="to the eMSP"), pytest.param(None, id="to whom it concerns")]
)
@pytest.mark.parametrize("whitelist", ["NEVER", "ALLOWED_OFFLINE", "ALWAYS", "ALLOWED"])
@pytest.mark.parametrize("valid", [True, False])
async def test_the_hub_never_authorises_from_what_it_remembers(
    shared: Bench, mine: Object, valid: bool, whitelist: str, receiver: Party | None
) -> None:
    """The eMSP says the opposite of what the hub keeps."""
    kept = {**mine, "whitelist": whitelist, "valid": valid}
    assert result_of(await tell(shared, "PUT", mine["uid"], kept)) == CREATED
    body = answered({"allowed": "BLOCKED" if valid else "ALLOWED", "token": {**mine, "valid": not valid}})
    shared.p3.faults.append(Fault(module_id="tokens", method="POST", http_status=200, body=body))
    for count in (1, 2):
        answer = await authorize(shared, mine["uid"], receiver=receiver)
        assert (answer.status_code, answer.content) == (200, body)
        assert answer.headers["ocpi-from-party-id"] == "MS1"
        assert len(asked(shared.p3)) == count


@pytest.mark.proves("TK-08")
async def test_nobody_is_authorised_while_the_emsp_is_away(bench: Bench, mine: Object) -> None:
    tokens = [{**mine, "uid": f"{mine['uid']}{kind}", "whitelist": kind} for kind in ("NEVER", "ALLOWED_OFFLINE")]
    for token in tokens:
        assert result_of(await tell(bench, "PUT", token["uid"], token)) == CREATED
        bench.p3.desk.offer("tokens", token)
        assert (await authorize(bench, token["uid"])).json()["data"]["allowed"] == "ALLOWED"
    async with bench.p3.down():
        for token in tokens:
            for receiver in (MS1, None):
                answer = await authorize(bench, token["uid"], receiver=receiver)
                assert result_of(answer) == (200, 4003)
                assert answer.json().get("data") is None
                assert "ALLOWED" not in answer.text


@pytest.mark.proves("TK-09")
@pytest.mark.parametrize(
    "receiver", [pytest.param(MS1, id="to the eMSP"), pytest.param(None, id="to whom it concerns")]
)
@pytest.mark.parametrize("allowed", ["ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
async def test_the_verdict_of_an_emsp_comes_back_whole(
    shared: Bench, mine: Object, allowed: str, receiver: Party | None
) -> None:
    """A refusal is no error."""
    assert result_of(await tell(shared, "PUT", mine["uid"], mine)) == CREATED
    info = {
        "allowed": allowed,
        "token": mine,
        "location": {"location_id": "UTR-0042", "evse_uids": ["c3d1a9f0-0001"]},
        "authorization_reference": "r" * 36,
        "info": {"language": "de", "text": "Gute Fahrt, Frau Krüger."},
        "x_note": 1.5,
    }
    body = answered(info)
    shared.p3.faults.append(Fault(module_id="tokens", method="POST", http_status=200, body=body))
    answer = await authorize(shared, mine["uid"], PLACE, receiver=receiver)
    assert (answer.status_code, answer.content) == (200, body)
    assert (answer.json()["status_code"], answer.json()["data"]) == (1000, info)
    assert (answer.headers["ocpi-from-party-id"], answer.headers["ocpi-to-party-id"]) == ("MS1", "CP1")


@pytest.mark.proves("TK-09", "S-04")
async def test_too_little_information_for_a_verdict_comes_back_too(shared: Bench, mine: Object) -> None:
    body = answered(status_code=2002, status_message="which EVSE?")
    shared.p3.faults.append(Fault(module_id="tokens", method="POST", http_status=200, body=body))
    answer = await authorize(shared, mine["uid"])
    assert (answer.status_code, answer.content) == (200, body)


@pytest.mark.proves("TK-10", "X-02")
@pytest.mark.parametrize(
    "http_status", [pytest.param(404, id="on both layers"), pytest.param(200, id="in the envelope alone")]
)
async def test_a_token_that_the_emsp_does_not_know_is_passed_on_as_it_was_said(
    shared: Bench, mine: Object, http_status: int
) -> None:
    body = answered(status_code=2004, status_message="never seen")
    shared.p3.faults.append(Fault(module_id="tokens", method="POST", http_status=http_status, body=body))
    answer = await authorize(shared, mine["uid"])
    assert (answer.status_code, answer.content) == (http_status, body)
    assert answer.json().get("data") is None


@pytest.mark.proves("TK-10")
@pytest.mark.parametrize("known_as", ["", "APP_USER"])
async def test_a_token_that_the_hub_does_not_know_belongs_to_no_emsp_by_guess(
    shared: Bench, mine: Object, known_as: str
) -> None:
    """Also when it is known under another type, and whatever its contract id begins with."""
    if known_as:
        assert result_of(await tell(shared, "PUT", mine["uid"], {**mine, "type": known_as})) == CREATED
    shared.p3.desk.offer("tokens", mine)
    answer = await authorize(shared, mine["uid"], receiver=None)
    assert result_of(answer) == NOT_THERE
    assert answer.json().get("data") is None
    assert [asked(platform) for platform in shared.everybody] == [[]] * 5


@pytest.mark.proves("TK-11")
async def test_without_a_receiver_uid_and_type_find_the_emsp(shared: Bench, mine: Object) -> None:
    theirs = {**mine, "country_code": "BE", "party_id": "MS2", "type": "APP_USER"}
    assert result_of(await tell(shared, "PUT", mine["uid"], mine)) == CREATED
    path = f"receiver/tokens/BE/MS2/{mine['uid']}"
    told = await shared.send(shared.p2, "PUT", path, sender=MS2, receiver=HUB, content=theirs)
    assert result_of(told) == CREATED
    shared.p3.desk.offer("tokens", mine)
    shared.p2.desk.offer("tokens", theirs)
    for uid in (mine["uid"], mine["uid"].lower(), mine["uid"].upper()):
        for kind, platform, party in (("", shared.p3, MS1), ("RFID", shared.p3, MS1), ("APP_USER", shared.p2, MS2)):
            shared.forget_what_was_seen()
            answer = await authorize(shared, uid, kind=kind, receiver=None)
            assert result_of(answer) == OK
            assert answer.json()["data"]["token"] == (mine if party == MS1 else theirs)
            assert (answer.headers["ocpi-from-country-code"], answer.headers["ocpi-from-party-id"]) == (
                party.country_code,
                party.party_id,
            )
            (seen,) = [seen for other in shared.everybody for seen in asked(other)]
            assert (seen.sender, seen.receiver, asked(platform)) == (CP1, party, [seen])
            assert seen.path.endswith(f"/sender/tokens/{uid}/authorize")


@pytest.mark.proves("TK-11", "O-04")
async def test_of_two_emsps_with_one_uid_and_type_neither_is_asked_by_guess(shared: Bench, mine: Object) -> None:
    theirs = {**mine, "country_code": "NL", "party_id": "OT1"}
    assert result_of(await tell(shared, "PUT", mine["uid"], mine)) == CREATED
    path = f"receiver/tokens/NL/OT1/{mine['uid']}"
    told = await shared.send(shared.p5, "PUT", path, sender=OT1, receiver=HUB, content=theirs)
    assert result_of(told) == CREATED
    answer = await authorize(shared, mine["uid"], receiver=None)
    assert answer.json()["status_code"] in {2001, 4001}
    assert [asked(platform) for platform in shared.everybody] == [[]] * 5
    shared.p3.desk.offer("tokens", mine)
    assert result_of(await authorize(shared, mine["uid"], receiver=MS1)) == OK
