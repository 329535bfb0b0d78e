"""Two demo platforms talk to each other without a hub: the handshake, every module, and the faults they can be told to have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest

from hub.demo.caller import Caller
from hub.demo.connection import Connection
from hub.demo.faults import Fault, web_page
from hub.demo.party import DemoPlatform, role
from ocpi_modules.errors import (
    ReceiverNotConnected,
    ReceiverTimeout,
    RoutingFault,
    UnsupportedVersion,
    UnusableApi,
)
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party

CP1, MS1 = Party("DE", "CP1"), Party("NL", "MS1")
OF_CP1 = {"country_code": "DE", "party_id": "CP1"}
OF_MS1 = {"country_code": "NL", "party_id": "MS1"}

Example = Callable[..., dict[str, Any]]


@pytest.fixture
async def cpo() -> AsyncIterator[DemoPlatform]:
    async with DemoPlatform("P1", [role("CPO", "DE/CP1")]).running() as platform:
        yield platform


@pytest.fixture
async def emsp(cpo: DemoPlatform) -> AsyncIterator[DemoPlatform]:
    async with DemoPlatform("P3", [role("EMSP", "NL/MS1")]).running() as platform:
        await cpo.join(platform.invite(), platform.versions_url)
        yield platform


class TestHandshake:
    async def test_both_sides_know_each_other_with_four_different_tokens(self) -> None:
        """C-01, C-04: A opens the door and is used up; B and C differ."""
        async with (
            DemoPlatform("P1", [role("CPO", "DE/CP1")]).running() as cpo,
            DemoPlatform("P3", [role("EMSP", "NL/MS1")]).running() as emsp,
        ):
            token_a = emsp.invite()
            mine = await cpo.join(token_a, emsp.versions_url)
            theirs = emsp.connection
            assert theirs is not None
            assert (mine.token, mine.own_token) == (theirs.own_token, theirs.token)
            assert len({token_a, mine.token, mine.own_token}) == 3
            assert mine.parties == (MS1,)
            with pytest.raises(UnusableApi, match="HTTP 401"):
                await cpo.join(token_a, emsp.versions_url)

    async def test_versions_are_read_with_token_b_before_the_answer(
        self, cpo: DemoPlatform, emsp: DemoPlatform
    ) -> None:
        """C-02, C-03: the registered side looks at our versions and details with the token we gave it."""
        assert cpo.connection is not None
        looked = [seen for seen in cpo.seen if seen.module_id == "versions"]
        assert [seen.path for seen in looked] == ["/versions", "/2.2.1"]
        assert {seen.token for seen in looked} == {cpo.connection.own_token}
        assert all(seen.sender is None and seen.receiver is None for seen in looked)

    async def test_endpoints_are_those_of_the_roles(self, cpo: DemoPlatform, emsp: DemoPlatform) -> None:
        """V-05: credentials once, as SENDER."""
        assert cpo.connection is not None
        listed = set(cpo.connection.endpoints)
        assert ("locations", Interface.RECEIVER) in listed
        assert ("tokens", Interface.SENDER) in listed
        assert ("locations", Interface.SENDER) not in listed
        assert [role for name, role in listed if name == "credentials"] == [Interface.SENDER]

    async def test_renewed_tokens_replace_the_old_ones(self, cpo: DemoPlatform, emsp: DemoPlatform) -> None:
        """C-12, C-13."""
        before = cpo.connection
        assert before is not None
        after = await cpo.renew()
        assert {after.token, after.own_token}.isdisjoint({before.token, before.own_token})
        assert (await cpo.get_all("tokens", receiver=MS1)).objects == []
        cpo.connection = before
        assert (await cpo.authorize("U1", receiver=MS1)).http_status == 401

    async def test_a_platform_that_left_is_not_let_in(self, cpo: DemoPlatform, emsp: DemoPlatform) -> None:
        """C-16."""
        known = cpo.connection
        assert (await cpo.leave()).is_success
        cpo.connection = known
        assert (await cpo.authorize("U1", receiver=MS1)).http_status == 401

    async def test_an_invited_platform_opens_nothing_else(self, emsp: DemoPlatform) -> None:
        """T-07."""
        async with DemoPlatform("P9", [role("CPO", "DE/CP9")]).running() as other:
            url = emsp.url_of("tokens", Interface.SENDER)
            other.connection = Connection(emsp.versions_url, emsp.invite(), "", {("tokens", Interface.SENDER): url})
            assert (await other.authorize("U1", receiver=MS1)).http_status == 401

    async def test_another_version_is_not_joined(self, cpo: DemoPlatform) -> None:
        """C-19."""
        async with DemoPlatform("P2", [role("EMSP", "BE/MS2")]).running() as old:
            old.offered_version = "2.1.1"
            with pytest.raises(UnsupportedVersion):
                await cpo.join(old.invite(), old.versions_url)
            assert cpo.connection is None

    def test_a_connection_survives_being_written_down(self) -> None:
        url = "http://127.0.0.1:1/a"
        known = Connection("http://127.0.0.1:1/versions", "c", "b", {("cdrs", Interface.SENDER): url}, (CP1,))
        assert Connection.from_json(known.as_json()) == known


class TestModules:
    async def test_a_location_is_pushed_patched_and_read_back(
        self, cpo: DemoPlatform, emsp: DemoPlatform, example: Example
    ) -> None:
        """L-09, L-10, R-12: part by part; unknown fields and numbers stay as they were."""
        location = example("location", **OF_CP1, id="L1", x_vendor={"a": 1})
        evse = location["evses"][0]["uid"]
        put = await cpo.push("locations", CP1, ("L1",), location, receiver=MS1)
        assert (put.http_status, put.status_code) == (201, 1000)
        change = {"status": "BLOCKED", "last_updated": "2026-11-01T10:00:00Z"}
        assert (await cpo.patch("locations", CP1, ("L1", evse), change, receiver=MS1)).is_success
        kept = (await cpo.read("locations", CP1, ("L1",), receiver=MS1)).data
        assert kept["evses"][0]["status"] == "BLOCKED"
        assert kept["last_updated"] == "2026-11-01T10:00:00Z"
        assert kept["x_vendor"] == {"a": 1}
        assert (await cpo.read("locations", CP1, ("L1", evse), receiver=MS1)).data["status"] == "BLOCKED"

    async def test_a_list_is_read_in_pages_and_by_date(
        self, cpo: DemoPlatform, emsp: DemoPlatform, example: Example
    ) -> None:
        """P-02, P-03, P-07, P-08, P-12."""
        cpo.desk.page_max_objects = 2
        for hour in range(5):
            moment = f"2026-10-01T0{hour}:00:00Z"
            cpo.desk.offer("locations", example("location", **OF_CP1, id=f"L{hour}", last_updated=moment))
        crawl = await emsp.get_all("locations", receiver=CP1, query="limit=50")
        assert ([found["id"] for found in crawl.objects], crawl.total, crawl.pages) == (
            ["L0", "L1", "L2", "L3", "L4"],
            5,
            3,
        )
        window = "date_from=2026-10-01T01:00:00Z&date_to=2026-10-01T03:00:00Z"
        part = await emsp.get_all("locations", receiver=CP1, query=window)
        assert [found["id"] for found in part.objects] == ["L1", "L2"]
        with pytest.raises(UnusableApi, match="2001"):
            await emsp.get_all("locations", receiver=CP1, query="date_from=yesterday")

    async def test_a_session_grows_by_patches(self, cpo: DemoPlatform, emsp: DemoPlatform, example: Example) -> None:
        """SE-07: charging periods are added."""
        session = example("session", **OF_CP1, id="S1", status="ACTIVE")
        assert (await cpo.push("sessions", CP1, ("S1",), session, receiver=MS1)).is_success
        more = {
            "kwh": Decimal("15.10"),
            "charging_periods": session["charging_periods"][:1],
            "last_updated": "2026-01-15T08:00:00Z",
        }
        assert (await cpo.patch("sessions", CP1, ("S1",), more, receiver=MS1)).is_success
        kept = next(iter(emsp.desk.kept["sessions"]))
        assert (str(kept["kwh"]), len(kept["charging_periods"])) == ("15.10", 3)

    async def test_a_cdr_is_kept_once_and_readable_where_location_says(
        self, cpo: DemoPlatform, emsp: DemoPlatform, example: Example
    ) -> None:
        """CD-02, CD-03, CD-05: the same once more is no harm, another one under the same id is refused."""
        cdr = example("cdr", **OF_CP1, id="C1")
        posted = await cpo.post_cdr(cdr, receiver=MS1)
        assert posted.http_status == 201
        read = await cpo.get_page(posted.headers["location"], receiver=MS1)
        assert read.data["id"] == "C1"
        again = await cpo.post_cdr(cdr, receiver=MS1)
        assert (again.http_status, again.headers["location"]) == (201, posted.headers["location"])
        other = example("cdr", **OF_CP1, id="C1", remark="another one")
        assert (await cpo.post_cdr(other, receiver=MS1)).status_code == 2001
        assert len(emsp.desk.kept["cdrs"]) == 1

    async def test_a_tariff_is_pushed_and_taken_away(
        self, cpo: DemoPlatform, emsp: DemoPlatform, example: Example
    ) -> None:
        """TF-01, TF-02."""
        tariff = example("tariff", **OF_CP1, id="T1")
        assert (await cpo.push("tariffs", CP1, ("T1",), tariff, receiver=MS1)).is_success
        assert (await cpo.delete("tariffs", CP1, "T1", receiver=MS1)).is_success
        gone = await cpo.delete("tariffs", CP1, "T1", receiver=MS1)
        assert (gone.http_status, gone.status_code) == (404, 2000)

    async def test_a_token_is_named_by_its_type_too(
        self, cpo: DemoPlatform, emsp: DemoPlatform, example: Example
    ) -> None:
        """TK-02."""
        token = example("token", **OF_MS1, uid="U1", type="APP_USER")
        assert (await emsp.push("tokens", MS1, ("U1",), token, receiver=CP1)).is_success
        pushed = [seen for seen in cpo.seen if seen.method == "PUT"]
        assert pushed[0].query == "type=APP_USER"
        assert (pushed[0].sender, pushed[0].receiver) == (MS1, CP1)
        change = {"valid": False, "type": "APP_USER", "last_updated": "2026-11-01T10:00:00Z"}
        assert (await emsp.patch("tokens", MS1, ("U1",), change, receiver=CP1)).is_success
        assert [token["valid"] for token in cpo.desk.kept["tokens"]] == [False]

    @pytest.mark.parametrize(
        ("uid", "changes", "verdict", "status", "allowed"),
        [
            pytest.param("U1", {}, None, (200, 1000), "ALLOWED", id="a good token is let charge"),
            pytest.param("U1", {"valid": False}, None, (200, 1000), "BLOCKED", id="an invalid one is not"),
            pytest.param("U1", {}, "NO_CREDIT", (200, 1000), "NO_CREDIT", id="a rule for it wins"),
            pytest.param("u1", {}, None, (200, 1000), "ALLOWED", id="case does not matter"),
            pytest.param("U2", {}, None, (404, 2004), None, id="an unknown one is 404 and 2004"),
        ],
    )
    async def test_an_authorization_is_answered_in_real_time(
        self,
        cpo: DemoPlatform,
        emsp: DemoPlatform,
        example: Example,
        uid: str,
        changes: dict[str, Any],
        verdict: str | None,
        status: tuple[int, int],
        allowed: str | None,
    ) -> None:
        """TK-07, TK-09, TK-10."""
        emsp.desk.offer("tokens", example("token", **OF_MS1, uid="U1", **changes))
        emsp.desk.verdicts = {"U1": verdict} if verdict else {}
        heard = await cpo.authorize(uid, "RFID", {"location_id": "L1", "evse_uids": ["1"]}, receiver=MS1)
        assert (heard.http_status, heard.status_code) == status
        assert (heard.data or {}).get("allowed") == allowed

    async def test_a_command_is_answered_and_its_result_comes_back(
        self, cpo: DemoPlatform, emsp: DemoPlatform, example: Example
    ) -> None:
        """CM-02, CM-05: NOT_SUPPORTED unless told otherwise; results are bare objects."""
        command = example("stop_session", response_url=emsp.callback_url("commands", "42"))
        first = await emsp.command("STOP_SESSION", command, receiver=CP1)
        assert first.data == {"result": "NOT_SUPPORTED", "timeout": 30}
        cpo.desk.command_answer = "ACCEPTED"
        assert (await emsp.command("STOP_SESSION", command, receiver=CP1)).data["result"] == "ACCEPTED"
        assert (
            await cpo.call("POST", command["response_url"], receiver=MS1, content={"result": "ACCEPTED"})
        ).is_success
        assert list(emsp.desk.results) == [("42", {"result": "ACCEPTED"})]

    async def test_a_client_info_is_kept_by_party_and_role(
        self, cpo: DemoPlatform, emsp: DemoPlatform, example: Example
    ) -> None:
        """HC-02."""
        for name in ("CPO", "EMSP"):
            info = example("client_info", **OF_CP1, role=name)
            assert (await cpo.push("hubclientinfo", CP1, (), info, receiver=None)).is_success
        assert [info["role"] for info in emsp.desk.kept["hubclientinfo"]] == ["CPO", "EMSP"]
        assert (await cpo.read("hubclientinfo", CP1, (), receiver=None)).data["role"] == "CPO"


class TestRefusals:
    async def test_what_is_wrong_is_named_and_not_kept(
        self, cpo: DemoPlatform, emsp: DemoPlatform, example: Example
    ) -> None:
        """T-14."""
        location = example("location", **OF_CP1, id="L1")
        del location["city"]
        heard = await cpo.push("locations", CP1, ("L1",), location, receiver=MS1)
        assert (heard.http_status, heard.status_code) == (200, 2001)
        assert "city" in (heard.message or "")
        assert len(emsp.desk.kept["locations"]) == 0

    async def test_a_change_of_something_unknown_is_404(self, cpo: DemoPlatform, emsp: DemoPlatform) -> None:
        """S-06, X-32."""
        change = {"status": "BLOCKED", "last_updated": "2026-11-01T10:00:00Z"}
        heard = await cpo.patch("locations", CP1, ("L9", "1"), change, receiver=MS1)
        assert (heard.http_status, heard.status_code) == (404, 2003)

    @pytest.mark.parametrize(
        ("method", "suffix", "http_status"),
        [
            pytest.param("DELETE", "/DE/CP1/L1", 405, id="a location is never deleted (M-04)"),
            pytest.param("GET", "/DE/CP1/L1/1/2/3", 404, id="nothing is that deep"),
        ],
    )
    async def test_what_is_not_offered_is_refused_with_an_envelope(
        self, cpo: DemoPlatform, emsp: DemoPlatform, method: str, suffix: str, http_status: int
    ) -> None:
        """T-12."""
        url = cpo.endpoint("locations", Interface.RECEIVER) + suffix
        heard = await cpo.call(method, url, receiver=MS1)
        assert (heard.http_status, heard.status_code) == (http_status, 2000)
        assert ("allow" in heard.headers) is (http_status == 405)

    async def test_answers_repeat_the_ids_and_swap_the_parties(self, cpo: DemoPlatform, emsp: DemoPlatform) -> None:
        """T-16, R-03."""
        ids = {"X-Request-ID": "r1", "X-Correlation-ID": "c1"}
        url = cpo.endpoint("locations", Interface.RECEIVER) + "/DE/CP1/L1"
        headers = (await cpo.call("GET", url, receiver=MS1, headers=ids)).headers
        assert (headers["x-request-id"], headers["x-correlation-id"]) == ("r1", "c1")
        assert (headers["ocpi-from-party-id"], headers["ocpi-to-party-id"]) == ("MS1", "CP1")


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "status"),
        [
            pytest.param(Fault(status_code=2901, message="no"), (200, 2901), id="another OCPI code"),
            pytest.param(Fault(http_status=503), (503, 2004), id="another HTTP status"),
            pytest.param(web_page(), (502, None), id="a page of a gateway"),
            pytest.param(Fault(module_id="locations"), (404, 2004), id="a fault elsewhere changes nothing"),
            pytest.param(Fault(method="GET", http_status=500), (404, 2004), id="nor does one of another method"),
        ],
    )
    async def test_a_fault_changes_the_answer(
        self, cpo: DemoPlatform, emsp: DemoPlatform, fault: Fault, status: tuple[int, int | None]
    ) -> None:
        emsp.faults = [fault]
        heard = await cpo.authorize("U1", receiver=MS1)
        assert (heard.http_status, heard.status_code) == status

    async def test_wrong_headers_replace_the_right_ones_once(self, cpo: DemoPlatform, emsp: DemoPlatform) -> None:
        emsp.faults = [Fault(headers={"OCPI-from-party-id": "XXX", "X-Request-ID": "?"}, once=True)]
        first, second = [(await cpo.authorize("U1", receiver=MS1)).headers for _ in range(2)]
        assert (first["ocpi-from-party-id"], first["x-request-id"]) == ("XXX", "?")
        assert second["ocpi-from-party-id"] == "MS1"

    async def test_a_slow_platform_keeps_its_caller_waiting(self, cpo: DemoPlatform, emsp: DemoPlatform) -> None:
        emsp.faults = [Fault(wait_seconds=1.0, once=True)]
        hasty = _in_haste(cpo)
        with pytest.raises(ReceiverTimeout):
            await hasty.authorize("U1", receiver=MS1)
        assert (await hasty.authorize("U1", receiver=MS1)).status_code == 2004
        await hasty.close()

    async def test_a_platform_that_is_down_comes_back_at_the_same_address(
        self, cpo: DemoPlatform, emsp: DemoPlatform
    ) -> None:
        async with emsp.down():
            with pytest.raises((ReceiverNotConnected, RoutingFault)):
                await cpo.authorize("U1", receiver=MS1)
        assert (await cpo.authorize("U1", receiver=MS1)).status_code == 2004

    async def test_requests_are_waited_for(self, cpo: DemoPlatform, emsp: DemoPlatform) -> None:
        await cpo.authorize("U1", receiver=MS1)
        (seen,) = await emsp.wait_until_seen(lambda seen: seen.module_id == "tokens")
        assert (seen.method, seen.path, seen.sender) == ("POST", "/2.2.1/sender/tokens/U1/authorize", CP1)


def _in_haste(cpo: DemoPlatform) -> Caller:
    """The same platform with less patience."""
    caller = Caller("hasty", cpo.parties, answer_wait_seconds=0.3)
    caller.connection = cpo.connection
    return caller
