"""The three writes at 64 connections: EVSE status PATCH, whole Location PUT, CDR POST; each beside the obvious design and the limit.

Nobody is to be told of them here, so that the figures are those of the writes (`fanout` has the telling): the reader only pulls, and the
eMSP of the CDRs lists no endpoint for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ocpi_modules.parties import Party
from tests.benchmarks.feeds import LOCATIONS_PER_CONNECTION, CdrFeed, PutFeed, StatusFeed, locations_of
from tests.benchmarks.figures import Detail, Report, Round, Row, number, ratio
from tests.benchmarks.load import Feed, drive
from tests.benchmarks.objects import CPO, EMSP, cdr_template, location_template
from tests.benchmarks.outside import second_opinion
from tests.benchmarks.party import Member, RequestForm, join
from tests.benchmarks.processes import Program
from tests.benchmarks.stage import Options, Stage, Subject, naive_get, naive_pages, naive_request, require, stage

CONNECTIONS = 64
READER = Party("GB", "NAV")
OWNER_PATH = f"/{CPO.country_code}/{CPO.party_id}"
SETUP_WAIT_SECONDS = 60.0
SHOWN_MAX = 3

Statuses = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Goal:
    """What the table asks of a kind of work."""

    work: str
    floor: str
    goal: str


@dataclass(frozen=True, slots=True)
class Crew:
    """The hub with a CPO that pushes and an eMSP and a navigation provider that only pull; the two others to compare with."""

    hub: Program
    naive: Program
    bare: Program
    cpo: Member
    emsp: Member
    reader: Member

    def subjects(self, hub: Sequence[Feed], naive: Sequence[Feed], bare: Sequence[Feed]) -> tuple[Subject, ...]:
        """The three, with what is sent to each."""
        return Subject(self.hub, hub), Subject(self.naive, naive), Subject(self.bare, bare)


PATCH_GOAL = Goal("EVSE status PATCH, 64 connections", "4,000/s, p99 < 50 ms", "9,000/s, p99 < 20 ms")
PUT_GOAL = Goal("Location PUT, 64 connections", "3,000/s", "6,000/s")
POST_GOAL = Goal("CDR POST, exactly once, 64 connections", "3,000/s", "6,500/s")


def status_patch(options: Options) -> Report:
    """EVSE status PATCH: validated, merged into the copy, durable, answered."""
    with stage(options) as made:
        crew = gather(made)
        forms = _forms(crew, "PATCH")
        put_locations(crew.hub, _forms(crew, "PUT")[0], CONNECTIONS)
        put_locations(crew.naive, _forms(crew, "PUT")[1], CONNECTIONS)
        feeds = [[StatusFeed(form, locations_of(index)) for index in range(CONNECTIONS)] for form in forms]
        rounds = made.measure(*crew.subjects(*feeds))
        require_same(acknowledged_statuses(feeds[0]), statuses_in(crew.reader.crawl("locations")), "hub")
        require_same(acknowledged_statuses(feeds[1]), statuses_in(naive_pages(crew.naive)), "naive")
        report = _report("status-patch", PATCH_GOAL, rounds)
        return replace(report, remarks=second_opinion(made, crew.hub, feeds[0], report.details[0].rate.middle))


def location_put(options: Options) -> Report:
    """Whole Locations: validated, kept, durable, answered."""
    with stage(options) as made:
        crew, template = gather(made), location_template()
        forms = _forms(crew, "PUT")
        feeds = [[PutFeed(form, template, locations_of(index)) for index in range(CONNECTIONS)] for form in forms]
        rounds = made.measure(*crew.subjects(*feeds))
        require_same(acknowledged_dates(feeds[0]), dates_in(crew.reader.crawl("locations")), "hub")
        require_same(acknowledged_dates(feeds[1]), dates_in(naive_pages(crew.naive)), "naive")
        report = _report("location-put", PUT_GOAL, rounds)
        return replace(report, remarks=second_opinion(made, crew.hub, feeds[0], report.details[0].rate.middle))


def cdr_post(options: Options) -> Report:
    """CDRs, one in ten sent twice: validated, kept exactly once, durable, answered."""
    with stage(options) as made:
        crew, template = gather(made), cdr_template()
        naive = naive_request(crew.naive, "POST", "/cdrs")
        forms = (crew.cpo.push("POST", "cdrs"), naive, naive)
        feeds = [[CdrFeed(form, template) for _ in range(CONNECTIONS)] for form in forms]
        rounds = made.measure(*crew.subjects(*feeds))
        require_once(acknowledged_cdrs(feeds[0]), (cdr["id"] for cdr in crew.emsp.crawl("cdrs")))
        kept = naive_get(crew.naive, "/count")["cdrs"]
        require(kept == len(acknowledged_cdrs(feeds[1])), f"naive keeps {kept} CDRs")
        report = _report("cdr-post", POST_GOAL, rounds)
        return replace(report, remarks=second_opinion(made, crew.hub, feeds[0], report.details[0].rate.middle))


def gather(made: Stage, *bare_options: str) -> Crew:
    """Start everybody and let the platforms join."""
    hub, partners = made.hub(), made.partners(3)
    cpo = join(hub, "CPO", CPO, partners.base_url(0, "tokens.RECEIVER"))
    emsp = join(hub, "EMSP", EMSP, partners.base_url(1, "commands.SENDER"))
    reader = join(hub, "NSP", READER, partners.base_url(2, "nothing"))
    return Crew(hub, made.naive(), made.bare(*bare_options), cpo, emsp, reader)


def put_locations(program: Program, form: RequestForm, connections: int) -> None:
    """Put every Location that so many connections will speak of."""
    template = location_template()
    feeds = [PutFeed(form, template, locations_of(index)) for index in range(connections)]
    for feed in feeds:
        feed.allow(LOCATIONS_PER_CONNECTION)
    drive(program.port, feeds, SETUP_WAIT_SECONDS)


# --- what has to be there afterwards ---------------------------------------------------------


def acknowledged_statuses(feeds: Iterable[StatusFeed]) -> Statuses:
    """The last acknowledged status of every EVSE, by Location and uid."""
    return {
        (location.decode(), uid.decode()): status
        for feed in feeds
        for (location, uid), status in feed.acknowledged.items()
    }


def statuses_in(locations: Iterable[Mapping[str, Any]]) -> Statuses:
    """The statuses that Locations show."""
    return {(one["id"], evse["uid"]): evse["status"] for one in locations for evse in one["evses"]}


def acknowledged_dates(feeds: Iterable[PutFeed]) -> Mapping[str, str]:
    """The `last_updated` of the last acknowledged state of every Location."""
    return {name.decode(): at.decode() for feed in feeds for name, at in feed.acknowledged.items()}


def dates_in(locations: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    """The `last_updated` of Locations, in thousandths of a second however they are written."""
    return {one["id"]: in_milliseconds(one["last_updated"]) for one in locations}


def in_milliseconds(text: str) -> str:
    """A timestamp in UTC with three digits after the second, as the benchmarks send them: the obvious design writes six, or none."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    return f"{whole}.{rest[:3]:0<3}Z"


def acknowledged_cdrs(feeds: Iterable[CdrFeed]) -> set[str]:
    """The ids of the acknowledged CDRs."""
    return {name.decode() for feed in feeds for name in feed.acknowledged}


def require_same(acknowledged: Mapping[Any, str], kept: Mapping[Any, str], where: str) -> None:
    """What was acknowledged last is what is kept. Raises RuntimeError."""
    lost = [
        f"{key}: {value} acknowledged, {kept.get(key)} kept"
        for key, value in acknowledged.items()
        if kept.get(key) != value
    ]
    require(
        not lost and len(acknowledged) > 0, f"{where}: {len(lost)} of {len(acknowledged)} differ: {lost[:SHOWN_MAX]}"
    )


def require_once(acknowledged: set[str], kept: Iterable[str]) -> None:
    """What was acknowledged is kept, once. Raises RuntimeError."""
    counted = Counter(kept)
    lost, twice = acknowledged - counted.keys(), [one for one, times in counted.items() if times > 1]
    require(not lost and len(acknowledged) > 0, f"{len(lost)} of {len(acknowledged)} CDRs are lost")
    require(not twice, f"kept more than once: {twice[:SHOWN_MAX]}")


# --- the report ------------------------------------------------------------------------------


def _forms(crew: Crew, method: str) -> tuple[RequestForm, RequestForm, RequestForm]:
    naive = naive_request(crew.naive, method, f"/locations{OWNER_PATH}")
    return crew.cpo.push(method, "locations", below=OWNER_PATH), naive, naive


def _report(name: str, goal: Goal, rounds: Sequence[Sequence[Round]]) -> Report:
    hub, naive, limit = (
        Detail.of(f"{name}, {who}", each) for who, each in zip(("hub", "naive", "limit"), rounds, strict=True)
    )
    row = Row(
        work=goal.work,
        naive=f"{number(naive.rate.middle)}/s",
        floor=goal.floor,
        goal=goal.goal,
        measured=f"{hub.rate}/s, p99 {hub.p99_ms} ms, {hub.cpu_us} µs CPU",
        times_naive=_ratios(hub, naive),
        times_limit=_ratios(hub, limit),
    )
    return Report(name, (row,), (hub, naive, limit))


def _ratios(hub: Detail, other: Detail) -> str:
    """By requests a second, and by what a request costs, which the machine's neighbours change less."""
    return f"{ratio(hub.rate.middle, other.rate.middle)}, by CPU {ratio(other.cpu_us.middle, hub.cpu_us.middle)}"
