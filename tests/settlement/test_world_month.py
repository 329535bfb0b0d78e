"""October of the demo's world: every mistake that was made in it on purpose is named, and nothing else is found wrong."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cache
from typing import Any

from hub.demo.world import WORLD, read_casts, read_expected, read_objects
from hub.settlement.agreements import Agreements
from hub.settlement.evidence import Evidence, SettlementPeriod, by_token, by_version, texts_by_owner
from hub.settlement.facts import key_of, party_of, read_cdr, read_version
from hub.settlement.findings import Severity
from hub.settlement.profiles import Profile, Profiles
from hub.settlement.run import Outcome, settle
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json, parse_datetime

OCTOBER = SettlementPeriod(
    datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 5, 18, tzinfo=UTC)
)


@cache
def october() -> Outcome:
    """The month, each CDR received when it was last updated; the world has no sessions, as is known of its CPOs."""
    roles = {
        Party.of(role["country_code"], role["party_id"]): role["role"] for cast in read_casts() for role in cast.roles
    }
    said = {name: [one for party in roles for one in read_objects(party, name)] for name in ("cdrs", "tariffs")}
    tokens = [read_version(one, key_of(one["uid"])) for party in roles for one in read_objects(party, "tokens")]
    places = [read_version(one, key_of(one["id"])) for party in roles for one in read_objects(party, "locations")]
    tariffs = by_version(read_version(one, key_of(one["id"])) for one in said["tariffs"])
    evidence = Evidence(
        period=OCTOBER,
        parties={party: frozenset({Role(role)}) for party, role in roles.items()},
        cdrs=tuple(
            read_cdr(index, parse_datetime(one["last_updated"]), party_of(one["cdr_token"]), one)
            for index, one in enumerate(said["cdrs"])
        ),
        tokens=by_token(tokens),
        locations=by_version(places),
        tariffs=tariffs,
        tariff_texts=texts_by_owner(tariffs),
    )
    silent = Profiles.over(Profile(party=party, differs=frozenset({"sends_sessions"})) for party in roles)
    return settle(evidence, Agreements(profiles=silent))


def mistakes() -> list[dict[str, Any]]:
    """The CDRs that are wrong on purpose."""
    return list(decode_json((WORLD / "known-mistakes.json").read_bytes()))


def test_every_mistake_is_named_by_its_kind() -> None:
    told = {(fact.id, finding.check.kind) for finding in october().findings for fact in finding.subject.cdrs}
    assert {(one["id"], one["kind"]) for one in mistakes()} - told == set()


def test_nothing_is_found_wrong_with_any_other_cdr() -> None:
    wrong = {one["id"] for one in mistakes()} | {one["credited_by"] for one in mistakes() if "credited_by" in one}
    worse = [finding for finding in october().findings if finding.severity is not Severity.INFO]
    assert {fact.id for finding in worse for fact in finding.subject.cdrs} == wrong
    assert len(october().verdicts) > 500


def test_what_settles_and_what_is_held_is_all_that_the_cdrs_of_the_month_state() -> None:
    """P02: nothing is lost and nothing is counted twice."""
    outcome = october()
    sums: Counter[tuple[str, str]] = Counter()
    for fact in outcome.evidence.cdrs:
        if outcome.verdicts[fact.index] in {"SETTLE", "HOLD"} and fact.total is not None:
            sums[str(fact.owner), str(fact.to)] += fact.total.excl_vat  # type: ignore[assignment]  # exact, unlike a count
    assert sums == {(row["creditor"], row["debtor"]): row["total_excl_vat"] for row in read_expected()}


def test_corrections_are_shown_as_such() -> None:
    """J04."""
    corrected = {
        fact.id for finding in october().findings if finding.check.id == "J04" for fact in finding.subject.cdrs
    }
    assert corrected == {one["corrected_by"] for one in mistakes() if "corrected_by" in one}
