"""A driver is forgotten in every table there is, those of local chargers too; whoever adds a table says here whether it may name one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import SQLModel

import hub.store.tables  # noqa: F401 - the tables are there once they are imported
from hub.settlement.pseudonyms import personal_values
from hub.store.aliases import is_erased
from hub.store.chargecommands import ChargeCommands, KeptAlias, KeptCommand, KeptReservation
from hub.store.charges import Change, Charge, Charges, ChargeState, Reading, Wanted
from hub.store.database import Database
from hub.store.exchanges import Batch, Exchanges
from hub.store.pack import unpack
from hub.store.pseudonyms import Pseudonyms
from ocpi_modules.types import decode_json, encode_json
from tests.settlement.cases import cdr
from tests.settlement.test_settler import House
from tests.store.test_erasing import NOON, head
from tests.store.test_forgetting import (
    BY_CONTRACT,
    BY_TOKEN,
    CONTRACT,
    OCTOBER,
    UID,
    bill_all,
    decide,
    erase,
    furnished,
    run_out,
)

AT_CHARGERS = {"charge", "charge_reading", "charge_reservation", "charge_alias", "charge_command"}
NAME_DRIVERS = AT_CHARGERS | {
    *("copy", "version", "refused_cdr", "permit", "verdict", "finding", "completed_session"),
    *("pseudonym", "decision", "defect", "exchange_batch"),
}
"""Tables in which drivers stand. A test has to put one into each."""

_OTHERS = """
account alert alert_channel alert_rule alert_telling audit_entry console_link console_session forgetting handshake_step
invitation meter_key partner party endpoint permission profile agreement reader reader_day pull step_failure callback
account_balance adjustment chase claim copy_count decision_limit dispute dispute_link dispute_step due emsp_view finding_cdr
journal_entry period period_step permit_result place place_quality posting public_change public_counter public_location
public_source fee_look repeated_cdr seal settlement_statement settling statement_kept_out statement_line verdict_total
charge_connector charge_evse charge_limit charge_preference charge_profile charge_site charge_station charge_tariff
"""
NAME_NOBODY = set(_OTHERS.split())
"""Tables in which no driver stands: who is who, money, places, and what stations say of themselves."""

START = datetime(2026, 10, 10, 8, tzinfo=UTC)
TOKEN = {"country_code": "NL", "party_id": "MSP", "uid": "Token1", "type": "RFID", "contract_id": CONTRACT}
OTHERS = {**TOKEN, "country_code": "BE", "party_id": "EMO", "uid": "TOKEN2", "contract_id": "BE-EMO-C00000002-2"}
OCMF = f'OCMF|{{"ID":"{UID}"}}|{{"SD":"00"}}'


def text(content: Any) -> str:
    return encode_json(content).decode()


def charge(key: str, **changes: Any) -> Charge:
    """A charge of the driver that runs."""
    usual: dict[str, Any] = {
        "identity": "CP-1",
        "start_key": f"{key} of {UID}",
        "evse": 0,
        "connector": 1,
        "started_at": START,
        "told_started_at": START,
        "made_at": START,
        "session_id": f"S-{key}",
        "id_token": UID,
        "token": text(TOKEN),
        "reference": f"REF {UID}",
        "energy_wh": Decimal(1234),
        "flags": f"RELEASED by Otto: card {UID.lower()}",
    }
    return Charge(**{**usual, **changes})


OVER: dict[str, Any] = {"ended_at": START + timedelta(hours=1)}
RUNS = charge("RUNS")
BILLED = charge("C1", **OVER, state=ChargeState.COMPLETED, cdr=text(cdr(signed_data={"x": OCMF})), is_cdr_told=True)
UNKNOWN_CARD = charge("CARD", **OVER, state=ChargeState.INVALID, token="", reference=None, id_token=UID.lower())
ANOTHERS = charge("OTHER", **OVER, start_key="O", token=text(OTHERS), reference="R", id_token="TOKEN2", flags="")


async def keep_charges(database: Database) -> None:
    charges = Charges(database.direct)
    for one in (RUNS, BILLED, UNKNOWN_CARD, ANOTHERS):
        signed = "" if one is ANOTHERS else OCMF
        readings = (Reading(key="1", at=START, told_at=START, register_wh=Decimal(5), signed=signed, raw=signed),)
        await charges.change(Wanted(identity=one.identity), lambda *_, one=one, r=readings: Change(one, r))


async def keep_orders(database: Database) -> None:
    """What an eMSP asked of local chargers for this driver."""
    kept, until = ChargeCommands(database.direct), START + timedelta(days=1)
    where: dict[str, Any] = {"sender": "NL/MSP", "identity": "CP-1", "site": "S", "evse_uid": "1", "token": text(TOKEN)}
    reserved = KeptReservation(
        **where,
        reservation_id=f"R-{UID}",
        id_token=UID,
        state="ACTIVE",
        evse=0,
        connector=1,
        reference=UID,
        expires_at=until,
        made_at=START,
        cdr=text(cdr(id="UNUSED")),
    )
    await kept.reserve(reserved)
    content = text({"reservation_id": reserved.reservation_id})
    command = KeptCommand(
        **where, kind="RESERVE_NOW", response_url="http://hub/1", made_at=START, due_at=until, id_token=UID
    )
    await kept.add(replace(command, content=content, reference=UID))
    await kept.keep_alias(
        KeptAlias(
            alias="A" * 20,
            owner="NL/MSP",
            uid="Token1",
            kind="RFID",
            token=text(TOKEN),
            reference=None,
            made_at=START,
            expires_at=until,
        )
    )


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    """A driver in every table that may name one."""
    opened = await furnished(database)
    await decide(opened)
    await Pseudonyms(database.direct).digests(OCTOBER, personal_values([cdr()]))
    await opened.rows(
        "insert into defect (owner, module, defect, kept, refused, last_at, last_id) "
        f"values ('NL/MSP', 'tokens', 'x', 1, 0, now(), '{UID}') returning 1"
    )
    body = encode_json({"cdr_token": TOKEN})
    await Exchanges(database.direct).write(Batch(NOON, [head(f"/ocpi/tokens/NL/MSP/{UID}")], [(body, None)]))
    await keep_charges(database)
    await keep_orders(database)
    yield opened
    await opened.copies.close()


async def named_in(house: House, *marks: str) -> set[str]:
    """The tables in which one of some marks stands in anything, however it is written or packed."""
    found = set[str]()
    for (table,) in await house.rows("select table_name from information_schema.tables where table_schema = 'public'"):
        rows = await house.database.direct.fetch(f"select * from {table}")
        told = "\n".join(readable(value) for row in rows for value in row.values()).upper()
        found |= {table} if any(mark in told for mark in marks) else set()
    return found


def readable(value: Any) -> str:
    """A value as text; of what is packed what is in it."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return (value + unpack(value)).decode("latin-1")
    except Exception:  # it is not packed
        return value.decode("latin-1")


def test_of_every_table_it_is_said_whether_it_may_name_a_driver() -> None:
    """A new table goes into one of the two sets; where it may name a driver, `erase` and the fixture have to reach it."""
    tables = set(SQLModel.metadata.tables)
    assert (set(), tables) == (NAME_DRIVERS & NAME_NOBODY, NAME_DRIVERS | NAME_NOBODY)


async def figures(house: House) -> list[Any]:
    """What has to stay of charges: times, energies, ids, money."""
    rows = await house.rows(
        "select number, identity, evse, connector, started_at, ended_at, meter_start_wh, meter_end_wh, energy_wh, session_id, state, "
        "version, told_version, cdr from charge order by number"
    )
    readings = await house.rows("select charge, key, at, register_wh from charge_reading order by charge")
    return [*((*row[:-1], money(row[-1])) for row in rows), *readings]


def money(told: str | None) -> Any:
    content = decode_json(told.encode()) if told else {}
    return [content.get(name) for name in ("id", "session_id", "total_energy", "total_cost", "charging_periods")]


@pytest.mark.parametrize(
    ("driver", "marks"),
    [
        pytest.param(BY_TOKEN, (UID,), id="by token"),
        pytest.param(BY_CONTRACT, (UID, "TOKEN9", CONTRACT), id="by contract"),
    ],
)
async def test_no_table_names_a_driver_who_is_forgotten(house: House, driver: Any, marks: tuple[str, ...]) -> None:
    assert await named_in(house, UID, "TOKEN9") == NAME_DRIVERS
    before = await figures(house)
    await erase(house, driver)
    assert await named_in(house, *marks) == set()
    assert await figures(house) == before
    assert "charge" in await named_in(house, "TOKEN2")


async def test_a_charge_its_cdr_and_the_copy_of_it_have_one_new_name(house: House) -> None:
    await erase(house, BY_TOKEN)
    ((packed,),) = await house.rows("select packed from copy where module = 'cdrs' and key = 'C1'")
    ((told, kept, reference, flags),) = await house.rows(
        "select cdr, token, reference, flags from charge where session_id = 'S-C1'"
    )
    copied = decode_json(unpack(packed))["cdr_token"]
    assert is_erased(copied["uid"])
    assert decode_json(told.encode())["cdr_token"] == copied == decode_json(kept.encode())
    assert (reference, flags) == (f"REF {copied['uid']}", f"RELEASED by Otto: card {copied['uid']}")
    assert "signed_data" not in decode_json(told.encode())


async def test_erase_says_what_it_found_at_local_chargers(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    await erase(house, BY_TOKEN)
    assert "3 × charge at a local charger, 3 × order to a local charger." in capsys.readouterr().out
    await erase(house, BY_TOKEN)
    assert capsys.readouterr().out == "Nothing that the hub keeps names this driver.\n"


async def test_old_charges_forget_their_drivers_with_their_cdrs(house: House) -> None:
    """The billed one gets the names of its CDR; one of an unknown card is never billed; what runs keeps its driver."""
    before = await figures(house)
    await bill_all(house)
    await run_out(house, 12, datetime(2027, 10, 31, tzinfo=UTC))
    assert await house.rows("select 1 from charge where id_token like 'ERASED-%'") == [], "a day too early"
    await run_out(house, 12, datetime(2027, 11, 1, tzinfo=UTC))
    ids = dict(await house.rows("select session_id, id_token from charge"))
    ((packed,),) = await house.rows("select packed from copy where module = 'cdrs' and key = 'C1'")
    assert ids["S-C1"] == decode_json(unpack(packed))["cdr_token"]["uid"]
    assert is_erased(ids["S-CARD"])
    assert (ids["S-RUNS"], ids["S-OTHER"]) == (UID, "TOKEN2")
    signed = dict(
        await house.rows("select c.session_id, r.signed from charge c join charge_reading r on r.charge = c.number")
    )
    assert (signed["S-C1"], signed["S-CARD"], signed["S-RUNS"]) == ("", "", OCMF)
    assert await figures(house) == before
