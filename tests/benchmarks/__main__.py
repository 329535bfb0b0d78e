"""`python -m tests.benchmarks [NAME ...]` runs benchmarks and prints what came of them; `--write` keeps it in the documentation."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from tests.benchmarks import writes
from tests.benchmarks.console import console
from tests.benchmarks.crawl import FULL_OBJECTS, QUICK_OBJECTS, crawl
from tests.benchmarks.fanout import fanout
from tests.benchmarks.figures import DETAILS, TABLE, Report, table
from tests.benchmarks.forward import forward
from tests.benchmarks.loads import loads
from tests.benchmarks.machine import Cores, describe, pin
from tests.benchmarks.map_latency import map_latency
from tests.benchmarks.map_queries import map_queries
from tests.benchmarks.navigation import navigation
from tests.benchmarks.page import page
from tests.benchmarks.page_of_figures import write_page
from tests.benchmarks.price import price
from tests.benchmarks.ruler import measure_ruler
from tests.benchmarks.settle import FULL_CDRS, QUICK_CDRS, settle
from tests.benchmarks.stage import Options, say
from tests.benchmarks.stations import stations

BENCHMARKS: Mapping[str, Callable[[Options], Report]] = {
    "status-patch": writes.status_patch,
    "location-put": writes.location_put,
    "cdr-post": writes.cdr_post,
    "page": page,
    "forward": forward,
    "fanout": fanout,
    "crawl": crawl,
    "price": price,
    "settle": settle,
    "console": console,
    "navigation": navigation,
    "map-queries": map_queries,
    "map-latency": map_latency,
    "loads": loads,
    "stations": stations,
}


def main(arguments: Sequence[str]) -> int:
    """Run what was named, or everything. Returns the exit status."""
    asked = _parser().parse_args(arguments)
    names = asked.names or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        say(f"unknown: {', '.join(unknown)}; known: {', '.join(BENCHMARKS)}")
        return 2
    cores = Cores.of_this_machine()
    pin(0, cores.others)
    options = _options(cores, asked)
    ruler = measure_ruler(options)
    say(f"{describe()}\n{ruler}")
    reports = [_run(name, options) for name in names]
    if len(reports) > 1:
        say("\n" + table(TABLE, (row.cells() for report in reports for row in report.rows)))
    if asked.write:
        write_page(reports, ruler, options)
    return 0


def _options(cores: Cores, asked: argparse.Namespace) -> Options:
    objects = FULL_OBJECTS if asked.full else asked.objects
    cdrs = FULL_CDRS if asked.full else asked.cdrs
    return Options(cores, asked.seconds, asked.repeats, objects, cdrs, asked.stations)


def _run(name: str, options: Options) -> Report:
    say(f"\n{name} …")
    report = BENCHMARKS[name](options)
    say(table(TABLE, (row.cells() for row in report.rows)))
    say("\n" + table(DETAILS, (detail.cells() for detail in report.details)))
    for remark in report.remarks:
        say(f"- {remark}")
    return report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py bench", description="Measure the hub beside the obvious design.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to run; else all of {', '.join(BENCHMARKS)}")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a round (3)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of each (3)")
    parser.add_argument(
        "--objects", type=int, default=QUICK_OBJECTS, help="how many Locations are crawled, or searched (100000)"
    )
    parser.add_argument(
        "--cdrs",
        type=int,
        default=QUICK_CDRS,
        help=f"how many CDRs are settled, or shown in the console ({QUICK_CDRS})",
    )
    parser.add_argument("--stations", type=int, default=300, help="how many charge points are connected (300)")
    parser.add_argument("--full", action="store_true", help="crawl and search a million, settle and show a million")
    parser.add_argument(
        "--write", action="store_true", help="put the figures of what was run into docs/reference/performance.md"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
