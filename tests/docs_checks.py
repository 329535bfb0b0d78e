"""Writes `docs/reference/checks.md` from the catalogue of checks, so that page and product cannot disagree.

Run `python -m tests.docs_checks` after a change of the catalogue; `tests/test_docs.py` fails until then.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hub.settlement.catalogue import CATALOGUE
from hub.settlement.findings import Check

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "checks.md"

OPENING = """# Checks

What settlement looks for. A finding has the id and kind of its check, and a severity and disposition that may be milder or
stricter in a single case: a claim that is too high is held, one that is too low settles as claimed with a warning.
[Agreements](agreements.md) may change both for their two parties. Made from `hub/settlement/catalogue.py` by `python -m
tests.docs_checks`; do not edit.

| Disposition | What becomes of the CDR |
| --- | --- |
| SETTLE | it is netted as claimed |
| HOLD | it is kept out until the matter is resolved |
| DROP | it never settles |
| DEFER | it belongs to the next period |
| REPORT | nothing; people are told |

| Check | Kind | Severity | Disposition | The rule |
| --- | --- | --- | --- | --- |
"""


def checks_page(checks: Iterable[Check]) -> str:
    """The whole page as Markdown: one row for each check, in the order of the catalogue."""
    return OPENING + "".join(
        f"| {one.id} | `{one.kind}` | {one.severity} | {one.disposition} | {one.rule} |\n" for one in checks
    )


def main() -> None:
    """Write the page."""
    PAGE.write_text(checks_page(CATALOGUE), encoding="utf-8")


if __name__ == "__main__":
    main()
