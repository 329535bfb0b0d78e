"""Broadcasts to 1, 10, 50 and 200 partners: what a delivery costs, over plain HTTP and over TLS, and what a dead partner does to others.

Location PUTs go in volleys; the next one begins when every partner has the last. The CPU of a delivery is that of the hub in all, with the
PUTs that came in.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ocpi_modules.parties import Party
from tests.benchmarks.feeds import PutFeed, locations_of
from tests.benchmarks.figures import Detail, Figure, Report, Round, Row, number, percentile, ratio
from tests.benchmarks.load import drive
from tests.benchmarks.objects import CPO, location_template
from tests.benchmarks.party import PartnerServer, RequestForm, join
from tests.benchmarks.processes import Program
from tests.benchmarks.stage import Options, naive_request, require, stage
from tests.benchmarks.writes import OWNER_PATH, in_milliseconds

SIZES = (1, 10, 50, 200)
DEAD_AMONG = 50
DEAD = 0
SENDERS = 4
VOLLEY_DELIVERIES, NAIVE_VOLLEY_DELIVERIES = 2000, 200
VOLLEY_MAX_PUTS = 400  # a lane takes a thousand
PACED_SHARE = 0.3  # of what one core would deliver: the dead partner's doing is to be seen, not a queue
OFFERS = "locations.RECEIVER"
DELIVERED_WAIT_SECONDS = 60.0
LOOK_SECONDS = 0.01
VALID_DAYS = 2
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Scene:
    """A program that broadcasts, who pushes to it, and the partners that hear of it.

    `may_lose`: it answers when it has told everybody, or given up; what it gave up is counted in `lost`.
    """

    program: Program
    partners: PartnerServer
    form: RequestForm
    listening: range
    senders: int = SENDERS
    volley_deliveries: int = VOLLEY_DELIVERIES
    query: bytes = b""
    may_lose: bool = False
    lost: list[int] = field(default_factory=list)

    def feeds(self) -> list[PutFeed]:
        """What is pushed."""
        template = location_template()
        return [PutFeed(self.form, template, locations_of(index), self.query) for index in range(self.senders)]

    @property
    def puts_each(self) -> int:
        """How many PUTs of each sender make a volley."""
        wanted = min(VOLLEY_MAX_PUTS, self.volley_deliveries // len(self.listening))
        return max(1, wanted // self.senders)


def fanout(options: Options) -> Report:
    """Deliveries a CPU-second, and the delay of deliveries with and without a dead partner."""
    reports = [_plain(options), _tls(options)]
    return Report(
        "fanout",
        tuple(row for report in reports for row in report.rows),
        tuple(detail for report in reports for detail in report.details),
        tuple(remark for report in reports for remark in report.remarks),
    )


def _plain(options: Options) -> Report:
    with stage(options) as made:
        hub, partners = made.hub(), made.partners(SIZES[-1] * 2 + 1)
        cpo = join(hub, "CPO", CPO, partners.base_url(SIZES[-1] * 2, "tokens.RECEIVER"))
        naive_ports = range(SIZES[-1], SIZES[-1] * 2)
        urls = [partners.base_url(index, OFFERS) + "/locations" for index in naive_ports]
        naive = made.naive(NAIVE_RECEIVERS=json.dumps(urls))
        form, naive_form = (
            cpo.push("PUT", "locations", below=OWNER_PATH),
            naive_request(naive, "PUT", f"/broadcast{OWNER_PATH}"),
        )
        rows, details, joined = [], [], 0
        remarks: list[str] = []
        for size in SIZES:
            _join_up_to(hub, partners, range(joined, size))
            joined = size
            scene = Scene(hub, partners, form, range(size))
            other = Scene(
                naive,
                partners,
                naive_form,
                naive_ports[:size],
                1,
                NAIVE_VOLLEY_DELIVERIES,
                b"?to=%d" % size,
                may_lose=True,
            )
            row, found = _compare(f"{size} partner{'s' * (size > 1)}", scene, other, options)
            rows.append(row)
            details += found
            if lost := sum(other.lost):
                remarks.append(
                    f"The obvious design lost {lost} deliveries to {size} partners: its client read from closed connections."
                )
            if size == DEAD_AMONG:
                remarks.append(_with_a_dead_one(scene, found[0], options))
    return Report("fanout", tuple(rows), tuple(details), tuple(remarks))


def _tls(options: Options) -> Report:
    size = SIZES[-1]
    with stage(options) as made:
        certificate, key = make_certificate(made.folder)
        hub, partners = made.hub(SSL_CERT_FILE=str(certificate)), made.partners(size, (str(certificate), str(key)))
        with_plain = made.partners(1)
        cpo = join(hub, "CPO", CPO, with_plain.base_url(0, "tokens.RECEIVER"))
        _join_up_to(hub, partners, range(size))
        scene = Scene(hub, partners, cpo.push("PUT", "locations", below=OWNER_PATH), range(size))
        rounds = _rounds([scene], options)[0]
    detail = Detail.of(f"fan-out to {size} over TLS, hub", rounds)
    row = Row(
        work=f"broadcast to {size} partners over TLS, deliveries per CPU-second",
        naive="",
        floor="",
        goal="12,000",
        measured=str(per_cpu_second(rounds)),
    )
    return Report("fanout", (row,), (detail,))


def _join_up_to(hub: Program, partners: PartnerServer, indexes: Iterable[int]) -> None:
    for index in indexes:
        join(hub, "EMSP", party_of(index), partners.base_url(index, OFFERS))


def party_of(index: int) -> Party:
    """A party of its own for each partner."""
    hundreds, rest = divmod(index, len(LETTERS) ** 2)
    return Party("NL", "MNO"[hundreds] + LETTERS[rest // len(LETTERS)] + LETTERS[rest % len(LETTERS)])


def _compare(what: str, hub: Scene, naive: Scene, options: Options) -> tuple[Row, list[Detail]]:
    rounds = _rounds([hub, naive], options)
    details = [Detail.of(f"fan-out to {what}, {who}", each) for who, each in zip(("hub", "naive"), rounds, strict=True)]
    ours, theirs = map(per_cpu_second, rounds)
    is_asked = hub.listening.stop == SIZES[-1]
    row = Row(
        work=f"broadcast to {what}, deliveries per CPU-second",
        naive=number(theirs.middle),
        floor="8,000" if is_asked else "",
        goal="20,000" if is_asked else "",
        measured=str(ours),
        times_naive=ratio(ours.middle, theirs.middle),
    )
    return row, details


def per_cpu_second(rounds: Iterable[Round]) -> Figure:
    """Deliveries a second of the hub's CPU."""
    return Figure.of(1e6 / each.cpu_us for each in rounds)


def _rounds(scenes: Sequence[Scene], options: Options) -> list[list[Round]]:
    for scene in scenes:
        _round(scene, 0.0)
    turns = [[_round(scene, options.seconds) for scene in scenes] for _ in range(options.repeats)]
    return [list(rounds) for rounds in zip(*turns, strict=True)]


def _round(scene: Scene, seconds: float) -> Round:
    """Volleys for so long, one at least."""
    feeds, delays, delivered = scene.feeds(), list[float](), 0
    cpu_start, start = scene.program.cpu_seconds(), time.monotonic()
    while not delivered or time.monotonic() < start + seconds:
        found = _volley(scene, feeds)
        delays += found
        delivered += len(found)
    took = time.monotonic() - start
    return Round(delivered, took, scene.program.cpu_seconds() - cpu_start, delays)


def _volley(
    scene: Scene, feeds: Sequence[PutFeed], pause_seconds: float = 0.0, puts_each: int | None = None
) -> list[float]:
    """Push, and wait until everybody has everything; the delays of the deliveries but for those to a dead partner, in seconds."""
    scene.partners.ask("forget")
    for feed in feeds:
        feed.allow(puts_each or scene.puts_each)
    drive(scene.program.port, feeds, DELIVERED_WAIT_SECONDS, pause_seconds)
    sent_at = {mark: at for feed in feeds for mark, at in feed.sent_at.items()}
    if not scene.may_lose:
        _await_everything(scene, len(sent_at))
    delays = delays_of(sent_at, scene.partners.ask("seen"), scene.listening)
    scene.lost.append(len(sent_at) * len(scene.listening) - len(delays))
    return delays


def _await_everything(scene: Scene, each: int) -> None:
    deadline = time.monotonic() + DELIVERED_WAIT_SECONDS
    while min(scene.partners.ask("counts")[index] for index in scene.listening) < each:
        require(time.monotonic() < deadline, f"not every partner got {each} pushes")
        time.sleep(LOOK_SECONDS)


def delays_of(
    sent_at: dict[str, float], seen: Sequence[Sequence[tuple[float, str, str]]], listening: Iterable[int]
) -> list[float]:
    """Seconds from sending a PUT to its arrival at each partner. Raises RuntimeError when one got something twice or something else."""
    delays: list[float] = []
    for index in listening:
        arrived = [(at, in_milliseconds(mark)) for at, _, mark in seen[index]]
        marks = [mark for _, mark in arrived]
        require(
            len(set(marks)) == len(marks) and set(marks) <= sent_at.keys(), f"partner {index} got what was not sent"
        )
        delays += [at - sent_at[mark] for at, mark in arrived]
    return delays


def _with_a_dead_one(scene: Scene, detail: Detail, options: Options) -> str:
    """The 99th percentile of the others' delays, with and without a partner that takes requests and does not answer."""
    a_second = PACED_SHARE * 1e6 / detail.cpu_us.middle / len(scene.listening)
    alone, beside = [], []
    for _ in range(options.repeats):
        alone.append(percentile(_paced(scene, a_second, options.seconds), 0.99) * 1e3)
        scene.partners.ask(f"hang/{DEAD}")
        beside.append(percentile(_paced(scene, a_second, options.seconds), 0.99) * 1e3)
        scene.partners.ask("release")
        time.sleep(1.0)  # what waited for the dead one arrives
    without, with_ = Figure.of(alone), Figure.of(beside)
    change = (with_.middle / without.middle - 1) * 100
    return (
        f"A dead partner among {len(scene.listening)}, {number(a_second)} broadcasts a second: the others' p99 is {with_} ms "
        f"with it and {without} ms without ({change:+.0f} %; goal: under +20 %)."
    )


def _paced(scene: Scene, a_second: float, seconds: float) -> list[float]:
    feed = scene.feeds()[0]
    others = Scene(scene.program, scene.partners, scene.form, scene.listening[1:])
    return _volley(others, [feed], 1 / a_second, max(1, int(a_second * seconds)))


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback that is its own authority, and its key, as PEM files."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "partners of the benchmarks")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=VALID_DAYS)).not_valid_after(
        now + timedelta(days=VALID_DAYS)
    )
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        builder.add_extension(loopback, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, key_file = folder / "partners.pem", folder / "partners.key"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key_file
