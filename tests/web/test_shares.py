"""Figures of several processes as one page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from hub.partners.delivery import LaneState
from hub.web.metrics import Metrics
from hub.web.ocpi import Seen
from hub.web.recent import Answers, Recent, Row
from hub.web.shares import LaneShare, Share, merged_answers, merged_lanes, merged_metrics, merged_rows, merged_waiting


def share(process: str, puts: int, waiting: dict[str, int] | None = None, due: dict[str, int] | None = None) -> Share:
    metrics = Metrics()
    for _ in range(puts):
        metrics.count(Seen("PUT", "locations", "P1", "DE/CP1", "NL/MS1", 200, 1000, 0.2))
    text = metrics.measure(waiting or {}, puts, due or {})
    return Share(process, text, [("locations", "PUT", puts, 1)], waiting or {})


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    families = list(text_string_to_metric_families(text.decode()))
    assert len({family.name for family in families}) == len(families), "each family once"
    found = [one for family in families for one in family.samples]
    return {(one.name, *sorted(f"{k}={v}" for k, v in one.labels.items() if k != "le")): one.value for one in found}


def test_one_process_says_what_it_always_said() -> None:
    alone = share("a", 2)
    assert merged_metrics([alone]) == alone.metrics
    assert b"process=" not in alone.metrics


def test_each_figure_has_the_name_of_its_process() -> None:
    found = samples(merged_metrics([share("a", 2), share("b", 3)]))
    for process, puts in (("a", 2), ("b", 3)):
        labels = ("http_status=200", "method=PUT", "module=locations", f"process={process}", "status_class=1xxx")
        assert found["hub_requests_total", *labels] == puts
        assert found["hub_lane_dropped_messages", f"process={process}"] == puts
        assert found["hub_request_seconds_count", "method=PUT", "module=locations", f"process={process}"] == puts


def test_a_lane_is_what_all_processes_say_of_it() -> None:
    """Several processes: what waits is known to one of them, what was lost to the one that lost it."""
    leader = LaneShare({"NL/MS1": LaneState(3, 2.5, 0, 1)}, 0)
    other = LaneShare({"NL/MS1": LaneState(0, 0.0, 7, 0), "DE/CP1": LaneState(dropped=1)}, 4)
    merged = merged_lanes([leader, other])
    assert merged == {"NL/MS1": LaneState(3, 2.5, 7, 1), "DE/CP1": LaneState(dropped=1)}
    packed = msgspec.msgpack.encode(other)
    assert msgspec.msgpack.decode(packed, type=LaneShare) == other


def test_figures_of_the_hub_as_a_whole_stand_once_whoever_leads() -> None:
    """A series that changed its label with every takeover would be another series each time."""
    leader, other = share("a", 1, {"NL/MS1": 3}, {"NL/MS1": 2}), share("b", 1)
    for shares in ([leader, other], [other, leader]):
        found = samples(merged_metrics(shares))
        assert found["hub_lane_messages", "receiver=NL/MS1"] == 3
        assert found["hub_due_cdrs", "payer=NL/MS1"] == 2
        assert merged_waiting(shares) == {"NL/MS1": 3}


def test_what_passed_is_added_up() -> None:
    assert merged_rows([share("a", 2), share("b", 3)]) == [Row("locations", "PUT", 5, 2)]


def test_what_was_answered_is_told_by_minute_module_and_class() -> None:
    now, recent = datetime(2026, 11, 2, 8, 0, 30, tzinfo=UTC), Recent()
    for minutes, module_id, code in (
        (-20, "cdrs", 1000),
        (-1, "cdrs", 1000),
        (0, "cdrs", 2001),
        (0, "cdrs", 2004),
        (0, "", 2000),
    ):
        seen = Seen("PUT", module_id, "P1", "DE/CP1", "NL/MS1", 200, code, 0.2)
        recent.add(seen, now + timedelta(minutes=minutes))
    start = now.replace(second=0)
    assert recent.answers(now) == [
        Answers(start - timedelta(minutes=1), "cdrs", "1xxx", 1),
        Answers(start, "cdrs", "2xxx", 2),
        Answers(start, "other", "2xxx", 1),
    ]
    assert recent.rows(now) == [Row("cdrs", "PUT", 1, 2), Row("other", "PUT", 0, 1)]
    told = [(int(one.start.timestamp()), one.module_id, one.status_class, one.count) for one in recent.answers(now)]
    shares = [Share(name, b"", [], {}, told) for name in ("a", "b")]
    assert [one.count for one in merged_answers(shares)] == [2, 4, 2]
    assert merged_answers(shares)[0].start == start - timedelta(minutes=1)
