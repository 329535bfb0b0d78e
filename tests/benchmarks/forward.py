"""Pushes to a named eMSP: through the hub, which keeps a copy, and directly; over 1 connection and over 16.

What the hub adds to the answer shows over 1 connection, what it costs over 16: there the answers wait for one another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import httpx

from ocpi_modules.headers import authorization, routing_headers
from tests.benchmarks.feeds import PutFeed, StatusFeed, locations_of
from tests.benchmarks.figures import Detail, Figure, Report, Round, Row, number, ratio
from tests.benchmarks.load import Feed
from tests.benchmarks.objects import CPO, EMSP, location_template
from tests.benchmarks.partner import TOKEN
from tests.benchmarks.party import Member, PartnerServer, RequestForm, join
from tests.benchmarks.processes import Program
from tests.benchmarks.stage import Options, Stage, Subject, naive_request, stage
from tests.benchmarks.writes import (
    OWNER_PATH,
    acknowledged_dates,
    acknowledged_statuses,
    dates_in,
    put_locations,
    require_same,
    statuses_in,
)

FEW, MANY = 1, 16
KINDS = tuple((method, connections) for method in ("PATCH", "PUT") for connections in (FEW, MANY))
LOCATION_GROUPS = len(KINDS) * MANY
RECEIVER_OF_HUB, RECEIVER_OF_NAIVE, RECEIVER_OF_DIRECT = 0, 1, 2
OFFERS = "locations.RECEIVER"

Feeds = Sequence[StatusFeed] | Sequence[PutFeed]


@dataclass(frozen=True, slots=True)
class Ways:
    """The two programs between, the partners behind, and what a request to each of the three ways has in common."""

    hub: Program
    naive: Program
    partners: PartnerServer
    cpo: Member
    emsp: Member

    def forms(self, method: str) -> tuple[RequestForm, RequestForm, RequestForm]:
        """Through the hub, through the obvious design, directly."""
        direct = httpx.URL(self.partners.base_url(RECEIVER_OF_DIRECT, OFFERS) + f"/locations{OWNER_PATH}")
        headers = {"Authorization": authorization(TOKEN), **routing_headers(CPO, EMSP)}
        return (
            self.cpo.push(method, "locations", EMSP, OWNER_PATH),
            naive_request(self.naive, method, f"/forward{OWNER_PATH}"),
            RequestForm.of(method, direct, headers),
        )


def forward(options: Options) -> Report:
    """PATCHes and PUTs there and back; the partner has to have seen, and the hub to have kept, what was acknowledged last."""
    with stage(options) as made:
        ways = _ways(made)
        for program, form in ((ways.hub, ways.forms("PUT")[0]), (ways.naive, ways.forms("PUT")[1])):
            put_locations(program, form, LOCATION_GROUPS)
        details: list[Detail] = []
        rows: list[Row] = []
        for group, (method, connections) in enumerate(KINDS):
            measured = _measure(made, ways, method, range(group * MANY, group * MANY + connections))
            row, found = _report(method, connections, measured)
            rows.append(row)
            details += found
    return Report("forward", tuple(rows), tuple(details))


def _ways(made: Stage) -> Ways:
    hub, partners = made.hub(), made.partners(4)
    cpo = join(hub, "CPO", CPO, partners.base_url(3, "tokens.RECEIVER"))
    emsp = join(hub, "EMSP", EMSP, partners.base_url(RECEIVER_OF_HUB, OFFERS))
    receivers = [partners.base_url(RECEIVER_OF_NAIVE, OFFERS) + "/locations"]
    return Ways(hub, made.naive(NAIVE_RECEIVERS=json.dumps(receivers)), partners, cpo, emsp)


def _measure(made: Stage, ways: Ways, method: str, groups: Iterable[int]) -> list[list[Round]]:
    ways.partners.ask("forget")
    hub, naive, direct = ([_feed(method, form, group) for group in groups] for form in ways.forms(method))
    port = ways.partners.ports[RECEIVER_OF_DIRECT]
    rounds = made.measure(
        Subject(ways.hub, hub), Subject(ways.naive, naive), Subject(ways.partners.program, direct, port)
    )
    bodies = ways.partners.ask("bodies")
    kept = ways.emsp.crawl("locations")
    if method == "PATCH":
        acknowledged = acknowledged_statuses(feed for feed in hub if isinstance(feed, StatusFeed))
        require_same(acknowledged, statuses_in(kept), "copies of forwarded PATCHes")
        require_same(acknowledged, statuses_received(bodies[RECEIVER_OF_HUB]), "partner behind the hub")
    else:
        dates = acknowledged_dates(feed for feed in hub if isinstance(feed, PutFeed))
        require_same(dates, dates_in(kept), "copies of forwarded PUTs")
        require_same(dates, dates_in(map(json.loads, bodies[RECEIVER_OF_HUB].values())), "partner behind the hub")
    return rounds


def _feed(method: str, form: RequestForm, group: int) -> Feed:
    ids = locations_of(group)
    return StatusFeed(form, ids) if method == "PATCH" else PutFeed(form, location_template(), ids)


def statuses_received(bodies: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """The statuses in the last PATCH of each EVSE that a partner got, by the path that it came under."""
    return {(path.split("/")[-2], path.split("/")[-1]): json.loads(body)["status"] for path, body in bodies.items()}


def _report(method: str, connections: int, rounds: Sequence[Sequence[Round]]) -> tuple[Row, list[Detail]]:
    names = [f"forward {method}, {connections} conn., {who}" for who in ("hub", "naive", "direct")]
    details = [Detail.of(name, each) for name, each in zip(names, rounds, strict=True)]
    hub, naive = details[:2]
    added, naive_added = (added_p50(through, rounds[2]) for through in rounds[:2])
    row = Row(
        work=f"{method} forwarded and back, copy kept, {connections} connection{'s' * (connections > 1)}",
        naive=f"{number(naive.cpu_us.middle)} µs CPU, p50 + {number(naive_added.middle)} ms",
        floor="450 µs CPU" if connections == MANY else "p50 + < 0.6 ms",
        goal="220 µs CPU" if connections == MANY else "p50 + < 0.3 ms",
        measured=f"{hub.cpu_us} µs CPU, p50 + {added} ms",
        times_naive=ratio(naive.cpu_us.middle, hub.cpu_us.middle),
    )
    return row, details


def added_p50(through: Sequence[Round], direct: Sequence[Round]) -> Figure:
    """What a way adds to the median answer of the partner itself, round by round, in milliseconds."""
    return Figure.of(
        one.percentile_ms(0.5) - other.percentile_ms(0.5) for one, other in zip(through, direct, strict=True)
    )
