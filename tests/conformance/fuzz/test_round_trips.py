"""What is valid goes through the hub byte for byte: to one party, to all, into the hub's copy, and out of it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.demo.faults import Seen
from hub.demo.party import DemoPlatform
from ocpi_modules.catalog import MODULES
from ocpi_modules.chargingprofiles import ActiveChargingProfile, ActiveChargingProfileResult, SetChargingProfile
from ocpi_modules.commands import CommandResult
from ocpi_modules.module import Interface, Module
from ocpi_modules.parties import Party
from ocpi_modules.sessions import ChargingPreferences
from ocpi_modules.tokens import LocationReferences
from tests.conformance.fuzz.conftest import fresh_id, in_path, owned_by
from tests.conformance.fuzz.profiles import fuzz
from tests.conformance.fuzz.strategies import Object, characters, exactly, json_text, objects, styles
from tests.conftest import HUB
from tests.web.conftest import CP1, MS1, Bench

PAGES_MAX = 50


@dataclass(frozen=True, slots=True)
class Way:
    """How the objects of a module go: from whom, to which party by name, and to which platforms when they are for the hub."""

    module_id: str
    owner: Party
    speaker: str
    named: Party
    listener: str
    hearers: tuple[str, ...]

    @property
    def module(self) -> Module:
        return MODULES[self.module_id]

    @property
    def method(self) -> str:
        return "POST" if self.module.is_final else "PUT"


WAYS = [
    Way("locations", CP1, "p1", MS1, "p3", ("p2", "p3", "p4", "p5")),
    Way("tariffs", CP1, "p1", MS1, "p3", ("p2", "p3", "p4", "p5")),
    Way("tokens", MS1, "p3", CP1, "p1", ("p1", "p2")),
    Way("sessions", CP1, "p1", MS1, "p3", ("p3",)),
    Way("cdrs", CP1, "p1", MS1, "p3", ("p3",)),
]
each_way = pytest.mark.parametrize("way", [pytest.param(way, id=way.module_id) for way in WAYS])


@dataclass(frozen=True, slots=True)
class Sent:
    """An object of a way as it is sent: its text, and the raw path and query that name it."""

    way: Way
    content: Object
    text: bytes
    path: str
    query: str = ""

    @property
    def url(self) -> str:
        return self.path + self.query

    @property
    def push_url(self) -> str:
        return f"receiver/{self.way.module_id}" if self.way.module.is_final else self.url


def prepared(way: Way, drawn: Object, style: int) -> Sent:
    """What was drawn, owned by the way's owner, under a fresh id, for the eMSP that the way names."""
    id_ = fresh_id(drawn[way.module.key])
    content = owned_by(drawn, way.owner, **{way.module.key: id_})
    if way.module.is_addressed:
        content["cdr_token"] = owned_by(content["cdr_token"], MS1)
    query = f"?type={content['type']}" if way.module.variant else ""
    path = f"receiver/{way.module_id}/{way.owner}/{in_path(id_, style)}"
    return Sent(way, content, json_text(content, style), path, query)


async def accept(bench: Bench, sent: Sent, receiver: Party, text: bytes | None = None, method: str = "") -> None:
    """Send it, and be told that all is well."""
    speaker: DemoPlatform = getattr(bench, sent.way.speaker)
    answer = await bench.send(
        speaker,
        method or sent.way.method,
        sent.push_url,
        sender=sent.way.owner,
        receiver=receiver,
        content=sent.text if text is None else text,
    )
    assert answer.json()["status_code"] == 1000, answer.text
    assert answer.status_code in {200, 201}


async def heard_by(platform: DemoPlatform, sent: Sent, method: str = "") -> Seen:
    """The one request about this object that reached a platform."""
    wanted = method or sent.way.method

    def fits(seen: Seen) -> bool:
        named = isinstance(seen.content, dict) and seen.content.get(sent.way.module.key)
        is_this = (
            named == sent.content[sent.way.module.key] if sent.way.module.is_final else seen.path.endswith(sent.path)
        )
        return seen.method == wanted and is_this

    (seen,) = await platform.wait_until_seen(fits)
    return seen


def assert_untouched(seen: Seen, sent: Sent, text: bytes) -> None:
    """The body to the byte, and the URL with the percent-encoding of its sender."""
    assert seen.body == text
    assert seen.path.endswith("/" + sent.push_url.partition("?")[0])
    assert seen.query == (sent.query.removeprefix("?"))


# --- objects that the hub keeps ------------------------------------------------------------------


@pytest.mark.proves("R-09", "R-10", "R-11", "R-12", "Y-07", "Y-10", "X-44")
@each_way
@given(data=st.data())
@fuzz(12)
async def test_what_is_for_one_party_reaches_it_byte_for_byte(shared: Bench, way: Way, data: st.DataObject) -> None:
    sent = draw_object(data, way)
    shared.forget_what_was_seen()
    await accept(shared, sent, way.named)
    assert_untouched(await heard_by(getattr(shared, way.listener), sent), sent, sent.text)


@pytest.mark.proves("R-09", "R-10", "R-11", "R-12", "Y-01", "Y-07", "Y-08", "Y-10", "B-13", "X-44")
@each_way
@given(data=st.data())
@fuzz(12)
async def test_what_is_for_the_hub_reaches_everybody_and_is_kept_byte_for_byte(
    shared: Bench, way: Way, data: st.DataObject
) -> None:
    sent = draw_object(data, way)
    shared.forget_what_was_seen()
    await accept(shared, sent, HUB)
    for name in way.hearers:
        assert_untouched(await heard_by(getattr(shared, name), sent), sent, sent.text)
    await assert_kept(shared, sent)
    await assert_listed(shared, sent)


async def assert_kept(bench: Bench, sent: Sent) -> None:
    """The owner reads the hub's copy: the very bytes."""
    speaker: DemoPlatform = getattr(bench, sent.way.speaker)
    answer = await bench.send(speaker, "GET", sent.url, sender=sent.way.owner, receiver=HUB)
    assert answer.content.startswith(b'{"data":' + sent.text + b',"status_code":1000,'), answer.content


async def assert_listed(bench: Bench, sent: Sent) -> None:
    """Whoever may see it finds the very bytes on a page of GET All."""
    reader: DemoPlatform = getattr(bench, sent.way.listener)
    since = quote(sent.content["last_updated"])
    for page in range(PAGES_MAX):
        path = f"sender/{sent.way.module_id}?date_from={since}&limit=100&offset={100 * page}"
        answer = await bench.send(reader, "GET", path, sender=sent.way.named, receiver=HUB)
        if b"[" + sent.text in answer.content or b"," + sent.text in answer.content:
            return
        assert "link" in answer.headers, "the object is on no page"
    raise AssertionError("the list does not end")


def draw_object(data: st.DataObject, way: Way) -> Sent:
    assert way.module.object is not None
    return prepared(way, data.draw(objects(way.module.object)), data.draw(styles))


# --- changes of them -------------------------------------------------------------------------------

PATCHED = [way for way in WAYS if any(operation.method == "PATCH" for operation in way.module.receiver)]


@pytest.mark.proves("R-10", "SE-07", "X-30")
@pytest.mark.parametrize("way", [pytest.param(way, id=way.module_id) for way in PATCHED])
@given(data=st.data())
@fuzz(8)
async def test_a_patch_reaches_its_receivers_byte_for_byte(shared: Bench, way: Way, data: st.DataObject) -> None:
    sent = draw_object(data, way)
    text = json_text(draw_patch(data, way, sent), data.draw(styles))
    await accept(shared, sent, way.named)
    await accept(shared, sent, HUB)
    shared.forget_what_was_seen()
    await accept(shared, sent, way.named, text, "PATCH")
    assert_untouched(await heard_by(getattr(shared, way.listener), sent, "PATCH"), sent, text)
    shared.forget_what_was_seen()
    await accept(shared, sent, HUB, text, "PATCH")
    for name in way.hearers:
        assert_untouched(await heard_by(getattr(shared, name), sent, "PATCH"), sent, text)


def draw_patch(data: st.DataObject, way: Way, sent: Sent) -> Object:
    """Some fields of another such object, none that have to agree with those that stay, and the time of the first."""
    assert way.module.object is not None
    other = data.draw(objects(way.module.object))
    kept = {"country_code", "party_id", way.module.key, "type", "cdr_token", "publish", "publish_allowed_to", "evses"}
    free = sorted(other.keys() - kept)
    names = data.draw(st.lists(st.sampled_from(free), unique=True, max_size=4))
    return {**{name: other[name] for name in names}, "last_updated": sent.content["last_updated"]}


@pytest.mark.proves("R-10", "L-09", "Y-07", "Y-10")
@given(data=st.data(), style=styles)
@fuzz(10)
async def test_a_part_of_a_location_reaches_everybody_byte_for_byte_and_keeps_the_digits_of_its_numbers(
    shared: Bench, data: st.DataObject, style: int
) -> None:
    way = WAYS[0]
    sent = draw_object(data, way)
    await accept(shared, sent, HUB)
    evse = {**data.draw(objects(MODULES["locations"].object_at(1))), "uid": fresh_id()}
    part = Sent(way, evse, json_text(evse, style), f"{sent.path}/{evse['uid']}")
    shared.forget_what_was_seen()
    await accept(shared, part, HUB)
    for name in way.hearers:
        assert_untouched(await heard_by(getattr(shared, name), part), part, part.text)
    answer = await shared.send(shared.p1, "GET", part.path, sender=CP1, receiver=HUB)
    assert exactly(answer.content)["data"] == exactly(part.text)


# --- requests that want something done -------------------------------------------------------------

COMMANDS = MODULES["commands"].receiver[0].choices


def with_token_of(content: Object, owner: Party) -> Object:
    """A command with a token of its sender, where it has one (CM-14)."""
    return {**content, "token": owned_by(content["token"], owner)} if "token" in content else content


def swapped(text: bytes) -> tuple[Any, str]:
    """The content but for its response URL, and that."""
    content = exactly(text)
    return content, content.pop("response_url")


async def one_seen(platform: DemoPlatform, path: str) -> Seen:
    (seen,) = await platform.wait_until_seen(lambda seen: seen.path.endswith(path))
    return seen


@pytest.mark.proves("CM-01", "CM-03", "R-10", "Y-10")
@pytest.mark.parametrize("command", COMMANDS)
@given(data=st.data(), style=styles)
@fuzz(8)
async def test_a_command_reaches_its_receiver_with_another_response_url_and_nothing_else_changed(
    shared: Bench, command: str, data: st.DataObject, style: int
) -> None:
    drawn = data.draw(objects(COMMANDS[command]))
    text = json_text({**with_token_of(drawn, MS1), "response_url": shared.p3.callback_url("commands", "c")}, style)
    shared.forget_what_was_seen()
    answer = await shared.send(
        shared.p3, "POST", f"receiver/commands/{command}", sender=MS1, receiver=CP1, content=text
    )
    assert answer.json()["data"]["result"] == "NOT_SUPPORTED", answer.text
    seen = await one_seen(shared.p1, f"/commands/{command}")
    (came, url), (went, _) = swapped(seen.body), swapped(text)
    assert came == went
    assert url.startswith(f"{shared.world.url}/ocpi/2.2.1/sender/commands/")


@pytest.mark.proves("CP-01", "CP-02", "R-10", "Y-07")
@given(drawn=objects(SetChargingProfile), style=styles)
@fuzz(10)
async def test_a_charging_profile_reaches_its_receiver_with_another_response_url_and_the_same_digits(
    shared: Bench, drawn: Object, style: int
) -> None:
    url = f"receiver/chargingprofiles/{in_path(fresh_id('a b/ü'), style)}"
    text = json_text({**drawn, "response_url": shared.p3.callback_url("chargingprofiles", "c")}, style)
    shared.forget_what_was_seen()
    answer = await shared.send(shared.p3, "PUT", url, sender=MS1, receiver=CP1, content=text)
    if answer.json()["status_code"] == 2001:  # the id is not ASCII
        assert not shared.p1.seen
        return
    seen = await one_seen(shared.p1, "/" + url)
    (came, swapped_url), (went, _) = swapped(seen.body), swapped(text)
    assert came == went
    assert swapped_url.startswith(f"{shared.world.url}/ocpi/2.2.1/sender/chargingprofiles/")


_query_values = st.text(characters(), max_size=8)
_raw_pairs = st.builds(
    "{}={}".format,
    st.sampled_from(["duration", "x", "%78", "a+b", ""]),
    _query_values.map(quote)
    | _query_values.map(lambda text: quote(text, safe="/:~!*'()"))
    | st.sampled_from(["%7e", "+", "%ff"]),
) | st.sampled_from(["flag", "duration=900"])


@pytest.mark.proves("CP-01", "CP-02", "R-09")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@given(before=st.lists(_raw_pairs, max_size=3), after=st.lists(_raw_pairs, max_size=2), tail=_query_values)
@fuzz(10)
async def test_a_response_url_in_the_query_is_changed_and_the_rest_of_the_query_is_not(
    shared: Bench, method: str, before: list[str], after: list[str], tail: str
) -> None:
    theirs = f"{shared.p3.callback_url('chargingprofiles', 'c')}?request_id={quote(tail, safe='')}&y=%2F"
    pairs = [*before, f"response_url={quote(theirs, safe='')}", *after]
    path = f"/chargingprofiles/{fresh_id()}"
    shared.forget_what_was_seen()
    url = f"receiver{path}?{'&'.join(pairs)}"
    answer = await shared.send(shared.p3, method, url, sender=MS1, receiver=CP1)
    assert answer.json()["data"]["result"] == "NOT_SUPPORTED", answer.text
    came = (await one_seen(shared.p1, path)).query.split("&")
    (ours,) = [value for name, value in parse_qsl("&".join(came)) if name == "response_url"]
    assert ours.startswith(f"{shared.world.url}/ocpi/2.2.1/sender/chargingprofiles/")
    came[len(before)] = "response_url="
    assert came == [*before, "response_url=", *after]


RESULTS = [pytest.param("commands", CommandResult), pytest.param("chargingprofiles", ActiveChargingProfileResult)]


@pytest.mark.proves("CM-04", "CM-05", "CM-06", "CP-05")
@pytest.mark.parametrize(("module_id", "model"), RESULTS)
@given(data=st.data(), style=styles)
@fuzz(8)
async def test_a_result_comes_back_to_its_caller_byte_for_byte(
    shared: Bench, module_id: str, model: Any, data: st.DataObject, style: int
) -> None:
    drawn = data.draw(objects(model))
    text = json_text({name: value for name, value in drawn.items() if name != "status_code"}, style)
    callback = await answered_with_accepted(shared, module_id)
    shared.forget_what_was_seen()
    answer = await shared.send(shared.p1, "POST", callback, sender=CP1, receiver=MS1, content=text)
    assert answer.json()["status_code"] == 1000, answer.text
    seen = await one_seen(shared.p3, f"/{module_id}/mine")
    assert seen.body == text


async def answered_with_accepted(bench: Bench, module_id: str) -> str:
    """The path of a callback of the hub that a result may be posted to: behind an accepted request of MS1 to CP1."""
    bench.p1.desk.command_answer = "ACCEPTED"
    url = bench.p3.callback_url(module_id, "mine")
    path = "receiver/commands/STOP_SESSION" if module_id == "commands" else "receiver/chargingprofiles/S1"
    content = {"session_id": "S1"} if module_id == "commands" else {"charging_profile": {"charging_rate_unit": "W"}}
    bench.forget_what_was_seen()
    method = "POST" if module_id == "commands" else "PUT"
    await bench.send(bench.p3, method, path, sender=MS1, receiver=CP1, content={**content, "response_url": url})
    (seen,) = await bench.p1.wait_until_seen(lambda seen: seen.module_id == module_id)
    bench.p1.desk.command_answer = "NOT_SUPPORTED"
    ours: str = seen.content["response_url"]
    return ours.removeprefix(f"{bench.world.url}/ocpi/2.2.1/")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that is forwarded as it is: its raw path below the interface, and the class of its body."""

    interface: Interface
    method: str
    path: str
    model: Any
    sender: Party
    receiver: Party


ASKS = [
    pytest.param(Ask(Interface.SENDER, "POST", "tokens/{}/authorize", LocationReferences, CP1, MS1), id="authorize"),
    pytest.param(
        Ask(Interface.SENDER, "PUT", "sessions/{}/charging_preferences", ChargingPreferences, MS1, CP1),
        id="charging preferences",
    ),
    pytest.param(
        Ask(Interface.SENDER, "PUT", "chargingprofiles/{}", ActiveChargingProfile, CP1, MS1), id="the active profile"
    ),
]


@pytest.mark.proves("TK-07", "SE-02", "CP-07", "R-09", "R-10", "Y-07")
@pytest.mark.parametrize("ask", ASKS)
@given(data=st.data(), style=styles, query=st.lists(_raw_pairs, max_size=3).map("&".join))
@fuzz(10)
async def test_what_one_party_asks_of_another_reaches_it_byte_for_byte(
    shared: Bench, ask: Ask, data: st.DataObject, style: int, query: str
) -> None:
    text = json_text(data.draw(objects(ask.model)), style)
    path = f"{ask.interface.lower()}/{ask.path.format(in_path(fresh_id('a/b?c#d e%'), style))}"
    speaker, listener = (shared.p1, shared.p3) if ask.sender == CP1 else (shared.p3, shared.p1)
    shared.forget_what_was_seen()
    url = f"{path}?{query}" if query else path
    await shared.send(speaker, ask.method, url, sender=ask.sender, receiver=ask.receiver, content=text)
    seen = await one_seen(listener, "/" + path)
    assert (seen.method, seen.body, seen.query) == (ask.method, text, query)
