"""Profiles of parties: known limits are told quietly, and every finding says what lowered it (point 3)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.settlement.agreements import Agreement, Agreements, Override
from hub.settlement.bundle import Faults, MalformedBundle, Spot
from hub.settlement.catalogue import CATALOGUE
from hub.settlement.dossier import dossier_of
from hub.settlement.evidence import Evidence
from hub.settlement.files import read_bundle
from hub.settlement.findings import STRICTNESS, Disposition, Finding, Severity
from hub.settlement.profiles import CAPABILITIES, PRESETS, Lowering, Profile, Profiles
from hub.settlement.profiles_file import Preset, read_profiles
from hub.settlement.run import settle
from ocpi_modules.types import encode_json
from tests.settlement.cases import (
    CPO,
    EMSP,
    Arrival,
    Content,
    cdr,
    dc_cdr,
    evidence_of,
    session_of,
    verdicts_of,
)
from tests.settlement.test_bundle import content as bundle_content

KINDS = {check.kind for check in CATALOGUE}


def known(*profiles: Profile, agreements: tuple[Agreement, ...] = ()) -> Agreements:
    return Agreements(agreements, profiles=Profiles.over(profiles))


def unusual(*names: str, party: Any = CPO, **more: Any) -> Profile:
    return Profile(party=party, differs=frozenset(names), **more)


def found(evidence: Evidence, agreements: Agreements, kind: str) -> Finding:
    (finding,) = [one for one in settle(evidence, agreements).findings if one.check.kind == kind]
    return finding


UNKNOWN = cdr(cdr_token__uid="NOBODY")


@pytest.mark.parametrize(
    ("evidence", "profile", "kind", "expected"),
    [
        pytest.param(
            evidence_of(cdr(), dc_cdr(), sessions=[session_of(dc_cdr())]),
            unusual("sends_sessions"),
            "MISSING_SESSION",
            ("INFO", "SETTLE"),
            id="a CPO that sends no sessions",
        ),
        pytest.param(
            evidence_of(cdr(), sessions=[]),
            unusual("sends_sessions"),
            "MISSING_SESSION",
            ("INFO", "SETTLE"),
            id="one that never sent any, as is known of it",
        ),
        pytest.param(
            evidence_of(cdr(), sessions=[]),
            unusual("sends_sessions", valid_from=datetime(2026, 10, 11, tzinfo=UTC)),
            "MISSING_SESSION",
            ("WARNING", "SETTLE"),
            id="one that never sent any, which nobody knew of that day",
        ),
        pytest.param(
            evidence_of(cdr(), sessions=[]),
            unusual("credits_possible"),
            "MISSING_SESSION",
            ("WARNING", "SETTLE"),
            id="one of which something else is known",
        ),
        pytest.param(
            evidence_of(cdr(), dc_cdr(), sessions=[session_of(dc_cdr())]),
            unusual("rewrites_ids"),
            "MISSING_SESSION",
            ("INFO", "SETTLE"),
            id="one that rewrites ids",
        ),
        pytest.param(
            evidence_of(UNKNOWN),
            unusual("sends_tokens", party=EMSP),
            "UNKNOWN_TOKEN",
            ("WARNING", "REPORT"),
            id="an eMSP",
        ),
        pytest.param(
            evidence_of(UNKNOWN), unusual("sends_tokens"), "UNKNOWN_TOKEN", ("ERROR", "HOLD"), id="tokens are an eMSP's"
        ),
        pytest.param(
            evidence_of(Arrival(cdr(), "2026-10-10T09:00:00Z")),
            unusual("local_times"),
            "END_IN_FUTURE",
            ("WARNING", "REPORT"),
            id="local times",
        ),
        pytest.param(
            evidence_of(Arrival(cdr(), "2026-10-31T09:00:00Z")),
            unusual("monthly_delivery"),
            "LATE_DELIVERY",
            ("INFO", "REPORT"),
            id="a monthly sender",
        ),
        pytest.param(
            evidence_of(cdr(total_time=2.1)),
            unusual("minute_rounded_times"),
            "TIME_SUM_MISMATCH",
            ("INFO", "REPORT"),
            id="times to the minute",
        ),
        pytest.param(
            evidence_of(UNKNOWN),
            unusual("sends_tokens", party=EMSP, valid_from=datetime(2026, 10, 11, tzinfo=UTC)),
            "UNKNOWN_TOKEN",
            ("ERROR", "HOLD"),
            id="not known before its date",
        ),
        pytest.param(
            evidence_of(UNKNOWN),
            unusual("sends_tokens", party=EMSP, valid_to=datetime(2026, 10, 10, tzinfo=UTC)),
            "UNKNOWN_TOKEN",
            ("ERROR", "HOLD"),
            id="no longer so",
        ),
    ],
)
def test_a_known_limit_lowers_what_it_explains(
    evidence: Evidence, profile: Profile, kind: str, expected: tuple[str, str]
) -> None:
    finding = found(evidence, known(profile), kind)
    assert (finding.severity.value, finding.disposition.value) == expected
    is_lowered = (finding.check.severity, finding.check.disposition) != (finding.severity, finding.disposition)
    assert ("lowered_by" in finding.details) is is_lowered


def test_a_lowered_finding_says_by_what_and_whose() -> None:
    finding = found(evidence_of(UNKNOWN), known(unusual("sends_tokens", party=EMSP)), "UNKNOWN_TOKEN")
    assert finding.details["lowered_by"] == f"sends_tokens of {EMSP}"
    assert verdicts_of(evidence_of(UNKNOWN), known(unusual("sends_tokens", party=EMSP))) == ["SETTLE"]


def test_an_over_claim_of_time_is_held_whatever_the_clock() -> None:
    """B04: minute-rounded times lower what is reported, and lift nothing that is held."""
    for capability in CAPABILITIES:
        lifted = {one.kind for one in capability.lowers if one.lifts}
        assert lifted <= {"UNKNOWN_TOKEN", "END_IN_FUTURE"}


def test_what_the_two_agreed_goes_before_what_is_known_of_them() -> None:
    agreement = Agreement(
        id="A", creditor=CPO, debtor=EMSP, checks={"UNKNOWN_TOKEN": Override(Severity.ERROR, Disposition.HOLD)}
    )
    finding = found(
        evidence_of(UNKNOWN), known(unusual("sends_tokens", party=EMSP), agreements=(agreement,)), "UNKNOWN_TOKEN"
    )
    assert finding.disposition is Disposition.HOLD


@pytest.mark.parametrize(
    "lowering", [pytest.param(one, id=f"{c.name} {one.kind}") for c in CAPABILITIES for one in c.lowers]
)
def test_a_capability_lowers_checks_of_the_catalogue_and_never_raises_one(lowering: Lowering) -> None:
    assert lowering.kind in KINDS
    if lowering.lifts:
        assert all(STRICTNESS[one.disposition] > 0 for one in CATALOGUE if one.kind == lowering.kind)


def test_presets_are_made_of_capabilities_and_can_be_written() -> None:
    names = {one.name for one in CAPABILITIES}
    assert all(set(preset) <= names for preset in PRESETS.values())
    assert set(Preset.__args__) == set(PRESETS)  # type: ignore[attr-defined]  # of a Literal


# --- as text -----------------------------------------------------------------------------------


def read(*items: Any) -> tuple[Profile, ...]:
    faults = Faults()
    profiles = read_profiles(list(items), Spot(faults, "profiles.yaml"))
    faults.raise_if_any()
    return profiles


def test_a_profile_is_a_preset_and_what_differs_from_it() -> None:
    (profile,) = read(
        {
            "party": "DE-ABC",
            "version": 2,
            "valid": {"from": "2026-10-01"},
            "preset": "push_only",
            "capabilities": {"credits_possible": True, "local_times": True, "long_texts": False},
        }
    )
    assert profile == Profile(
        party=CPO,
        version=2,
        valid_from=datetime(2026, 10, 1, tzinfo=UTC),
        differs=frozenset({"sends_sessions", "sends_authorization_references", "local_times"}),
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param({}, "[0].party is missing", id="nobody"),
        pytest.param({"party": "Spreestrom"}, "[0].party is no party", id="a name"),
        pytest.param({"party": "DE-ABC", "colour": 1}, "[0].colour is not known", id="an unknown member"),
        pytest.param({"party": "DE-ABC", "preset": "odd"}, "[0].preset is refused", id="an unknown preset"),
        pytest.param(
            {"party": "DE-ABC", "capabilities": {"sends_cake": True}},
            "[0].capabilities.sends_cake is not known",
            id="cake",
        ),
        pytest.param(
            {"party": "DE-ABC", "capabilities": {"local_times": "yes"}},
            "[0].capabilities.local_times is refused",
            id="yes",
        ),
        pytest.param(
            {"party": "DE-ABC", "valid": {"from": "2027-01-01", "to": "2026-01-01"}},
            "[0].valid.to is not after",
            id="never",
        ),
    ],
)
def test_what_a_profile_cannot_say_is_refused_by_name(item: Content, expected: str) -> None:
    with pytest.raises(MalformedBundle, match=expected.replace("[", r"\[").replace("]", r"\]")):
        read(item)


def test_a_version_of_a_profile_stands_once() -> None:
    with pytest.raises(MalformedBundle, match="is version 1 of the profile of DE-ABC again"):
        read({"party": "DE-ABC"}, {"party": "DE/ABC"})


def test_a_bundle_may_have_profiles_and_so_may_a_file_of_agreements(tmp_path: Path) -> None:
    """Laptop mode: they are part of the configuration that is sealed."""
    profiles = [{"party": "DE-ABC", "preset": "minute_clock"}]
    (tmp_path / "month.json").write_bytes(encode_json({**bundle_content(), "profiles": profiles}))
    (tmp_path / "terms.yaml").write_text(
        yaml.safe_dump({"profiles": [{"party": "NL-MSP", "version": 3}], "agreements": []})
    )
    bundle = read_bundle(tmp_path / "month.json", tmp_path / "terms.yaml")
    assert [one.party for one in bundle.agreements.profiles.known] == [CPO, EMSP]
    configuration = dossier_of(bundle, settle(bundle.evidence, bundle.agreements)).sealed.configuration
    assert configuration["profiles"][0]["differs"] == ["minute_rounded_times"]


def test_a_profile_in_a_bundle_is_of_one_of_its_parties(tmp_path: Path) -> None:
    (tmp_path / "month.json").write_bytes(encode_json({**bundle_content(), "profiles": [{"party": "FR-AAA"}]}))
    with pytest.raises(MalformedBundle, match="profiles has a profile of FR-AAA, which is none of the parties"):
        read_bundle(tmp_path / "month.json")
