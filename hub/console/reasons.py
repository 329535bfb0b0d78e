"""Reasons for decisions, disputes and corrections, in words, and which one a check is likely to be about. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from hub.settlement.disputes import Reason

REASON_WORDS: Mapping[Reason, str] = {
    Reason.DUP: "duplicate",
    Reason.NOSESS: "no session",
    Reason.NOAUTH: "not authorised",
    Reason.TOKEN: "token blocked or unknown",
    Reason.ENERGY: "energy",
    Reason.TIME: "times",
    Reason.TARIFF: "wrong version of a tariff",
    Reason.PRICE: "agreed price",
    Reason.ROUND: "rounding",
    Reason.TAX: "VAT",
    Reason.SIGN: "signature",
    Reason.LATE: "too late",
    Reason.SCOPE: "no contract",
    Reason.MICRO: "not billable",
    Reason.INVOICE: "fault of a document",
    Reason.OTHER: "say it in the note",
}

_BY_CHECK: Mapping[Reason, str] = {
    Reason.DUP: "A05 A06 D01 D02 D07",
    Reason.NOSESS: "E01 E02",
    Reason.NOAUTH: "F04 F05 F06 F07 F08",
    Reason.TOKEN: "F01 F02 F03",
    Reason.ENERGY: "B02 C01 C02 C03 C04 C09 E03 H03",
    Reason.TIME: "A08 A09 B01 B03 B04 C06 C07 D03 D04 E04 H04",
    Reason.TARIFF: "G01 G02",
    Reason.PRICE: "B05 B07 B08 B09 E05 G03 G04 G06 G09 G11",
    Reason.TAX: "B06",
    Reason.SIGN: "H01 H02 H05 H06 H07",
    Reason.LATE: "I01 I02",
    Reason.SCOPE: "K04 M01",
    Reason.MICRO: "C05",
}
_REASONS = {check: reason for reason, checks in _BY_CHECK.items() for check in checks.split()}


def likely_reason(check: str, kind: str) -> Reason | None:
    """What a finding is likely to be decided for; None where only a person can tell."""
    return Reason.ROUND if kind == "ROUNDING_DIFFERENCE" else _REASONS.get(check)
