"""docs/reference/local-cpo.md holds what the code holds."""

from __future__ import annotations

import re
from pathlib import Path

from hub.chargers.authorising import _STATUSES
from hub.chargers.commands import result_of
from hub.chargers.events import Answered, Outcome
from ocpi_modules.tokens import WhitelistType

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "local-cpo.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([^`]+)` \| `([^`|]+)` \|$", TEXT, re.MULTILINE))


def test_every_answer_of_a_station_has_its_result_on_the_page() -> None:
    said = {one.value: ROWS.get(one.value) for one in Answered}
    assert said == {one.value: result_of(Outcome(one))["result"] for one in Answered}


def test_every_answer_of_an_emsp_is_on_the_page() -> None:
    assert {name: ROWS.get(name) for name in _STATUSES} == {name: one.value for name, one in _STATUSES.items()}


def test_every_whitelist_is_on_the_page() -> None:
    assert all(f"\n| `{one.value}` |" in TEXT.partition("## Commands")[0] for one in WhitelistType)
