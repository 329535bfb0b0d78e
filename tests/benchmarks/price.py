"""What CDRs should have cost: from their stored JSON text to the priced result, in one process on one core.

Beside it, in the same run: the answer as JSON text too, pricing of CDRs that were read before, and a plain pricer over dictionaries of
Decimals. Every generated CDR is priced by both, and both have to say the same.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from time import perf_counter, process_time
from typing import Any
from zoneinfo import ZoneInfo

from hub.pricing.charge import read_charge
from hub.pricing.interface import price_line
from hub.pricing.policy import DEFAULT
from hub.pricing.pricer import Priced
from hub.pricing.pricer import price as price_charge
from hub.pricing.result import Unpriceable
from hub.pricing.rounding import rounded
from hub.pricing.selection import TariffBook
from ocpi_modules.types import decode_json, encode_decoded
from tests.benchmarks import naive_pricing
from tests.benchmarks.charges import Object, Owner, Stored, owners, stored_cdrs
from tests.benchmarks.figures import Detail, Report, Round, Row, number, ratio
from tests.benchmarks.machine import pin
from tests.benchmarks.stage import Options

CDRS = 200_000
READ_BEFORE = 5_000
WARM_UP_SECONDS = 0.5
BATCH, TIMED_OF_BATCH = 200, 5
AGREEMENT = Decimal("1E-15")  # the plain pricer cuts endless quotients after 28 digits
SHOWN_MAX = 3

FLOOR, GOAL = "25,000/s", "60,000/s"
TEXT, JSON_OUT, PRICED, NAIVE, NAIVE_PRICED = (
    "price, text in, result out",
    "price, text in, JSON text out",
    "price, read before",
    "price, naive, text in",
    "price, naive, read before",
)

Totals = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is stored of an owner beside its CDRs: Tariffs as JSON texts and as dictionaries, and the time zone of its Location."""

    book: TariffBook
    tariffs: tuple[Object, ...]
    zone: ZoneInfo

    @classmethod
    def of(cls, owner: Owner) -> Shelf:
        """The shelf of an owner."""
        texts = tuple(encode_decoded(tariff) for tariff in owner.tariffs)
        return cls(TariffBook(texts), tuple(map(decode_json, texts)), ZoneInfo(owner.place.zone))


@dataclass(frozen=True, slots=True)
class Job:
    """A CDR to price: its text, or what was read from it, and the shelf of its owner."""

    cdr: Any
    shelf: Shelf


@dataclass(frozen=True, slots=True)
class Work:
    """One that is measured: what it does with each of its items."""

    name: str
    do: Callable[[Any], object]
    items: Sequence[Any]


# --- what is measured ------------------------------------------------------------------------


def from_text(job: Job) -> Priced | Unpriceable:
    """The product: JSON text of a CDR in, priced result with its total out."""
    return from_charge(Job(read_charge(job.cdr), job.shelf))


def from_charge(job: Job) -> Priced | Unpriceable:
    """The product over a CDR that was read before."""
    found = price_charge(job.cdr, job.shelf.book, DEFAULT, job.shelf.zone)
    if isinstance(found, Priced):
        found.total_cost  # noqa: B018  # made when somebody asks, and everybody does
    return found


def naive_from_text(job: Job) -> Totals:
    """The plain pricer, with the project's own exact JSON reader."""
    return naive_pricing.price(decode_json(job.cdr), job.shelf.tariffs, job.shelf.zone.key)


def naive_from_dictionary(job: Job) -> Totals:
    """The plain pricer over a CDR that was read before."""
    return naive_pricing.price(job.cdr, job.shelf.tariffs, job.shelf.zone.key)


def price(options: Options) -> Report:
    """Both pricers over all CDRs, then everybody in turns on a core of their own."""
    return price_of(options, CDRS)


def price_of(options: Options, count: int) -> Report:
    """The same with so many CDRs. Raises RuntimeError when the two pricers differ on any of them."""
    with on_the_measured_core(options):
        among = owners()
        stored = list(stored_cdrs(among, count))
        jobs = jobs_of(stored, among)
        require_agreement(jobs)
        works = works_of(stored, jobs)
        with settled_garbage():
            rounds = in_turns(works, options)
    details = {work.name: Detail.of(work.name, each) for work, each in zip(works, rounds, strict=True)}
    return Report("price", rows_of(details), tuple(details.values()), (mixture(stored, among),))


def jobs_of(stored: Sequence[Stored], among: Sequence[Owner]) -> list[Job]:
    """The CDRs as texts, each with its owner's shelf."""
    shelves = {owner.name: Shelf.of(owner) for owner in among}
    return [Job(one.text, shelves[one.owner.name]) for one in stored]


def works_of(stored: Sequence[Stored], jobs: Sequence[Job]) -> list[Work]:
    """Everybody that is measured, in the order of the table."""
    first = jobs[:READ_BEFORE]
    charges = [Job(read_charge(job.cdr), job.shelf) for job in first]
    dictionaries = [Job(decode_json(job.cdr), job.shelf) for job in first]
    lines = [line_of(one, job) for one, job in zip(stored, first, strict=False)]
    return [
        Work(TEXT, from_text, jobs),
        Work(JSON_OUT, price_line, lines),
        Work(PRICED, from_charge, charges),
        Work(NAIVE, naive_from_text, jobs),
        Work(NAIVE_PRICED, naive_from_dictionary, dictionaries),
    ]


def line_of(stored: Stored, job: Job) -> bytes:
    """What the command `price --jsonl` is given: the CDR, the stored Tariffs that it names, the time zone."""
    named = () if stored.is_embedding else (tariff for tariff in job.shelf.tariffs if _names(stored, tariff))
    texts = b",".join(map(encode_decoded, named))
    return b'{"cdr":%b,"tariffs":[%b],"timezone":"%b"}' % (stored.text, texts, job.shelf.zone.key.encode())


def _names(stored: Stored, tariff: Object) -> bool:
    return b'"tariff_id":"%b"' % str(tariff["id"]).encode() in stored.text


# --- agreement -------------------------------------------------------------------------------


def require_agreement(jobs: Sequence[Job]) -> None:
    """Both pricers say the same of every CDR, exactly and after rounding. Raises RuntimeError."""
    wrong = [complaint for complaint in map(difference, jobs) if complaint]
    if wrong:
        raise RuntimeError(f"price: {len(wrong)} of {len(jobs)} differ: {'; '.join(wrong[:SHOWN_MAX])}")


def difference(job: Job) -> str:
    """How the two differ on a CDR; empty where they agree."""
    found, plain = from_text(job), naive_from_text(job)
    if isinstance(found, Unpriceable):
        return f"{found.charge.id}: {found.detail}"
    ours, currency = totals_of(found), found.charge.currency
    is_exact = all(abs(one - other) < AGREEMENT for one, other in zip(ours, plain, strict=True))
    is_same = [settled(one, currency) for one in ours] == [settled(one, currency) for one in plain]
    return "" if is_exact and is_same else f"{found.charge.id}: {ours} and {plain}"


def totals_of(found: Priced) -> Totals:
    """The total excluding and including VAT."""
    money = found.total_cost
    assert money.incl_vat is not None
    return _decimal(money.excl_vat), _decimal(money.incl_vat)


def settled(amount: Decimal, currency: str) -> Decimal:
    """The settlement amount; what is closer to a half than the plain pricer can tell is that half."""
    return rounded(amount.quantize(AGREEMENT), currency)


def _decimal(amount: Fraction) -> Decimal:
    return Decimal(amount.numerator) / Decimal(amount.denominator)


# --- rounds ----------------------------------------------------------------------------------


def in_turns(works: Sequence[Work], options: Options) -> list[list[Round]]:
    """The rounds of each, after a warm-up."""
    for work in works:
        measured(work, min(WARM_UP_SECONDS, options.seconds))
    turns = [[measured(work, options.seconds) for work in works] for _ in range(options.repeats)]
    return [list(rounds) for rounds in zip(*turns, strict=True)]


def measured(work: Work, seconds: float) -> Round:
    """One round: batch after batch, and a few items of each timed one by one."""
    done, latencies, items = 0, list[float](), endless(work.items)
    began, cpu_began = perf_counter(), process_time()
    while perf_counter() - began < seconds:
        for item in islice(items, BATCH):
            work.do(item)
        latencies += [timed(work.do, item) for item in islice(items, TIMED_OF_BATCH)]
        done += BATCH + TIMED_OF_BATCH
    return Round(done, perf_counter() - began, process_time() - cpu_began, latencies)


def timed(do: Callable[[Any], object], item: Any) -> float:
    """The seconds that one item takes."""
    began = perf_counter()
    do(item)
    return perf_counter() - began


def endless(items: Sequence[Any]) -> Iterator[Any]:
    """All items, again and again."""
    while True:
        yield from items


@contextmanager
def settled_garbage() -> Iterator[None]:
    """What is there now is not looked at again by the collector, which otherwise does its work as ever."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def on_the_measured_core(options: Options) -> Iterator[None]:
    """This process is what is measured here."""
    pin(0, options.cores.measured)
    try:
        yield
    finally:
        pin(0, options.cores.others)


# --- the report ------------------------------------------------------------------------------


def rows_of(details: Mapping[str, Detail]) -> tuple[Row, ...]:
    """Text in and price out, text in and JSON text out, and pricing alone."""
    return (
        _row("CDR priced: 4 to 8 periods, JSON text in, result out", (details[TEXT], details[NAIVE]), (FLOOR, GOAL)),
        _row("the same, each line explained, as JSON text out", (details[JSON_OUT], details[NAIVE])),
        _row("CDR priced that was read before", (details[PRICED], details[NAIVE_PRICED])),
    )


def _row(work: str, pair: tuple[Detail, Detail], limits: tuple[str, str] = ("", "")) -> Row:
    ours, naive = pair
    return Row(
        work=work,
        naive=f"{number(naive.rate.middle)}/s, {number(naive.cpu_us.middle)} µs CPU",
        floor=limits[0],
        goal=limits[1],
        measured=f"{ours.rate}/s, {ours.cpu_us} µs CPU",
        times_naive=f"{ratio(ours.rate.middle, naive.rate.middle)}, by CPU {ratio(naive.cpu_us.middle, ours.cpu_us.middle)}",
    )


def mixture(stored: Sequence[Stored], among: Sequence[Owner]) -> str:
    """What was priced, in one sentence."""
    tariffs = sum(len(owner.tariffs) for owner in among)
    size = sum(len(one.text) for one in stored) / len(stored)
    embedding = sum(one.is_embedding for one in stored) / len(stored)
    return (
        f"Prices: {len(stored):,} CDRs of {number(size)} bytes under {tariffs} Tariffs in {len(among)} time zones, {embedding:.0%} of them "
        "with the Tariff in the CDR; both pricers agreed on every one of them, exactly and after rounding."
    )
