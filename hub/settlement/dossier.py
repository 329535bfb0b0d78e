"""All files of a run, in their order, as chunks of bytes: what was found, the statements, the report, and at last the seal over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from hub import __version__
from hub.settlement import seal
from hub.settlement.bundle import Bundle, party_text
from hub.settlement.causes import Cause, cause_content, causes_of
from hub.settlement.configuration import agreement_content, by_name, catalogue_digest, profile_content
from hub.settlement.evidence import Tolerances
from hub.settlement.outputs import (
    Content,
    array,
    bilateral_content,
    cdrs_content,
    findings_content,
    members,
    net_content,
    plain,
    transfer_content,
)
from hub.settlement.pair_statements import (
    PairStatement,
    lines_content,
    pair_content,
    pair_statements,
    totals_content,
    unsettled_content,
)
from hub.settlement.run import Outcome
from hub.settlement.seal import FORMAT, Sealed, Tree, canonical
from hub.settlement.sheets import as_csv, as_pdf, as_xlsx
from ocpi_modules.types import format_datetime

Chunks = Iterable[bytes]
Report = Callable[["Dossier"], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """A run with everything that its files are made of; `heads` are those of the statements, in their order."""

    bundle: Bundle
    outcome: Outcome
    statements: tuple[PairStatement, ...]
    heads: tuple[Content, ...]
    causes: tuple[Cause, ...]
    sealed: Sealed
    tree: Tree

    @property
    def root(self) -> str:
        """The root of the seal in hexadecimal digits."""
        return self.tree.root.hex()


def dossier_of(bundle: Bundle, outcome: Outcome) -> Dossier:
    """Everything that the files of a run are made of."""
    statements = pair_statements(outcome, bundle.agreements)
    heads = tuple(_head(statement, bundle) for statement in statements)
    sealed = Sealed(
        configuration=configuration_content(bundle),
        statements=tuple(_leaf(head, statement) for head, statement in zip(heads, statements, strict=True)),
        net=tuple(net_content(outcome)),
        transfers=tuple(map(transfer_content, outcome.transfers)),
        findings=tuple(findings_content(outcome)),
    )
    return Dossier(
        bundle=bundle,
        outcome=outcome,
        statements=statements,
        heads=tuple({**head, "digest": leaf["digest"]} for head, leaf in zip(heads, sealed.statements, strict=True)),
        causes=causes_of(outcome),
        sealed=sealed,
        tree=Tree.over(sealed.leaves()),
    )


def files_of(dossier: Dossier, report: Report) -> Iterator[tuple[str, Chunks]]:
    """Every file but the seal, by its name."""
    outcome = dossier.outcome
    yield "findings.json", array(dossier.sealed.findings)
    yield "cdrs.json", array(cdrs_content(outcome))
    yield "net.json", members({"net": iter(dossier.sealed.net), "bilateral": bilateral_content(outcome)})
    yield "transfers.json", array(dossier.sealed.transfers)
    yield "causes.json", array(cause_content(rank, cause) for rank, cause in enumerate(dossier.causes, 1))
    for index, statement in enumerate(dossier.statements):
        yield from _statement_files(dossier, (index, statement))
    yield "report.html", [report(dossier).encode()]


def seal_file(dossier: Dossier, digests: Mapping[str, str]) -> Chunks:
    """The seal: the root, what is under it, and the digests of all other files."""
    content: Content = {
        "format": FORMAT,
        "engine": __version__,
        "root": dossier.root,
        "leaves": len(dossier.tree.levels[0]),
        "counts": dossier.sealed.counts() | {"lines": sum(len(one.lines) for one in dossier.statements)},
        "configuration": dossier.sealed.configuration,
        "statements": [
            {"name": one.name, **pair_content(one.pair), "digest": head["digest"]}
            for one, head in zip(dossier.statements, dossier.heads, strict=True)
        ],
        "files": dict(sorted(digests.items())),
    }
    return members({**content, "digest": run_digest(content)})


def run_digest(seal_content: Mapping[str, Any]) -> str:
    """The digest of a run: over all of its seal but the digest itself."""
    return sha256(canonical({name: value for name, value in seal_content.items() if name != "digest"})).hexdigest()


def period_content(bundle: Bundle) -> dict[str, str]:
    """The period that was settled."""
    period = bundle.evidence.period
    moments = {"from": period.start, "to": period.end, "closes_at": period.closes_at}
    return {name: format_datetime(moment) for name, moment in moments.items()}


def configuration_content(bundle: Bundle) -> Content:
    """All that decides what a run makes of the same input."""
    evidence = bundle.evidence
    parties = {party_text(party): sorted(map(str, roles)) for party, roles in evidence.parties.items()}
    return {
        "engine": __version__,
        "catalogue": catalogue_digest(),
        "period": period_content(bundle),
        "parties": dict(sorted(parties.items())),
        "hub": party_text(bundle.agreements.hub),
        "tolerances": _tolerances_content(evidence.tolerances, evidence.as_of),
        "agreements": [agreement_content(one) for one in sorted(bundle.agreements.known, key=by_name)],
        "profiles": [profile_content(one) for one in bundle.agreements.profiles.known],
    }


def _tolerances_content(tolerances: Tolerances, as_of: datetime) -> Content:
    values = {one.name: getattr(tolerances, one.name) for one in fields(tolerances)}
    numbers = {name: value.normalize() for name, value in values.items() if isinstance(value, Decimal)}
    return {name: plain(value) for name, value in {**numbers, "as_of": as_of}.items()}


def _head(statement: PairStatement, bundle: Bundle) -> Content:
    pair = statement.pair
    return {
        **pair_content(pair),
        "creditor_name": bundle.names.get(pair.creditor, ""),
        "debtor_name": bundle.names.get(pair.debtor, ""),
        "period": period_content(bundle),
        "totals": totals_content(statement),
    }


def _leaf(head: Content, statement: PairStatement) -> Content:
    kept_out = map(unsettled_content, statement.unsettled)
    return seal.statement_leaf({**head, "lines": lines_content(statement), "unsettled": kept_out})


def _statement_files(dossier: Dossier, one: tuple[int, PairStatement]) -> Iterator[tuple[str, Chunks]]:
    index, statement = one
    head, kept_out = dossier.heads[index], list(map(unsettled_content, statement.unsettled))
    place = dossier.sealed.place_of(index)
    proof = {
        "root": dossier.root,
        "index": place,
        "leaves": len(dossier.tree.levels[0]),
        "path": [step.hex() for step in dossier.tree.proof(place)],
    }
    path = f"statements/{statement.name}"
    yield (
        f"{path}.json",
        members({**head, "proof": proof, "lines": lines_content(statement), "unsettled": iter(kept_out)}),
    )
    yield f"{path}.csv", as_csv(lines_content(statement))
    yield f"{path}.xlsx", [as_xlsx(head, lines_content(statement), kept_out)]
    yield f"{path}.pdf", [as_pdf(head, kept_out)]
