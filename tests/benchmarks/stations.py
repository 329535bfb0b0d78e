"""Many charge points at one hub: how fast it answers them, what that costs, and that each charge is billed, once (C-T6).

A site is provisioned through the admin API, and its charge points connect, boot and charge for the drivers of one eMSP that joined over
HTTP. Cars come and go far faster than at any site, so that a minute has as many charges as half a day; the energy of a charge is small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from ocpi_modules.parties import Party
from tests.benchmarks.charge_points import Done, Fleet, token_uid
from tests.benchmarks.figures import MILLISECONDS, Detail, Report, Round, Row, number, percentile
from tests.benchmarks.machine import cpu_seconds, peak_memory_bytes, pinner
from tests.benchmarks.party import HUB, Member, PartnerServer, join
from tests.benchmarks.processes import ADMIN_TOKEN, END_WAIT_SECONDS, ROOT, Program, environment
from tests.benchmarks.stage import Options, require, stage

LEAST_SECONDS = 20.0
GOAL_MS = 200.0
EMSP = Party("NL", "MS1")
SITE, TARIFF = "YARD", "YARD-AC"
OFFERS = "sessions.RECEIVER+cdrs.RECEIVER"
SECRET = "a-secret-of-a-station"
PROVISION_WAIT_SECONDS = 300.0
TOLD_WAIT_SECONDS = 300.0
LOOK_SECONDS = 0.2
BYTES_A_MEBIBYTE = 1 << 20

Billed = Counter[tuple[str, int]]
"""Charges: identity of the station, Wh."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the eMSP was told: ids of Sessions with the last status of each, and all CDRs that were posted."""

    sessions: Mapping[str, str]
    cdrs: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Measured:
    """A run: what the orders came to, the hub's CPU in each (seconds), its peak memory, and how long after the last word of a station the
    last CDR came."""

    booted: Done
    charged: Done
    cpu_seconds: tuple[float, float]
    memory_bytes: int
    billed_after_seconds: float
    told: Told


def stations(options: Options) -> Report:
    """With as many charge points as `options` say, for its seconds, LEAST_SECONDS at least."""
    seconds = max(LEAST_SECONDS, options.seconds)
    found = measured(options, seconds)
    require_billed(found.charged, found.told)
    return report_of(found, options.stations)


def measured(options: Options, seconds: float) -> Measured:
    """Start a hub, an eMSP and charge points, and let them charge."""
    with stage(options) as made:
        hub, partners = made.hub(), made.partners(1)
        emsp = join(hub, "EMSP", EMSP, partners.base_url(0, OFFERS))
        identities = [f"YARD-{number_:04}" for number_ in range(options.stations)]
        give_tokens(emsp, identities)
        provision(hub, identities)
        fleet = Fleet(hub.url.replace("http", "ws", 1) + "/ocpp", identities, SECRET)
        with crew_of(fleet, made.folder, options) as crew:
            booted, boot_cpu = crew.order("boot", hub)
            charged, charge_cpu = crew.order(f"charge {seconds}", hub)
            began = time.monotonic()
            told = told_of(partners, len(charged.charges))
            after = time.monotonic() - began
        return Measured(booted, charged, (boot_cpu, charge_cpu), peak_memory_bytes(hub.process.pid), after, told)


# --- who takes part -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CrewProcess:
    """The process of the charge points."""

    process: subprocess.Popen[str]
    log: Path

    def order(self, order: str, hub: Program) -> tuple[Done, float]:
        """What came of an order, and the hub's CPU seconds meanwhile. Raises RuntimeError when they could not do it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        before = cpu_seconds(hub.process.pid)
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        require(bool(answer), lambda: f"{order}: {self.log.read_text()[-3000:]}")
        return Done(**json.loads(answer)), cpu_seconds(hub.process.pid) - before


@contextmanager
def crew_of(fleet: Fleet, folder: Path, options: Options) -> Iterator[CrewProcess]:
    """The charge points, on the core of the others."""
    file, log = folder / "fleet.json", folder / "charge-points.log"
    fleet.write(file)
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.charge_points", str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            cwd=ROOT,
            env=environment({}),
            preexec_fn=pinner(options.cores.others),
        )
    try:
        yield CrewProcess(process, log)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(END_WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def provision(hub: Program, identities: Sequence[str]) -> None:
    """Tell the hub of the site. Raises RuntimeError when it does not take it."""
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    url, content = f"{hub.url}/admin/sites/import", provisioned(identities)
    answer = httpx.post(url, json=content, headers=headers, timeout=PROVISION_WAIT_SECONDS)
    require(answer.is_success, lambda: f"the site was not taken: {answer.text}")


def provisioned(identities: Sequence[str]) -> dict[str, Any]:
    """A site with one EVSE of 11 kW at each station."""
    price = {"type": "ENERGY", "price": 0.39, "vat": 21, "step_size": 1}
    tariff = {"id": TARIFF, "currency": "EUR", "type": "REGULAR", "elements": [{"price_components": [price]}]}
    site = {
        "id": SITE,
        "publish": True,
        "address": "Yard 1",
        "city": "Hoorn",
        "country": "NLD",
        "coordinates": {"latitude": "52.638500", "longitude": "5.059700"},
        "time_zone": "Europe/Amsterdam",
        "evses": [_evse(identity) for identity in identities],
    }
    stations = [{"identity": identity, "secret": SECRET} for identity in identities]
    return {"tariffs": [tariff], "sites": [site], "stations": stations}


def _evse(identity: str) -> dict[str, Any]:
    connector = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 16,
        "max_electric_power": 11040,
        "tariff_ids": [TARIFF],
        "station": identity,
        "evse_number": 1,
        "number": 1,
    }
    return {"uid": identity, "connectors": [connector]}


def give_tokens(emsp: Member, identities: Sequence[str]) -> None:
    """A card for the drivers of each station: whoever shows it may charge, and nobody is asked. A card charges at one place at a time."""
    base = f"{emsp.endpoints['tokens', 'RECEIVER']}/{EMSP.country_code}/{EMSP.party_id}"
    with httpx.Client(timeout=TOLD_WAIT_SECONDS) as http:
        for uid in map(token_uid, identities):
            ids = {"X-Request-ID": uid, "X-Correlation-ID": uid}
            http.put(f"{base}/{uid}", json=_token(uid), headers=emsp.headers(HUB) | ids).raise_for_status()


def _token(uid: str) -> dict[str, Any]:
    return {
        "country_code": EMSP.country_code,
        "party_id": EMSP.party_id,
        "uid": uid,
        "type": "RFID",
        "contract_id": f"NL-MS1-{uid}",
        "issuer": "MS1",
        "valid": True,
        "whitelist": "ALWAYS",
        "last_updated": "2026-01-01T00:00:00Z",
    }


def told_of(partners: PartnerServer, wanted: int) -> Told:
    """What the eMSP knows once it has so many CDRs, or after TOLD_WAIT_SECONDS."""
    deadline = time.monotonic() + TOLD_WAIT_SECONDS
    while len(posts := partners.ask("posts")[0]) < wanted and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return Told(sessions_in(partners.ask("bodies")[0]), [json.loads(post, parse_float=Decimal) for post in posts])


def sessions_in(bodies: Mapping[str, str]) -> dict[str, str]:
    """The status of each Session, of the last body under every path."""
    pushed = {path.partition("?")[0]: body for path, body in bodies.items() if "/sessions/" in path}
    return {path.rpartition("/")[2]: json.loads(body).get("status", "") for path, body in pushed.items()}


# --- what came of it ----------------------------------------------------------------------------


def require_billed(charged: Done, told: Told) -> None:
    """Raise RuntimeError unless each charge has one Session and one CDR, of the energy that its station metered."""
    require(charged.refused == 0, f"{charged.refused} charges were not allowed, or ended by the hub")
    charges = Counter((identity, wh) for identity, wh in charged.charges)
    billed: Billed = Counter(
        (str(cdr["cdr_location"]["evse_uid"]), int(Decimal(cdr["total_energy"]) * 1000)) for cdr in told.cdrs
    )
    require(charges == billed, lambda: f"lost: {dict(charges - billed)}, too much: {dict(billed - charges)}")
    completed = {id_ for id_, status in told.sessions.items() if status == "COMPLETED"}
    ids = {cdr["session_id"] for cdr in told.cdrs}
    require(len(ids) == len(told.cdrs), "a Session has two CDRs")
    require(ids == completed == told.sessions.keys(), f"{len(ids)} Sessions in CDRs, {len(told.sessions)} told")


def report_of(found: Measured, count: int) -> Report:
    """The figures of a run."""
    rounds = [
        Round(len(latencies), done.seconds, cpu, latencies)
        for done, cpu in zip((found.booted, found.charged), found.cpu_seconds, strict=True)
        if (latencies := [each for answers in done.answers.values() for each in answers])
    ]
    details = [Detail.of(f"stations, {what}", [one]) for what, one in zip(("booting", "charging"), rounds, strict=True)]
    charging = rounds[-1]
    row = Row(
        work=f"{count} charge points, half of OCPP 1.6 and half of 2.0.1, {number(found.charged.seconds)} s",
        naive="",
        floor="",
        goal=f"p95 < {GOAL_MS:g} ms; each charge billed once",
        measured=(
            f"{number(charging.rate)} messages/s; p50 {_ms(charging, 0.5)}, p95 {_ms(charging, 0.95)}, "
            f"p99 {_ms(charging, 0.99)} ms; {len(found.told.cdrs)} charges = Sessions = CDRs"
        ),
    )
    return Report("stations", (row,), tuple(details), _remarks(found, count))


def _remarks(found: Measured, count: int) -> tuple[str, ...]:
    boot_cpu, charge_cpu = found.cpu_seconds
    slowest = ", ".join(
        f"{action} {number(percentile(times, 0.95) * MILLISECONDS)}"
        for action, times in sorted(found.charged.answers.items())
    )
    return (
        f"{count} charge points connected and booted in {number(found.booted.seconds)} s; {number(boot_cpu)} s CPU of the hub, "
        "most of it for checking passwords.",
        f"Charging: {number(charge_cpu)} s CPU of the hub, {number(found.memory_bytes / BYTES_A_MEBIBYTE)} MiB of memory at most; the "
        f"charge points themselves {number(found.charged.own_cpu_seconds)} s CPU; CALLERRORs: {found.charged.errors}.",
        f"p95 by message, ms: {slowest}.",
        f"The last CDR was with the eMSP {number(found.billed_after_seconds)} s after the last word of a charge point.",
        f"Load of the machine at the end, over a minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
    )


def _ms(round_: Round, share: float) -> str:
    return number(round_.percentile_ms(share))
