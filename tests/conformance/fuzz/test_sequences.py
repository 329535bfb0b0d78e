"""Pushes in any order over two connections: after each, the hub's copy is what a model of a few lines says it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from hub.demo.party import DemoPlatform
from ocpi_modules.headers import authorization, routing_headers
from ocpi_modules.parties import Party
from tests.conformance.fuzz.conftest import fresh_id
from tests.conformance.fuzz.profiles import fuzz
from tests.conformance.fuzz.strategies import Num, Object, exactly, json_text
from tests.conftest import HUB, loopback_client
from tests.web.conftest import CP1, MS1, Bench

Run = Callable[[Coroutine[Any, Any, Any]], Any]
Path = tuple[str, ...]

NESTED = {0: ("evses", "uid"), 1: ("connectors", "id")}
"""The list of parts at each depth, and what tells them apart."""

When = tuple[int, str]
"""Seconds after what the hub has (before it, when negative), and how the end of the moment is written."""

FIRST_SECOND = 1000
whens = st.tuples(st.sampled_from([1, 1, 1, 0, 0, -1]), st.sampled_from(["Z", "", ".0Z", ".000"]))
often = st.sampled_from([True, True, True, False])
connections = st.sampled_from([0, 1])
amounts = st.sampled_from(["1", "12.3456", "0.1000", "1.10", "1e2", "7"]).map(Num)


# --- the model: what OCPI says a receiver makes of a push ------------------------------------------


def moment(second: int, end: str = "Z") -> str:
    """A second of the first hours of 2026."""
    return f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}{end}"


def second_of(text: str) -> int:
    """The second of a `moment`."""
    hours, minutes, seconds = map(int, text[11:19].split(":"))
    return 3600 * hours + 60 * minutes + seconds


def instant(text: str) -> str:
    """A moment in a form whose order is that of time: UTC to the millisecond."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return f"{whole}.{fraction:0<3}"


def merged(depth: int | None, old: Object, fields: Object, appended: str) -> Object:
    """A PATCH: fields are replaced, null takes one away, a list of parts is merged by id, one list of a session is added to."""
    new = dict(old)
    for name, value in fields.items():
        if depth is not None and name == NESTED.get(depth, ("",))[0]:
            new[name] = merged_parts(depth, old.get(name, []), value or [])
        elif name == appended:
            new[name] = old.get(name, []) + (value or [])
        elif value is None:
            new.pop(name, None)
        else:
            new[name] = value
    return new


def merged_parts(depth: int, old: list[Object], new: list[Object]) -> list[Object]:
    id_field = NESTED[depth][1]
    known = {part[id_field]: part for part in old}
    for part in new:
        known[part[id_field]] = merged(depth + 1, known.get(part[id_field], {}), part, "")
    return list(known.values())


@dataclass
class Model:
    """One object as the hub should have it; None while it has none. `is_nested`: its parts are addressed by URLs of their own."""

    is_nested: bool = False
    appended: str = ""
    whole: Object | None = None

    def at(self, ids: Path) -> Object | None:
        """The object, or the part of it under these ids."""
        found = self.whole
        for depth, part_id in enumerate(ids):
            parts = found.get(NESTED[depth][0], []) if found else []
            found = next((part for part in parts if part[NESTED[depth][1]] == part_id), None)
        return found

    def push(self, method: str, ids: Path, content: Object) -> int:
        """What becomes of a push: the HTTP status of its answer; the model changes as the copy should."""
        old = self.at(ids)
        if old is None and (method == "PATCH" or (ids and self.at(ids[:-1]) is None)):
            return 404
        if old is not None and instant(content["last_updated"]) < instant(old["last_updated"]):
            return 200
        depth = len(ids) if self.is_nested else None
        new = merged(depth, old, content, self.appended) if method == "PATCH" and old else deepcopy(content)
        self.store(ids, new)
        return 200 if old is not None else 201

    def store(self, ids: Path, new: Object) -> None:
        if not ids:
            self.whole = new
            return
        field, id_field = NESTED[len(ids) - 1]
        parent = self.at(ids[:-1])
        assert parent is not None
        parts = parent.setdefault(field, [])
        place = next((index for index, part in enumerate(parts) if part[id_field] == ids[-1]), len(parts))
        parts[place : place + 1] = [new]
        for above in range(len(ids)):
            self.date(ids[:above], new["last_updated"])

    def date(self, ids: Path, moment: str) -> None:
        """A parent is as new as its newest part, and never goes back."""
        parent = self.at(ids)
        assert parent is not None
        if instant(moment) > instant(parent["last_updated"]):
            parent["last_updated"] = moment


# --- the hub ----------------------------------------------------------------------------------------


class Pushes(RuleBasedStateMachine):
    """Two connections with the token of one partner, and the loop on which everything runs."""

    bench: Bench
    run: Run
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
    module_id: str
    owner: Party = CP1

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, Model] = {}

    @property
    def platform(self) -> DemoPlatform:
        return self.bench.p1 if self.owner == CP1 else self.bench.p3

    def ask(self, connection: int, method: str, path: str, content: Object | None = None) -> httpx.Response:
        assert self.platform.connection is not None
        headers = {"Authorization": authorization(self.platform.connection.token), **routing_headers(self.owner, HUB)}
        url = f"{self.bench.world.url}/ocpi/2.2.1/receiver/{self.module_id}/{self.owner}/{path}"
        body = None if content is None else json_text(content)
        answer: httpx.Response = self.run(self.clients[connection].request(method, url, headers=headers, content=body))
        return answer

    def push(self, connection: int, method: str, key: str, ids: Path, content: Object, query: str = "") -> None:
        """Push over one connection, and read it again over the other."""
        status = self.models[key].push(method, ids, content)
        answer = self.ask(connection, method, "/".join((key.partition("?")[0], *ids)) + query, content)
        assert answer.status_code == status, answer.text
        assert answer.json()["status_code"] == 1000 or status == 404
        self.check(1 - connection, key, ids)

    def at(self, when: When, key: str, ids: Path = ()) -> str:
        """A moment that is older than, equal to or newer than the part under these ids (or than the first of its parents)."""
        depths = range(len(ids), -1, -1)
        known = next((found for depth in depths if (found := self.models[key].at(ids[:depth]))), None)
        return moment((second_of(known["last_updated"]) if known else FIRST_SECOND) + when[0], when[1])

    def check(self, connection: int, key: str, ids: Path = ()) -> None:
        """The copy agrees with the model: the whole, and the part that was pushed."""
        path, _, query = key.partition("?")
        for wanted in {(), ids}:
            answer = self.ask(connection, "GET", "/".join((path, *wanted)) + (f"?{query}" if query else ""))
            model = self.models[key].at(wanted)
            assert answer.status_code == (404 if model is None else 200), answer.text
            if model is not None:
                assert exactly(answer.content)["data"] == exactly(json_text(model))


@pytest.fixture
def machine(shared: Bench, run_here: Run) -> Any:
    """A machine of a class, for this hub."""

    def make(made: type[Pushes]) -> Callable[[], Pushes]:
        def start() -> Pushes:
            started = made()
            started.bench, started.run = shared, run_here
            started.clients = clients
            return started

        return start

    clients = (loopback_client(), loopback_client())
    yield make
    for client in clients:
        run_here(client.aclose())


# --- locations --------------------------------------------------------------------------------------

evse_uids = st.sampled_from(["E1", "E2"])
connector_ids = st.sampled_from(["1", "2"])
statuses = st.sampled_from(["AVAILABLE", "CHARGING", "REMOVED"])


def a_connector(id_: str, moment: str, amperage: int = 16) -> Object:
    kind = {"standard": "IEC_62196_T2", "format": "CABLE", "power_type": "AC_3_PHASE"}
    numbers = {"max_voltage": Num(230), "max_amperage": Num(amperage)}
    return {"id": id_, **kind, **numbers, "last_updated": moment}


def an_evse(uid: str, moment: str, status: str, connectors: list[str]) -> Object:
    parts = [a_connector(id_, moment) for id_ in connectors]
    return {"uid": uid, "status": status, "connectors": parts, "last_updated": moment}


def an_energy_mix(amount: Num) -> Object:
    return {"is_green_energy": True, "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": amount}]}


lists_of_connectors = st.lists(connector_ids, min_size=1, max_size=2, unique=True)
lists_of_evses = st.lists(
    st.tuples(evse_uids, statuses, lists_of_connectors), max_size=2, unique_by=lambda evse: evse[0]
)
location_fields = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["Springweg", "Ünïcödé 🚗", None]),
        "facilities": st.sampled_from([["CAFE"], ["HOTEL", "WIFI"], [], None]),
        "energy_mix": st.none() | amounts.map(an_energy_mix),
        "x_vendor": st.sampled_from([{"a": Num("1.10")}, "x", None]),
    },
)


class LocationPushes(Pushes):
    """A Location, its EVSEs and their Connectors."""

    module_id = "locations"

    @initialize(is_there=often)
    def begin(self, is_there: bool) -> None:
        self.key = fresh_id()
        self.models[self.key] = Model(is_nested=True)
        if is_there:
            self.put_location(0, (0, "Z"), {}, [("E1", "AVAILABLE", ["1"])])

    @rule(via=connections, when=whens, fields=location_fields, evses=lists_of_evses)
    def put_location(self, via: int, when: When, fields: Object, evses: list[Any]) -> None:
        now = self.at(when, self.key)
        whole = {
            **{"country_code": "DE", "party_id": "CP1", "id": self.key, "publish": True, "address": "Springweg 1"},
            **{"city": "Utrecht", "country": "NLD", "time_zone": "Europe/Amsterdam"},
            "coordinates": {"latitude": "52.083300", "longitude": "5.120000"},
            **fields,
            "evses": [an_evse(uid, now, status, connectors) for uid, status, connectors in evses],
            "last_updated": now,
        }
        self.push(via, "PUT", self.key, (), whole)

    @rule(via=connections, when=whens, uid=evse_uids, status=statuses, connectors=lists_of_connectors)
    def put_evse(self, via: int, when: When, uid: str, status: str, connectors: list[str]) -> None:
        now = self.at(when, self.key, (uid,))
        self.push(via, "PUT", self.key, (uid,), an_evse(uid, now, status, connectors))

    @rule(via=connections, when=whens, uid=evse_uids, id_=connector_ids, amperage=st.sampled_from([16, 32]))
    def put_connector(self, via: int, when: When, uid: str, id_: str, amperage: int) -> None:
        now = self.at(when, self.key, (uid, id_))
        self.push(via, "PUT", self.key, (uid, id_), a_connector(id_, now, amperage))

    @rule(via=connections, when=whens, fields=location_fields)
    def patch_location(self, via: int, when: When, fields: Object) -> None:
        now = self.at(when, self.key)
        self.push(via, "PATCH", self.key, (), {**fields, "last_updated": now})

    @rule(via=connections, when=whens, evses=lists_of_evses)
    def patch_the_evses_of_a_location(self, via: int, when: When, evses: list[Any]) -> None:
        now = self.at(when, self.key)
        parts = [an_evse(uid, now, status, connectors) for uid, status, connectors in evses]
        self.push(via, "PATCH", self.key, (), {"evses": parts, "last_updated": now})

    @rule(via=connections, when=whens, uid=evse_uids, status=statuses, place=st.sampled_from(["7", None]))
    def patch_evse(self, via: int, when: When, uid: str, status: str, place: str | None) -> None:
        now = self.at(when, self.key, (uid,))
        fields = {"status": status, "physical_reference": place, "last_updated": now}
        self.push(via, "PATCH", self.key, (uid,), fields)

    @rule(
        via=connections,
        when=whens,
        uid=evse_uids,
        id_=connector_ids,
        tariffs=st.sampled_from([["T1"], [], ["T2", "T3"]]),
    )
    def patch_connector(self, via: int, when: When, uid: str, id_: str, tariffs: list[str]) -> None:
        now = self.at(when, self.key, (uid, id_))
        self.push(via, "PATCH", self.key, (uid, id_), {"tariff_ids": tariffs, "last_updated": now})

    @rule(via=connections, depth=st.sampled_from([(), ("E1",), ("E1", "1")]))
    def patch_without_a_time(self, via: int, depth: Path) -> None:
        answer = self.ask(via, "PATCH", "/".join((self.key, *depth)), {"status": "CHARGING"})
        assert (answer.status_code, answer.json()["status_code"]) == (200, 2001)
        self.check(1 - via, self.key, depth)


@pytest.mark.proves(
    "L-04",
    "L-08",
    "L-09",
    "L-10",
    "L-11",
    "L-12",
    "L-13",
    "L-15",
    "S-07",
    "X-30",
    "X-31",
    "X-32",
    "X-54",
    "R-11",
    "Y-07",
)
def test_a_location_is_what_its_pushes_made_of_it(machine: Any) -> None:
    run_state_machine_as_test(machine(LocationPushes), settings=fuzz(15, steps=10))


# --- tariffs ----------------------------------------------------------------------------------------


class TariffPushes(Pushes):
    """Two tariffs that are put and deleted."""

    module_id = "tariffs"

    @initialize()
    def begin(self) -> None:
        self.keys = [fresh_id(), fresh_id()]
        self.models = {key: Model() for key in self.keys}

    @rule(via=connections, which=connections, when=whens, price=amounts, vat=st.none() | amounts)
    def put(self, via: int, which: int, when: When, price: Num, vat: Num | None) -> None:
        now = self.at(when, self.keys[which])
        priced = {"type": "ENERGY", "price": price, "step_size": Num(1), **({} if vat is None else {"vat": vat})}
        owner = {"country_code": "DE", "party_id": "CP1", "id": self.keys[which], "currency": "EUR"}
        self.push(
            via,
            "PUT",
            self.keys[which],
            (),
            {**owner, "elements": [{"price_components": [priced]}], "last_updated": now},
        )

    @rule(via=connections, which=connections)
    def delete(self, via: int, which: int) -> None:
        key = self.keys[which]
        was_there = self.models[key].whole is not None
        answer = self.ask(via, "DELETE", key)
        assert (answer.status_code, answer.json()["status_code"]) == ((200, 1000) if was_there else (404, 2000))
        self.models[key].whole = None
        self.check(1 - via, key)

    @rule(via=connections, which=connections)
    def patch_is_not_offered(self, via: int, which: int) -> None:
        answer = self.ask(via, "PATCH", self.keys[which], {"currency": "CHF", "last_updated": moment(0)})
        assert answer.status_code == 405
        self.check(1 - via, self.keys[which])


@pytest.mark.proves("TF-01", "TF-02", "TF-04", "M-08", "S-06", "S-07", "X-31", "Y-07")
def test_a_tariff_is_what_its_pushes_made_of_it(machine: Any) -> None:
    run_state_machine_as_test(machine(TariffPushes), settings=fuzz(10, steps=8))


# --- tokens -----------------------------------------------------------------------------------------

token_types = st.sampled_from(["RFID", "APP_USER"])


class TokenPushes(Pushes):
    """One uid, and under it a token of each type."""

    module_id = "tokens"
    owner = MS1

    @initialize()
    def begin(self) -> None:
        self.uid = fresh_id()
        self.models = {self.key(type_): Model() for type_ in ("RFID", "APP_USER")}

    def key(self, type_: str) -> str:
        return f"{self.uid}?type={type_}"

    @rule(
        via=connections,
        type_=token_types,
        when=whens,
        valid=st.booleans(),
        number=st.none() | st.just("V 1"),
        said=st.booleans(),
    )
    def put(self, via: int, type_: str, when: When, valid: bool, number: str | None, said: bool) -> None:
        now = self.at(when, self.key(type_))
        owner = {"country_code": "NL", "party_id": "MS1", "uid": self.uid, "type": type_, "contract_id": "C"}
        content = {
            **owner,
            "issuer": "M",
            "valid": valid,
            "whitelist": "NEVER",
            "visual_number": number,
            "last_updated": now,
        }
        self.push(via, "PUT", self.key(type_), (), content, f"?type={type_}" if said else "")

    @rule(via=connections, type_=token_types, when=whens, valid=st.booleans(), number=st.sampled_from(["V 2", None]))
    def patch(self, via: int, type_: str, when: When, valid: bool, number: str | None) -> None:
        now = self.at(when, self.key(type_))
        query = "" if type_ == "RFID" else f"?type={type_}"
        fields = {"valid": valid, "visual_number": number, "last_updated": now}
        self.push(via, "PATCH", self.key(type_), (), fields, query)

    @rule(via=connections)
    def without_a_type_it_is_the_rfid_one(self, via: int) -> None:
        answer = self.ask(via, "GET", self.uid)
        model = self.models[self.key("RFID")].whole
        assert answer.status_code == (404 if model is None else 200)
        assert model is None or json.loads(answer.content)["data"]["type"] == "RFID"

    @rule(via=connections, type_=token_types)
    def delete_is_not_offered(self, via: int, type_: str) -> None:
        assert self.ask(via, "DELETE", self.key(type_)).status_code == 405
        self.check(1 - via, self.key(type_))


@pytest.mark.proves("TK-01", "TK-02", "TK-04", "TK-05", "M-09", "S-07", "X-31", "X-48")
def test_a_token_is_what_its_pushes_made_of_it(machine: Any) -> None:
    run_state_machine_as_test(machine(TokenPushes), settings=fuzz(10, steps=10))


# --- sessions ---------------------------------------------------------------------------------------

periods = st.builds(
    lambda begin, volume: {"start_date_time": begin, "dimensions": [{"type": "ENERGY", "volume": volume}]},
    st.integers(0, 9).map(moment),
    amounts,
)
lists_of_periods = st.lists(periods, max_size=2)
session_statuses = st.sampled_from(["PENDING", "ACTIVE", "COMPLETED"])


class SessionPushes(Pushes):
    """A session that grows."""

    module_id = "sessions"

    @initialize(is_there=often)
    def begin(self, is_there: bool) -> None:
        self.key = fresh_id()
        self.models[self.key] = Model(appended="charging_periods")
        if is_there:
            period = {"start_date_time": moment(0), "dimensions": [{"type": "TIME", "volume": Num("0.50")}]}
            self.put(0, (0, "Z"), Num("0"), "PENDING", [period])

    @rule(via=connections, when=whens, kwh=amounts, status=session_statuses, grown=st.none() | lists_of_periods)
    def put(self, via: int, when: When, kwh: Num, status: str, grown: list[Object] | None) -> None:
        now = self.at(when, self.key)
        token = {"country_code": "NL", "party_id": "MS1", "uid": "U", "type": "RFID", "contract_id": "C"}
        whole = {
            **{"country_code": "DE", "party_id": "CP1", "id": self.key, "start_date_time": moment(0), "kwh": kwh},
            **{
                "cdr_token": token,
                "auth_method": "WHITELIST",
                "location_id": "L",
                "evse_uid": "E",
                "connector_id": "1",
            },
            **{"currency": "EUR", "status": status, "last_updated": now},
            **({} if grown is None else {"charging_periods": grown}),
        }
        self.push(via, "PUT", self.key, (), whole)

    @rule(
        via=connections,
        when=whens,
        fields=st.fixed_dictionaries(
            {},
            optional={
                "kwh": amounts,
                "status": session_statuses,
                "charging_periods": st.none() | lists_of_periods,
                "total_cost": st.none() | amounts.map(lambda cost: {"excl_vat": cost}),
                "meter_id": st.sampled_from(["M1", None]),
            },
        ),
    )
    def patch(self, via: int, when: When, fields: Object) -> None:
        now = self.at(when, self.key)
        self.push(via, "PATCH", self.key, (), {**fields, "last_updated": now})

    @rule(via=connections)
    def patch_without_a_time(self, via: int) -> None:
        answer = self.ask(via, "PATCH", self.key, {"kwh": Num(1)})
        assert (answer.status_code, answer.json()["status_code"]) in {(200, 2001), (404, 2001)}
        self.check(1 - via, self.key)


@pytest.mark.proves("SE-05", "SE-06", "SE-07", "SE-08", "SE-10", "S-03", "S-07", "X-30", "X-31", "Y-07")
def test_a_session_is_what_its_pushes_made_of_it(machine: Any) -> None:
    run_state_machine_as_test(machine(SessionPushes), settings=fuzz(12, steps=10))
