"""Terms as rows, and what differs between two versions."""

from __future__ import annotations

from typing import Any

import pytest

from hub.console.clauses import Difference, clauses, differences, meaning_of

TERMS: dict[str, Any] = {
    "agreement": "DEABC-NLMSP",
    "version": 2,
    "valid": {"from": "2026-10-01T00:00:00Z", "to": None},
    "scope": {"countries": ["DEU", "NLD"]},
    "pricing": {"fees": [{"per_session": "0.05", "payer": "debtor"}]},
    "terms": {"allows_unknown_times": True},
    "checks": {"C05": {"disposition": "REPORT"}},
}


def test_every_clause_is_a_row_under_its_path_and_the_number_is_none() -> None:
    assert {clause.path: clause.value for clause in clauses(TERMS)} == {
        "agreement": "DEABC-NLMSP",
        "valid.from": "2026-10-01T00:00:00Z",
        "valid.to": "none",
        "scope.countries": "DEU, NLD",
        "pricing.fees.1.per_session": "0.05",
        "pricing.fees.1.payer": "debtor",
        "terms.allows_unknown_times": "yes",
        "checks.C05.disposition": "REPORT",
    }


@pytest.mark.parametrize("path", [clause.path for clause in clauses(TERMS)])
def test_what_a_clause_means_is_said_beside_it(path: str) -> None:
    assert meaning_of(path)


def test_a_word_that_is_no_clause_means_nothing() -> None:
    assert meaning_of("pricing.shelf") == ""


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, [], id="the same"),
        pytest.param({"version": 3}, [], id="the number alone"),
        pytest.param(
            {"valid": {"from": "2027-01-01T00:00:00Z", "to": None}},
            [("valid.from", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z")],
            id="another value",
        ),
        pytest.param({"checks": {}}, [("checks", None, "none"), ("checks.C05.disposition", "REPORT", None)], id="gone"),
        pytest.param({"tax": {"model": "agency"}}, [("tax.model", None, "agency")], id="new"),
    ],
)
def test_a_difference_names_the_clause_with_its_old_and_new_value(
    changed: dict[str, Any], expected: list[tuple[str, str | None, str | None]]
) -> None:
    found = differences(TERMS, {**TERMS, **changed})
    assert [(one.path, one.old, one.new) for one in found] == expected
    assert all(isinstance(one, Difference) for one in found)
