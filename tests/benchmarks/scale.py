"""What all of Europe would need, counted from what the benchmarks measured: the generated part of `docs/reference/scale.md`.

`python -m tests.benchmarks.scale --write` writes it. Figures of benchmarks are read from `docs/reference/performance.md`, bounds from the
code of the hub, and what `tests.benchmarks.footprint` printed stands here as FOOTPRINT. Everything else is arithmetic on these.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import ceil, exp
from pathlib import Path

from hub.partners.pool import POOLED_CONNECTIONS_MAX
from hub.partners.streamlanes import PULL_AGAIN_SECONDS, REPLICAS, STREAM_MAX_BYTES
from hub.settings import Settings
from hub.store.database import POOL_SIZE_CONNECTIONS
from hub.store.direct import CONNECTIONS_MAX, STATEMENT_TIME_MAX_MILLISECONDS
from tests.benchmarks.figures import DETAILS, number, table

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGE, PERFORMANCE = DOCS / "scale.md", DOCS / "performance.md"
BEGIN, END = "<!-- scale: begin (written by python -m tests.benchmarks.scale --write) -->", "<!-- scale: end -->"

CHARGE_POINTS, CDRS_A_MONTH = 1_200_000, 48_000_000
EVSES_A_LOCATION = 3  # as in the benchmarks
DAY_SECONDS, MONTH_DAYS = 86_400, 30
LEADER_CONNECTIONS = 1
LANES_A_RECEIVER = 2  # one of its party, one of its platform for news of hub client info
CORE_SHARE = 0.6  # how busy a core may be at the peak: the rest is for bursts and for a machine that is down
US, KB, MB, GB = 1e6, 1e3, 1e6, 1e9
PARTNERS = 300

_ROW = re.compile(r"^\| ([^|]+) \| (.*) \|$", re.MULTILINE)
_CPU_CELL = DETAILS.index("CPU µs a request") - 1  # behind the name
_BETWEEN = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Input:
    """A measured figure or a bound of the code, and where it comes from."""

    value: float
    unit: str
    what: str
    source: str

    def cells(self, name: str) -> list[str]:
        """As a row of the table of inputs."""
        return [f"`{name}`", number(self.value), self.unit, self.what, self.source]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What partners do; rates are those of an average day."""

    peak_to_average: float
    statuses_a_charge_point_day: float
    puts_a_location_day: float
    tokens: float
    token_pushes_day: float
    session_pushes_a_session: float
    forwards_a_session: float
    location_receivers: float
    token_receivers: float
    share_told: float
    answer_milliseconds: float
    pulls_a_receiver_day: float
    page_objects: float
    largest_payer_share: float
    months_kept: float


REMARKS = {
    "peak_to_average": "the busiest hour to the average one",
    "statuses_a_charge_point_day": "40 CDRs a month are 1.3 sessions a day, two changes each; the rest is reservations and faults",
    "puts_a_location_day": "whole Locations; Tariffs are in it",
    "tokens": "Tokens that eMSPs push",
    "token_pushes_day": "new, blocked and renewed Tokens",
    "session_pushes_a_session": "PUTs and PATCHes of one Session, the first and the last included",
    "forwards_a_session": "real-time authorizations, commands and their results: passed on, and noted",
    "location_receivers": "parties that are pushed Locations, of 300 partners; with *high* all of them",
    "token_receivers": "parties that are pushed Tokens",
    "share_told": "share of what is broadcast that permissions let through to one receiver",
    "answer_milliseconds": "what a receiver takes to answer a push, network included",
    "pulls_a_receiver_day": "complete pulls by `date_from` of Locations, and of its CDRs, each since the pull before",
    "page_objects": "objects on a page of a pull",
    "largest_payer_share": "share of all CDRs that the largest eMSP pays",
    "months_kept": "how long an operator keeps Sessions, CDRs and claims; the hub itself deletes none",
}

LOW = Traffic(2, 3, 0.1, 10e6, 50e3, 2, 0.5, 50, 50, 0.3, 20, 0.15, 1000, 0.05, 3)
EXPECTED = Traffic(3, 6, 0.5, 30e6, 200e3, 6, 1.5, 150, 150, 1, 50, 1, 100, 0.1, 13)
HIGH = Traffic(4, 15, 2, 80e6, 1e6, 30, 4, 300, 300, 1, 150, 24, 100, 0.25, 24)
COLUMNS: Mapping[str, Traffic] = {"low": LOW, "expected": EXPECTED, "high": HIGH}

BENCHMARKS = {
    "status_us": ("status-patch, hub", "hub CPU of a status PATCH, kept and answered"),
    "put_us": (
        "location-put, hub",
        "hub CPU of a Location PUT; stands for Tariffs, Tokens and Sessions too, which are smaller",
    ),
    "cdr_us": ("cdr-post, hub", "hub CPU of a CDR POST"),
    "page_us": ("page, hub", "hub CPU of a page of 50 Locations"),
    "forward_us": ("forward PUT, 16 conn., hub", "hub CPU of a request that is passed on and its answer"),
    "delivery_us": ("fan-out to 200 over TLS, hub", "hub CPU of a delivery, with its share of the PUT that came in"),
}

PAGE_OBJECTS = 50  # of the benchmark `page`
_FOOTPRINT = "`tests.benchmarks.footprint`, 2026-11-27"


def _found(value: float, unit: str, what: str) -> Input:
    return Input(value, unit, what, _FOOTPRINT)


def _bound(value: float, unit: str, what: str, where: str) -> Input:
    return Input(value, unit, what, f"`{where}`")


FOOTPRINT = {
    "lane_us": _found(105, "µs", "hub CPU of a push through JetStream, without HTTP"),
    "nats_status_us": _found(79, "µs", "NATS CPU of a status PATCH through a stream on one server"),
    "nats_put_us": _found(91, "µs", "the same for a Location PUT"),
    "nats_status_bytes": _found(415, "B", "a status PATCH for one receiver in the stream"),
    "nats_put_bytes": _found(4747, "B", "a Location PUT for one receiver in the stream"),
    "pg_status_us": _found(360, "µs", "PostgreSQL CPU of a status PATCH, one in a transaction (64 together: 114)"),
    "pg_cdr_us": _found(660, "µs", "PostgreSQL CPU of a CDR POST, one in a transaction (64 together: 111)"),
    "pg_session_us": _found(560, "µs", "PostgreSQL CPU of a Session PUT, one in a transaction (64 together: 80)"),
    "pg_page_us": _found(600, "µs", "PostgreSQL CPU of a page of 50 CDRs without a filter"),
    "pg_counted_us": _found(1.5, "µs", "PostgreSQL CPU of a row that `date_from` counts for the total of each page"),
    "due_us": _found(1843, "µs", "hub CPU of a due CDR, read and settled, without HTTP"),
    "pg_due_us": _found(210, "µs", "PostgreSQL CPU of the same"),
    "due_wait_us": _found(1992, "µs", "time of the same, for the next CDR of this payer waits for it"),
    "claim_bytes_in_hub": _found(1836, "B", "memory of a claim while a statement is made"),
    "location_worn_bytes": _found(
        2368, "B", "a Location in `copy` (2,068) and its indexes, after five changes without a vacuum"
    ),
    "token_bytes": _found(800, "B", "a Token in `copy` (630) and its indexes"),
    "session_bytes": _found(1395, "B", "a Session in `copy` (1,024) and its indexes"),
    "cdr_bytes": _found(3100, "B", "a CDR in `copy` (2,731) and its indexes"),
    "claim_bytes": _found(260, "B", "a claim (158) and its indexes"),
    "due_bytes": _found(205, "B", "a due CDR (101) and its indexes, until its payer has it"),
    "wal_status_bytes": _found(
        13385, "B", "WAL of a status PATCH on a page that is new since the checkpoint (else 2,114)"
    ),
    "wal_put_bytes": _found(13043, "B", "WAL of a Location PUT on such a page; stands for Tokens too"),
    "wal_session_bytes": _found(5253, "B", "WAL of a Session PUT on such a page"),
    "wal_cdr_bytes": _found(9324, "B", "WAL of a CDR POST, with claim and due CDR, on such pages"),
}

BOUNDS = {
    "given_cores": Input(32, "", "cores of the machine of PostgreSQL", "assumed"),
    "given_connections": Input(500, "", "its `max_connections`", "assumed"),
    "given_bytes": Input(16 * GB, "B", "memory of a hub process", "assumed"),
    "pool": _bound(
        POOL_SIZE_CONNECTIONS, "", "connections of a process to PostgreSQL by the mapper", "hub/store/database.py"
    ),
    "direct": _bound(
        CONNECTIONS_MAX, "", "connections of a process to PostgreSQL by the bare driver", "hub/store/direct.py"
    ),
    "leader": _bound(LEADER_CONNECTIONS, "", "connection of a process for the lock", "hub/store/leader.py"),
    "partners": _bound(POOLED_CONNECTIONS_MAX, "", "most connections of a process to partners", "hub/partners/pool.py"),
    "ask_seconds": _bound(
        PULL_AGAIN_SECONDS, "s", "how often a process asks for each lane", "hub/partners/streamlanes.py"
    ),
    "stream_bytes": _bound(STREAM_MAX_BYTES, "B", "most that waits in the stream", "hub/partners/streamlanes.py"),
    "lane_messages": _bound(
        Settings.model_fields["lane_max_messages"].default,
        "",
        "most that waits for one receiver",
        "HUB_LANE_MAX_MESSAGES",
    ),
    "statement_seconds": _bound(
        STATEMENT_TIME_MAX_MILLISECONDS / 1000, "s", "most that a statement may take", "hub/store/direct.py"
    ),
}


def inputs(page: str) -> dict[str, Input]:
    """Every figure that is counted with. Raises KeyError where the page of performance lacks a benchmark."""
    measured = cpu_figures(page)
    found = {
        name: Input(measured[row], "µs", what, f"[{row}](performance.md#figures)")
        for name, (row, what) in BENCHMARKS.items()
    }
    return {**found, **FOOTPRINT, **BOUNDS}


def cpu_figures(page: str) -> dict[str, float]:
    """CPU microseconds a request, by subject, as the page of performance has them."""
    head, _, rows = page.partition(DETAILS[-2])
    del head
    found = {name.strip(): rest.split("|") for name, rest in _ROW.findall(rows)}
    return {
        name: float(cells[_CPU_CELL].split()[0].replace(",", ""))
        for name, cells in found.items()
        if len(cells) == len(DETAILS) - 1 and cells[_CPU_CELL].strip()[:1].isdigit()
    }


# --- arithmetic ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What comes in and goes out, a second: on average, or at the peak.

    `pushes` go through lanes: `broadcasts` to many, the others to one. `read` are objects on pages; `counted` are rows that are counted
    for their totals.
    """

    statuses: float
    puts: float
    tokens: float
    sessions: float
    cdrs: float
    forwards: float
    broadcasts: float
    pages: float
    read: float
    counted: float

    @property
    def pushes(self) -> float:
        """Messages into lanes."""
        return self.broadcasts + self.sessions

    def at(self, times: float) -> Load:
        """The load so many times over."""
        return Load(**{each.name: getattr(self, each.name) * times for each in fields(self)})


def average(traffic: Traffic) -> Load:
    """The load of an average second."""
    month, places = MONTH_DAYS * DAY_SECONDS, CHARGE_POINTS / EVSES_A_LOCATION
    statuses = CHARGE_POINTS * traffic.statuses_a_charge_point_day / DAY_SECONDS
    puts, tokens = places * traffic.puts_a_location_day / DAY_SECONDS, traffic.token_pushes_day / DAY_SECONDS
    pulls = traffic.location_receivers * traffic.pulls_a_receiver_day / DAY_SECONDS
    of_locations, of_cdrs, window = objects_of_pull(traffic)
    pages_of = [ceil(objects / traffic.page_objects) for objects in (of_locations, of_cdrs)]
    return Load(
        statuses=statuses,
        puts=puts,
        tokens=tokens,
        sessions=CDRS_A_MONTH * traffic.session_pushes_a_session / month,
        cdrs=CDRS_A_MONTH / month,
        forwards=CDRS_A_MONTH * traffic.forwards_a_session / month,
        broadcasts=traffic.share_told
        * ((statuses + puts) * traffic.location_receivers + tokens * traffic.token_receivers),
        pages=pulls * sum(pages_of),
        read=pulls * (of_locations + of_cdrs),
        counted=pulls * (pages_of[0] * of_locations + pages_of[1] * window),
    )


def objects_of_pull(traffic: Traffic) -> tuple[float, float, float]:
    """How many Locations and CDRs one pull by `date_from` brings, and how many CDRs are counted for each of its pages.

    A Location that changed often comes once. Of CDRs PostgreSQL looks through all that changed since, or through all of this eMSP, as
    there is no index of both.
    """
    days = 1 / traffic.pulls_a_receiver_day
    places = CHARGE_POINTS / EVSES_A_LOCATION
    changes = days * (traffic.statuses_a_charge_point_day * EVSES_A_LOCATION + traffic.puts_a_location_day)
    everybody = CDRS_A_MONTH / MONTH_DAYS * days
    own = CDRS_A_MONTH * traffic.months_kept / traffic.location_receivers
    return (
        places * traffic.share_told * (1 - exp(-changes)),
        everybody / traffic.location_receivers,
        min(everybody, own),
    )


def hub_cores(load: Load, given: Mapping[str, float]) -> dict[str, float]:
    """Cores of hub processes that are all busy, by what they do."""
    kept_us = load.statuses * given["status_us"] + (load.puts + load.tokens + load.sessions) * given["put_us"]
    return {
        "keep what is pushed": (kept_us + load.cdrs * given["cdr_us"]) / US,
        "tell receivers": load.pushes * (given["delivery_us"] + given["lane_us"]) / US,
        "take CDRs to payers": load.cdrs * (given["delivery_us"] + given["due_us"]) / US,
        "pass on": load.forwards * given["forward_us"] / US,
        "answer pulls": load.read * given["page_us"] / PAGE_OBJECTS / US,
    }


def database_cores(load: Load, given: Mapping[str, float]) -> dict[str, float]:
    """Cores of PostgreSQL that are all busy, by what they do."""
    kept_us = (load.statuses + load.puts + load.tokens) * given["pg_status_us"] + load.sessions * given["pg_session_us"]
    return {
        "writes": (kept_us + load.cdrs * (given["pg_cdr_us"] + given["pg_due_us"])) / US,
        "pages": load.pages * given["pg_page_us"] / US,
        "totals of pages by `date_from`": load.counted * given["pg_counted_us"] / US,
    }


def nats_cores(load: Load, given: Mapping[str, float]) -> float:
    """Cores of the NATS server that leads the stream."""
    small = load.pushes - load.puts / max(load.statuses + load.puts, 1e-9) * load.broadcasts
    return (small * given["nats_status_us"] + (load.pushes - small) * given["nats_put_us"]) / US


def stream_bytes(load: Load, given: Mapping[str, float]) -> float:
    """Bytes a second into the stream on each of its servers. Sessions count as whole objects."""
    whole = load.puts / max(load.statuses + load.puts, 1e-9) * load.broadcasts + load.sessions
    return (load.pushes - whole) * given["nats_status_bytes"] + whole * given["nats_put_bytes"]


def wal_bytes(load: Load, given: Mapping[str, float]) -> float:
    """Bytes of WAL a second, if every write were the first one of its pages since a checkpoint."""
    return (
        load.statuses * given["wal_status_bytes"]
        + (load.puts + load.tokens) * given["wal_put_bytes"]
        + load.sessions * given["wal_session_bytes"]
        + load.cdrs * given["wal_cdr_bytes"]
    )


def disk_bytes(traffic: Traffic, given: Mapping[str, float]) -> dict[str, float]:
    """Bytes of tables and indexes, by what is in them."""
    kept = CDRS_A_MONTH * traffic.months_kept
    return {
        "Locations": CHARGE_POINTS / EVSES_A_LOCATION * given["location_worn_bytes"],
        "Tokens": traffic.tokens * given["token_bytes"],
        "Sessions": kept * given["session_bytes"],
        "CDRs": kept * given["cdr_bytes"],
        "claims": kept * given["claim_bytes"],
        "due CDRs, while the largest payer is away for a day": (
            CDRS_A_MONTH / MONTH_DAYS * traffic.largest_payer_share * given["due_bytes"]
        ),
    }


def processes(cores: float) -> int:
    """How many hub processes carry a load that keeps so many cores busy."""
    return max(1, ceil(cores / CORE_SHARE))


def database_connections(count: int, given: Mapping[str, float]) -> int:
    """Connections to PostgreSQL of so many processes."""
    return round(count * (given["pool"] + given["direct"] + given["leader"]))


@dataclass(frozen=True, slots=True)
class Limit:
    """Something that there is one of: what is needed of it, and what it gives. Above 1 it does not hold."""

    what: str
    unit: str
    needed: float
    given: float

    @property
    def times(self) -> float:
        """How many times over it would be needed."""
        return self.needed / self.given


def limits(traffic: Traffic, given: Mapping[str, float]) -> list[Limit]:
    """What cannot be had twice, at the peak."""
    peak = average(traffic).at(traffic.peak_to_average)
    count = processes(sum(hub_cores(peak, given).values()))
    payer_ms = traffic.answer_milliseconds + given["due_wait_us"] / 1000
    waiting = traffic.location_receivers * given["lane_messages"] * given["nats_put_bytes"]
    busy = (peak.statuses + peak.puts) * traffic.share_told + peak.sessions * traffic.largest_payer_share
    counted = objects_of_pull(traffic)[2] * given["pg_counted_us"] / US
    return [
        Limit("the lane of one receiver", "pushes/s", busy, 1000 / traffic.answer_milliseconds),
        Limit("the server that leads the stream, if it has one core", "cores", nats_cores(peak, given), 1),
        Limit("the stream, when all lanes are full of Locations", "GB", waiting / GB, given["stream_bytes"] / GB),
        Limit(
            "due CDRs of the largest payer, one after the other",
            "CDRs/s",
            peak.cdrs * traffic.largest_payer_share,
            1000 / payer_ms,
        ),
        Limit(
            "due CDRs, all by the process that leads",
            "cores",
            hub_cores(peak, given)["take CDRs to payers"],
            CORE_SHARE,
        ),
        Limit("a page of CDRs by `date_from`: its total", "s", counted, given["statement_seconds"]),
        Limit(
            "the statement of a month, in the memory of one process",
            "GB",
            CDRS_A_MONTH * given["claim_bytes_in_hub"] / GB,
            given["given_bytes"] / GB,
        ),
        Limit(
            "PostgreSQL, cores", "cores", sum(database_cores(peak, given).values()), given["given_cores"] * CORE_SHARE
        ),
        Limit("PostgreSQL, connections", "", database_connections(count, given), given["given_connections"]),
    ]


def lane_charge_points(traffic: Traffic) -> float:
    """Of how many charge points one lane carries statuses and Locations at the peak, with nothing else in it."""
    peak = average(traffic).at(traffic.peak_to_average)
    return CHARGE_POINTS * 1000 / traffic.answer_milliseconds / (peak.statuses + peak.puts)


def lane_sessions_a_month(traffic: Traffic) -> float:
    """How many Sessions a month one lane carries, with nothing else in it."""
    peak = average(traffic).at(traffic.peak_to_average)
    return CDRS_A_MONTH * 1000 / traffic.answer_milliseconds / peak.sessions


# --- the page ------------------------------------------------------------------------------


def generated(page_of_performance: str) -> str:
    """Everything between the markers."""
    known = inputs(page_of_performance)
    given = {name: one.value for name, one in known.items()}
    parts = [
        "### Inputs",
        table(("name", "value", "unit", "what", "from"), (one.cells(name) for name, one in known.items())),
        "### Assumptions",
        _by_column("what partners do", [(each.name, each.name) for each in fields(Traffic)], _assumed, REMARKS),
        "### Load at the peak, a second",
        _columns("what", {name: _load_rows(traffic) for name, traffic in COLUMNS.items()}),
        "### Cores at the peak",
        _columns("cores", {name: _core_rows(traffic, given) for name, traffic in COLUMNS.items()}),
        "### Disk",
        _columns("what", {name: _disk_rows(traffic, given) for name, traffic in COLUMNS.items()}),
        "### Connections",
        _columns("what", {name: _connection_rows(traffic, given) for name, traffic in COLUMNS.items()}),
        "### One broadcast in the stream",
        _broadcasts(given),
        "### Limits, the tightest first",
        _limit_table(given),
        "### What one lane carries",
        _columns("what", {name: _lane_rows(traffic) for name, traffic in COLUMNS.items()}),
    ]
    return "\n\n".join(parts)


def _assumed(traffic: Traffic, name: str) -> str:
    return number(getattr(traffic, name))


def _by_column(
    head: str, names: Sequence[tuple[str, str]], show: Callable[[Traffic, str], str], remarks: Mapping[str, str]
) -> str:
    rows = ([label, *(show(one, name) for one in COLUMNS.values()), remarks[name]] for label, name in names)
    return table((head, *COLUMNS, "remark"), ([row[0].replace("_", " "), *row[1:]] for row in rows))


def _columns(head: str, by_column: Mapping[str, Mapping[str, float]]) -> str:
    names = next(iter(by_column.values()))
    rows = ([name, *(_short(column[name]) for column in by_column.values())] for name in names)
    return table((head, *by_column), rows)


def _short(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else number(value)


def _load_rows(traffic: Traffic) -> dict[str, float]:
    peak = average(traffic).at(traffic.peak_to_average)
    return {
        "status PATCHes": peak.statuses,
        "Location and Tariff PUTs": peak.puts,
        "Token pushes": peak.tokens,
        "Session pushes": peak.sessions,
        "CDRs": peak.cdrs,
        "requests passed on": peak.forwards,
        "pages of pulls": peak.pages,
        "deliveries of broadcasts": peak.broadcasts,
        "deliveries in all": peak.pushes + peak.cdrs,
    }


def _core_rows(traffic: Traffic, given: Mapping[str, float]) -> dict[str, float]:
    peak = average(traffic).at(traffic.peak_to_average)
    hub, database = hub_cores(peak, given), database_cores(peak, given)
    return {
        **{f"hub: {name}": cores for name, cores in hub.items()},
        "**hub in all**": sum(hub.values()),
        **{f"PostgreSQL: {name}": cores for name, cores in database.items()},
        "**PostgreSQL in all**": sum(database.values()),
        "**NATS: each of three servers**": nats_cores(peak, given),
        f"hub processes, at most {CORE_SHARE:.0%} busy": processes(sum(hub.values())),
    }


def _disk_rows(traffic: Traffic, given: Mapping[str, float]) -> dict[str, float]:
    disk, load = disk_bytes(traffic, given), average(traffic)
    a_month = CDRS_A_MONTH * (given["session_bytes"] + given["cdr_bytes"] + given["claim_bytes"])
    return {
        **{f"{name}, GB": size / GB for name, size in disk.items()},
        "**tables and indexes in all, GB**": sum(disk.values()) / GB,
        "of that new each month, GB": a_month / GB,
        "WAL a day, GB, at most": wal_bytes(load, given) * DAY_SECONDS / GB,
        "WAL at the peak, MB/s, at most": wal_bytes(load.at(traffic.peak_to_average), given) / MB,
        "into the stream at the peak, MB/s on each server": stream_bytes(load.at(traffic.peak_to_average), given) / MB,
    }


def _connection_rows(traffic: Traffic, given: Mapping[str, float]) -> dict[str, float]:
    peak = average(traffic).at(traffic.peak_to_average)
    count, lanes = processes(sum(hub_cores(peak, given).values())), round(LANES_A_RECEIVER * PARTNERS)
    return {
        "hub processes": count,
        "to PostgreSQL": database_connections(count, given),
        "to NATS": count,
        "to receivers, at most": round(count * min(PARTNERS, given["partners"])),
        "requests for messages that stay open at NATS": count * lanes,
        "such requests a second": count * lanes / given["ask_seconds"],
    }


def _broadcasts(given: Mapping[str, float]) -> str:
    rows = []
    for receivers in (50, 150, 300):
        for what, name in (("status PATCH", "status"), ("Location PUT", "put")):
            nats_us = receivers * given[f"nats_{name}_us"]
            size = receivers * given[f"nats_{name}_bytes"]
            hub_us = receivers * (given["lane_us"] + given["delivery_us"])
            figures = (size / KB, REPLICAS * size / KB, nats_us / 1000, hub_us / 1000, US / nats_us)
            rows.append([str(receivers), what, *map(number, figures)])
    head = (
        "receivers",
        "of a",
        "kB in the stream",
        "kB on three servers",
        "NATS CPU ms",
        "hub CPU ms",
        "a second by a NATS core",
    )
    return table(head, rows)


def _limit_table(given: Mapping[str, float]) -> str:
    by_column = [limits(traffic, given) for traffic in COLUMNS.values()]
    rows = sorted(zip(*by_column, strict=True), key=lambda row: -row[list(COLUMNS).index("expected")].times)
    return table(
        ("what there is one of", "unit", *(f"{name}: needed / given" for name in COLUMNS), "holds"),
        ([row[0].what, row[0].unit, *map(_shown, row), _verdict(row)] for row in rows),
    )


def _lane_rows(traffic: Traffic) -> dict[str, float]:
    return {
        "charge points of which one receiver can be told everything, at the peak": round(
            lane_charge_points(traffic), -3
        ),
        "or Sessions of one receiver a month": round(lane_sessions_a_month(traffic), -3),
    }


def _shown(limit: Limit) -> str:
    return f"{number(limit.needed)} / {number(limit.given)} = {number(limit.times)}"


def _verdict(row: Sequence[Limit]) -> str:
    held = [name for name, limit in zip(COLUMNS, row, strict=True) if limit.times <= 1]
    return "yes" if len(held) == len(COLUMNS) else f"only {', '.join(held)}" if held else "**no**"


def with_generated(page: str, content: str) -> str:
    """The page with this between its markers. Raises ValueError when it has no markers."""
    if not _BETWEEN.search(page):
        raise ValueError("the page has no markers")
    return _BETWEEN.sub(lambda _: f"{BEGIN}\n\n{content}\n\n{END}", page)


def current_page() -> str:
    """The page as it has to be now."""
    return with_generated(PAGE.read_text(encoding="utf-8"), generated(PERFORMANCE.read_text(encoding="utf-8")))


def main(arguments: Iterable[str] | None = None) -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale")
    parser.add_argument("--write", action="store_true", help=f"write docs/reference/{PAGE.name}")
    asked = parser.parse_args(None if arguments is None else list(arguments))
    if asked.write:
        PAGE.write_text(current_page(), encoding="utf-8")
    else:
        sys.stdout.write(generated(PERFORMANCE.read_text(encoding="utf-8")) + "\n")


if __name__ == "__main__":
    main()
