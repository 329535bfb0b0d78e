"""A driver is forgotten: nothing names them any more, and no amount, verdict, statement or root changes (invariant 13)."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.commands.erase import Driver, read_contract, read_token, run_erase
from hub.settlement.engine.retention import Retention, months_before
from hub.settlement.pseudonyms import personal_values, sealed_form
from hub.settlement.seal import leaf_hash, root_of
from hub.store.aliases import TokenName, forgotten, is_erased, renamed_text, token_in
from hub.store.database import Database
from hub.store.forgetting import Forgetting
from hub.store.pack import unpack
from hub.store.permits import KeptPermit, KeptResult, PermitNotes
from hub.store.pseudonyms import Pseudonyms
from hub.store.refusals import Refusal, Refusals
from hub.store.traces import token_text
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json, fold, format_datetime
from tests.settlement.cases import CPO, EMSP, OTHER_EMSP, cdr, changed, dc_cdr, session_of, token
from tests.settlement.test_settler import House

UID, CONTRACT = "TOKEN1", "NL-MSP-C00000001-1"
BY_TOKEN, BY_CONTRACT = read_token("nl/msp/rfid/token1"), read_contract("NLMSPC000000011")
SIGNED = {"encoding_method": "OCMF", "signed_values": [{"nature": "Start", "plain_data": "x", "signed_data": UID}]}
ODD = cdr(id="C-ODD", session_id="S-ODD", cdr_token__uid="token9", cdr_token__contract_id=CONTRACT, **{})
OCTOBER = "2026-10"


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    opened = await furnished(database)
    yield opened
    await opened.copies.close()


async def furnished(database: Database) -> House:
    """Two drivers; of one there is everything: CDR, session, token in two versions, a refused CDR, findings that name the token."""
    opened = House(database)
    await opened.furnish()
    await opened.push("tokens", token(last_updated="2026-10-15T00:00:00Z", visual_number="DF000-2001-8999"))
    await opened.receive(cdr(remark=f"card {UID}", signed_data=SIGNED))
    await opened.receive(dc_cdr())
    await opened.receive(ODD, after=60)
    refused = Refusal(
        caller="p",
        owner=CPO,
        object_id="C1",
        receiver=EMSP,
        text=encode_json(cdr(total_energy=99)),
        status_code=2001,
        answer="exists",
    )
    await Refusals(database).keep(refused, datetime(2026, 10, 11, tzinfo=UTC))
    await note(
        database, permit(), permit(token_of(uid="token9"), allowed="BLOCKED"), permit(token_of(OTHER_EMSP, "TOKEN2"))
    )
    await opened.settle_all()
    return opened


def token_of(owner: Party = EMSP, uid: str = UID, **more: Any) -> TokenName:
    return TokenName(owner, "RFID", fold(uid), **more)


def permit(
    named: TokenName | None = None, at: datetime = datetime(2026, 10, 10, 7, 59, tzinfo=UTC), **changes: Any
) -> KeptPermit:
    """An authorisation as the hub noted it; a no, as that of TOKEN9, does not name the contract."""
    token = named or token_of(contract=CONTRACT)
    content = {
        "kind": "AUTHORIZE",
        "asked_by": str(CPO),
        "answered_by": str(token.owner),
        "asked_at": format_datetime(at),
        "answered_at": format_datetime(at),
        "cdr_token": {
            "country_code": token.owner.country_code,
            "party_id": token.owner.party_id,
            "uid": token.uid,
            "type": token.type,
            **({"contract_id": token.contract} if token.contract else {}),
        },
        "allowed": "ALLOWED",
        **changes,
    }
    text = token_text(token)
    return KeptPermit(
        module="tokens",
        cpo=str(CPO),
        emsp=str(token.owner),
        token=text,
        reference="",
        callback="",
        asked_at=at,
        content=content,
    )


async def note(database: Database, *facts: KeptPermit | KeptResult) -> None:
    notes = PermitNotes(database.direct)
    for fact in facts:
        notes.take(fact)
    await notes.close()


async def everything(house: House) -> str:
    """All that stands in the database, as one text."""
    tables = await house.rows(
        "select table_name from information_schema.tables where table_schema = 'public' order by 1"
    )
    rows = [row for (table,) in tables for row in await house.database.direct.fetch(f"select * from {table}")]
    return "\n".join(f"{name}={readable(name, value)}" for row in rows for name, value in row.items())


def readable(name: str, value: Any) -> str:
    return unpack(value).decode() if name == "packed" and value is not None else str(value)


async def books(house: House) -> list[Any]:
    """All that must not change."""
    return [
        await house.rows("select * from posting order by id"),
        await house.rows("select * from journal_entry order by id"),
        await house.rows(
            "select creditor, cdr_key, disposition, turn, period, excl_vat, priced_excl_vat from verdict order by 2"
        ),
        await house.rows("select * from claim order by cdr_key"),
        await house.rows(
            "select key, check_id, kind, severity, disposition, at_risk, subject from finding order by key"
        ),
    ]


async def root(house: House) -> str:
    """A root over all CDRs as they would be sealed."""
    rows = await house.database.direct.fetch("select packed from copy where module = 'cdrs' order by key")
    leaves = [{name: decode_json(unpack(row["packed"]))[name] for name in ("id", "cdr_token")} for row in rows]
    digests = await Pseudonyms(house.database.direct).digests(OCTOBER, personal_values(leaves))
    return root_of(leaf_hash(sealed_form(leaf, digests)) for leaf in leaves).hex()


async def erase(house: House, driver: Driver) -> None:
    assert await run_erase(Forgetting(house.database.direct), driver, is_sure=True) == 0


async def test_nothing_names_a_driver_who_is_forgotten_by_token(house: House) -> None:
    before = await everything(house)
    assert UID in before
    assert CONTRACT in before
    await erase(house, BY_TOKEN)
    after = await everything(house)
    assert UID not in after.upper()
    assert "8999" not in after
    assert "TOKEN2" in after


async def test_nothing_names_a_driver_who_is_forgotten_by_contract(house: House) -> None:
    """All tokens of the contract, however it is spelled."""
    assert "TOKEN9" in (await everything(house)).upper()
    await erase(house, BY_CONTRACT)
    after = (await everything(house)).upper()
    assert not [word for word in (UID, "TOKEN9", CONTRACT) if word in after]
    assert "BE-EMO-C00000002-2" in after


async def test_no_amount_verdict_or_finding_changes_also_when_everything_is_looked_at_again(house: House) -> None:
    """Invariant 13: findings about the token stay, under its alias."""
    before, findings = await books(house), await house.findings()
    await erase(house, BY_CONTRACT)
    assert await books(house) == before
    await house.rows("update claim set examined_at = null returning 1")
    await house.settle_all()
    assert await house.findings() == findings
    assert (await books(house))[:3] == before[:3]


async def test_what_was_sealed_can_still_be_computed(house: House) -> None:
    """The salts are gone, the digests stay."""
    before = await root(house)
    await erase(house, BY_CONTRACT)
    assert await root(house) == before
    salts = dict(await house.rows("select value, salt is null from pseudonym order by 1"))
    assert [gone for value, gone in salts.items() if is_erased(value)] == [True] * 3
    assert salts["TOKEN2"] is False
    assert not {UID, CONTRACT, "TOKEN9"} & salts.keys()


async def test_what_another_driver_has_too_stays_theirs(house: House) -> None:
    other = token(country_code="BE", party_id="EMO", contract_id="BE-EMO-C3")
    await house.push("tokens", other)
    digests = Pseudonyms(house.database.direct)
    before = await digests.digests(OCTOBER, {UID})
    await erase(house, BY_TOKEN)
    assert await digests.digests(OCTOBER, {UID}) == before
    left = await house.rows("select country_code, key from copy where module = 'tokens' order by 1, 2")
    assert left == [("BE", "TOKEN1"), ("BE", "TOKEN2")]
    counted = await house.rows(
        "select country_code, sum(n)::int from copy_count where module = 'tokens' group by 1 order by 1"
    )
    assert counted == [("BE", 2), ("NL", 0)]


async def test_a_cdr_that_is_sent_again_is_known_and_brings_nobody_back(house: House) -> None:
    """CD-05: otherwise it would be refused, and kept as such."""
    await erase(house, BY_TOKEN)
    before = await everything(house)
    await house.receive(cdr(remark=f"card {UID}", signed_data=SIGNED))
    assert await everything(house) == before
    with pytest.raises(InvalidParameters):
        await house.receive(cdr(total_energy=21))


async def test_a_session_and_its_cdr_still_name_the_same_token(house: House) -> None:
    await erase(house, BY_TOKEN)
    texts = await house.rows("select packed from copy where key in ('C1', 'S1') order by key")
    cdr_text, session_text = (decode_json(unpack(packed)) for (packed,) in texts)
    assert is_erased(cdr_text["cdr_token"]["uid"])
    assert cdr_text["cdr_token"] == session_text["cdr_token"]
    assert cdr_text["remark"] == f"card {cdr_text['cdr_token']['uid']}"
    assert "signed_data" not in cdr_text
    ((verdict_token,),) = await house.rows("select token from verdict where cdr_key = 'C1'")
    assert verdict_token == f"NL/MSP|RFID|{cdr_text['cdr_token']['uid']}"


async def test_once_more_finds_nothing(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    await erase(house, BY_TOKEN)
    told = (
        "Found: 1 × token, 1 × CDR, 1 × session, 1 × copy of a token, 2 × version of a token, 1 × refused CDR, "
        "1 × authorisation or command."
    )
    assert told in capsys.readouterr().out
    await erase(house, BY_TOKEN)
    assert capsys.readouterr().out == "Nothing that the hub keeps names this driver.\n"


@pytest.mark.parametrize(
    ("answer", "status"),
    [pytest.param("n", 1, id="no"), pytest.param("", 1, id="nothing"), pytest.param(" YES ", 0, id="yes")],
)
async def test_it_asks_before_it_forgets(
    house: House, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    before = await everything(house)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert await run_erase(Forgetting(house.database.direct), BY_TOKEN, is_sure=False) == status
    assert (await everything(house) == before) is bool(status)


@pytest.mark.parametrize("text", ["NL/MSP/RFID", "NLX/MSP/RFID/U", "NL/MSP/RFID/", "UID"])
def test_a_token_is_named_whole(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        read_token(text)


def test_a_uid_may_have_a_slash_and_a_contract_cannot_be_empty() -> None:
    driver = read_token("NL/MSP/RFID/a/b")
    assert driver.token is not None
    assert driver.token.uid == "A/B"
    with pytest.raises(argparse.ArgumentTypeError):
        read_contract("--")


# --- retention -----------------------------------------------------------------------------------


async def bill_all(house: House) -> None:
    await house.rows("update verdict set statement = 'S' returning 1")


async def run_out(house: House, months: int, now: datetime) -> list[int]:
    house.clock.moment = now
    retention = Retention(Forgetting(house.database.direct), house.clock, months)
    return [await retention.run_due() for _ in range(3)]


async def test_drivers_are_taken_out_of_old_billed_cdrs(house: House) -> None:
    before = (await root(house), await books(house))
    await bill_all(house)
    assert await run_out(house, 12, datetime(2027, 11, 1, tzinfo=UTC)) == [3, 0, 0]
    tokens = [one for (one,) in await house.rows("select distinct token from verdict")]
    assert len(tokens) == 3
    assert all(is_erased(one.rpartition("|")[2]) for one in tokens)
    assert (await root(house), await books(house)) == before
    assert await house.rows("select 1 from pseudonym where salt is not null") == []
    assert await house.rows("select 1 from refused_cdr") == []
    assert await house.rows("select count(*) from copy where module = 'tokens'") == [(2,)]


@pytest.mark.parametrize(
    ("months", "left"),
    [
        pytest.param(0, ["2024-11-01"], id="after two years in any case"),
        pytest.param(36, ["2024-11-01"], id="not longer where drivers are kept for longer"),
        pytest.param(12, [], id="with the drivers"),
    ],
)
async def test_authorisations_and_commands_are_kept_for_a_time(house: House, months: int, left: list[str]) -> None:
    """With what came of them."""
    await house.rows("delete from permit returning 1")
    moments = [datetime(2024, 10, 31, 23, 59, tzinfo=UTC), datetime(2024, 11, 1, tzinfo=UTC)]
    results = [KeptResult("CB", "ACCEPTED", at) for at in moments]
    await note(house.database, *(permit(at=at) for at in moments), *results)
    assert await run_out(house, months, datetime(2026, 11, 30, tzinfo=UTC)) == [0, 0, 0]
    kept = "select to_char({0}, 'YYYY-MM-DD') from {1} order by 1"
    assert [at for (at,) in await house.rows(kept.format("asked_at", "permit"))] == left
    assert [at for (at,) in await house.rows(kept.format("known_at", "permit_result"))] == left


CAUSE = "F01|UNKNOWN_TOKEN|DE/ABC|EUR|token|"


async def decide(house: House) -> None:
    await house.rows(
        "insert into decision (scope, target, action, reason, note, at_risk, actor, decided_at, confirmed_by, revoked_by) "
        f"values ('cause', '{CAUSE}TOKEN9', 'accept', 'TOKEN', '', '{{}}', 'Ines', now(), '', '') returning 1"
    )


async def test_a_decision_about_a_token_goes_on_to_be_about_it(house: House) -> None:
    """Under its alias, and under the same digest; a cause and its decision still have one key."""
    await decide(house)
    digests = Pseudonyms(house.database.direct)
    before = (await digests.digests(OCTOBER, {"TOKEN9"}))["TOKEN9"]
    await erase(house, BY_CONTRACT)
    ((target,),) = await house.rows("select target from decision")
    assert target.startswith(f"{CAUSE}ERASED-")
    assert await house.rows("select distinct cause from finding where check_id = 'F01'") == [(target,)]
    alias = target.rpartition("|")[2]
    assert await digests.digests(OCTOBER, {alias}) == {alias: before}


async def test_a_decision_about_a_token_outlives_the_cdrs_that_are_old(house: House) -> None:
    """It stands for later CDRs of the token."""
    await decide(house)
    digests = Pseudonyms(house.database.direct)
    before = await digests.digests(OCTOBER, {"TOKEN9"})
    await bill_all(house)
    await run_out(house, 1, datetime(2027, 11, 1, tzinfo=UTC))
    assert await house.rows("select target from decision") == [(f"{CAUSE}TOKEN9",)]
    assert await digests.digests(OCTOBER, {"TOKEN9"}) == before


@pytest.mark.parametrize(
    ("months", "now", "is_billed"),
    [
        pytest.param(0, datetime(2099, 1, 1, tzinfo=UTC), True, id="no retention is set"),
        pytest.param(12, datetime(2027, 10, 31, tzinfo=UTC), True, id="a day before the twelve months are whole"),
        pytest.param(12, datetime(2027, 11, 1, tzinfo=UTC), False, id="nothing is billed yet"),
    ],
)
async def test_what_is_young_or_not_billed_keeps_its_driver(
    house: House, months: int, now: datetime, is_billed: bool
) -> None:
    if is_billed:
        await bill_all(house)
    assert await run_out(house, months, now) == [0, 0, 0]
    assert await house.rows("select 1 from verdict where token like '%ERASED%'") == []


async def test_retention_that_breaks_off_goes_on_with_the_same_names(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two CDRs of one token in two batches."""
    await house.receive(changed(cdr(), id="C3", session_id="S3", start_date_time="2026-10-20T08:00:00Z"))
    await house.settle_all()
    before = await root(house)
    await bill_all(house)
    monkeypatch.setattr("hub.store.forgetting.OLD_BATCH_MAX_CDRS", 1)
    forgetting = Forgetting(house.database.direct)
    while await forgetting.forget_old(datetime(2027, 1, 1, tzinfo=UTC)):
        pass
    assert await root(house) == before
    tokens = dict(await house.rows("select cdr_key, token from verdict"))
    assert tokens["C1"] == tokens["C3"]


@pytest.mark.parametrize(
    ("months", "begins"),
    [
        pytest.param(1, datetime(2026, 12, 1, tzinfo=UTC), id="last month"),
        pytest.param(13, datetime(2025, 12, 1, tzinfo=UTC), id="over the year"),
        pytest.param(1200, datetime(1927, 1, 1, tzinfo=UTC), id="a century"),
    ],
)
def test_months_are_whole(months: int, begins: datetime) -> None:
    assert months_before(datetime(2027, 1, 31, 23, tzinfo=UTC), months) == begins


# --- objects -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param("TOKEN1", "X", id="the whole text"),
        pytest.param("Token token1 of NL/MSP.", "Token X of NL/MSP.", id="a word"),
        pytest.param("TOKEN11 and ATOKEN1", "TOKEN11 and ATOKEN1", id="parts of other words"),
    ],
)
def test_ids_are_replaced_as_words(text: str, after: str) -> None:
    assert renamed_text(text, {"TOKEN1": "X"}) == after


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param("7", "X", id="the whole text"),
        pytest.param("Token 7 charged 7 kWh.", "Token X charged 7 kWh.", id="a number is no token"),
    ],
)
def test_short_ids_are_only_replaced_where_they_are_meant(text: str, after: str) -> None:
    assert renamed_text(text, {"7": "X"}) == after


@pytest.mark.parametrize("content", [{}, [], None, {"cdr_token": 1}, {"cdr_token": {"uid": ""}}, {"uid": 5}])
def test_what_names_no_token_names_nobody(content: Any) -> None:
    assert token_in(content) is None
    assert forgotten(content, lambda _: True, str) is None


def test_a_token_keeps_only_what_charging_needs() -> None:
    found = forgotten(
        token(visual_number="8999", group_id="G", nickname="Anna"), lambda _: True, lambda value: f"~{value}"
    )
    assert found is not None
    assert {"visual_number", "group_id", "nickname"}.isdisjoint(found.content)
    assert (found.content["uid"], found.content["contract_id"], found.content["valid"]) == (
        f"~{UID}",
        f"~{CONTRACT}",
        True,
    )


def test_only_those_who_are_wanted_are_forgotten() -> None:
    assert forgotten(dc_cdr(), BY_TOKEN.has, str) is None
    assert BY_TOKEN.has(_token(session_of(cdr())))
    assert not BY_TOKEN.has(_token(cdr(cdr_token__type="APP_USER")))
    assert Party.parse("BE/EMO") == OTHER_EMSP


def test_sealed_forms_have_digests_in_the_place_of_names() -> None:
    content: Mapping[str, Any] = {
        "id": "C1",
        "cdr_token": {"uid": "A", "contract_id": "B", "type": "RFID"},
        "list": [{"uid": "A"}],
    }
    assert personal_values(content) == {"A", "B"}
    assert sealed_form(content, {"A": "aa", "B": "bb"}) == {
        "id": "C1",
        "cdr_token": {"uid": {"salted": "aa"}, "contract_id": {"salted": "bb"}, "type": "RFID"},
        "list": [{"uid": {"salted": "aa"}}],
    }
    with pytest.raises(KeyError):
        sealed_form(content, {})


def _token(content: Any) -> Any:
    found = token_in(content)
    assert found is not None
    return found
