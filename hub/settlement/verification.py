"""Whether files still say what was sealed: of one statement with its proof, or of a whole output. Pure; needs nothing but the files.

What differs is told in sentences; no sentence means that everything is as it was sealed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any

from hub.settlement.amounts import EXACT
from hub.settlement.bundle import shown
from hub.settlement.dossier import run_digest
from hub.settlement.period_seal import PARTS, faults_of_seal, faults_of_signature
from hub.settlement.seal import FORMAT, HEAD_FIELDS, Sealed, Tree, leaf_hash, root_by_proof, statement_leaf

Content = Mapping[str, Any]
_SIDES = ("excl_vat", "incl_vat")

_STATEMENT = frozenset({*HEAD_FIELDS, "state", "digest", "proof", "lines", "unsettled"})
_PROOF = frozenset({"root", "index", "leaves", "path", "seal"})
_PERIOD = frozenset({"sealed", "seal"})
_SEAL = frozenset({"head", "signature"})
_ADVISED = "advised"


class NotSealed(ValueError):
    """What is neither the output of a run nor a statement of one; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The files of a run that a seal is recomputed from, decoded, and the digests of all of its files as they are now."""

    seal: Content
    findings: Sequence[Content]
    net: Sequence[Content]
    transfers: Sequence[Content]
    statement_of: Callable[[str], Content]
    """A statement by the name of its files. Raises NotSealed."""
    digests: Mapping[str, str]


def differences_in_statement(content: Any, key: str | None = None) -> list[str]:
    """What differs in one statement from what its proof says. Raises NotSealed for what is no statement.

    A proof out of the books of a hub has a signed seal; `key` is the public key that the hub is known by, None takes the one in the seal.
    """
    try:
        proof = content["proof"]
        leaf = {"leaf": "statement", **statement_leaf(content)}
        path = [bytes.fromhex(step) for step in proof["path"]]
        root = root_by_proof(leaf_hash(leaf), (proof["index"], proof["leaves"]), path)
        faults = [*_faults_of_members(content), *_faults_of_totals(content)]
        if leaf["digest"] != content["digest"]:
            faults.append(f"the lines give digest {leaf['digest']}, not {content['digest']}")
        if root is None or root.hex() != proof["root"]:
            faults.append("lines, totals and proof do not lead to the root")
        faults += _faults_of_signed(proof, key)
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise NotSealed(f"is no statement of a run: {type(error).__name__} {error}") from error
    return faults


def differences_in_period_seal(content: Any, key: str | None = None) -> list[str]:
    """What is wrong with the seal of a period. Raises NotSealed for what is none."""
    try:
        strangers = (
            _strangers(content, _PERIOD),
            _strangers(content["sealed"], PARTS),
            _strangers(content["seal"], _SEAL),
        )
        return [*chain.from_iterable(strangers), *faults_of_seal(content, key)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise NotSealed(f"is no seal of a period: {type(error).__name__} {error}") from error


def _faults_of_members(content: Content) -> Iterator[str]:
    """What stands in a statement and is not sealed."""
    proof = content["proof"]
    yield from (*_strangers(content, _STATEMENT), *_strangers(proof, _PROOF), *_strangers(proof.get("seal", {}), _SEAL))
    if content.get("state", _ADVISED) != _ADVISED:
        yield f"only what is advised is sealed, not what is {shown(str(content['state']))}"


def _strangers(content: Content, known: Container[str]) -> Iterator[str]:
    return (f"{shown(name)} is not sealed, and no run writes it here" for name in content if name not in known)


def _faults_of_signed(proof: Content, key: str | None) -> Iterator[str]:
    seal = proof.get("seal")
    if seal is not None:
        yield from faults_of_signature(seal, key)
        if seal["head"]["root"] != proof["root"]:
            yield "the signed root is another one than that of the proof"
    elif key is not None:
        yield "the proof has no signed seal"


def differences_in_output(output: Output) -> list[str]:
    """What differs in an output from its seal. Raises NotSealed for what is no seal."""
    if output.seal.get("format") != FORMAT:
        raise NotSealed(f"{FORMAT!r} is the only format that can be verified here")
    try:
        faults = list(_faults_of_files(output))
        return faults + list(_faults_of_contents(output))
    except (KeyError, TypeError, AttributeError, ValueError, InvalidOperation) as error:
        raise NotSealed(f"seal.json is no seal of a run: {type(error).__name__} {error}") from error


def _faults_of_contents(output: Output) -> Iterator[str]:
    try:
        yield from (*_faults_of_root(output), *_faults_of_digest(output.seal))
    except (NotSealed, KeyError, TypeError, AttributeError, ValueError, InvalidOperation) as error:
        yield f"what the files hold is not what a run writes: {type(error).__name__} {error}"


def _faults_of_files(output: Output) -> Iterator[str]:
    sealed = output.seal["files"]
    for name in sorted(sealed.keys() - output.digests.keys()):
        yield f"{name} is missing"
    for name in sorted(output.digests.keys() - sealed.keys()):
        yield f"{name} was not written by the run"
    for name in sorted(sealed.keys() & output.digests.keys()):
        if sealed[name] != output.digests[name]:
            yield f"{name} was changed"


def _faults_of_root(output: Output) -> Iterator[str]:
    heads, owed = [], defaultdict[tuple[str, str], dict[str, Decimal]](lambda: dict.fromkeys(_SIDES, Decimal(0)))
    for entry in output.seal["statements"]:
        content = output.statement_of(entry["name"])
        yield from (f"statement {entry['name']}: {fault}" for fault in differences_in_statement(content))
        if content["proof"]["root"] != output.seal["root"]:
            yield f"statement {entry['name']} is under another seal"
        heads.append(statement_leaf(content))
        _move(owed, content)
    sealed = Sealed(
        configuration=output.seal["configuration"],
        statements=heads,
        net=output.net,
        transfers=output.transfers,
        findings=output.findings,
    )
    if Tree.over(sealed.leaves()).root.hex() != output.seal["root"]:
        yield "statements, net positions, transfers, findings and configuration do not give the root"
    yield from _faults_of_net(output.net, owed)


def _faults_of_digest(seal: Content) -> Iterator[str]:
    if run_digest(seal) != seal["digest"]:
        yield "the digest of the run is not that of its seal"


def _faults_of_totals(content: Content) -> Iterator[str]:
    for side in _SIDES:
        total = _sum(_amount(one, side) for one in content["lines"])
        if total != Decimal(content["totals"][side]):
            yield f"the lines add up to {total:f} {side}, not {content['totals'][side]}"


def _faults_of_net(net: Iterable[Content], owed: Mapping[tuple[str, str], Mapping[str, Decimal]]) -> Iterator[str]:
    positions = {(one["party"], one["currency"]): one for one in net}
    for key in sorted(positions.keys() | owed.keys()):
        stated, due = positions.get(key), owed.get(key)
        for side in _SIDES:
            is_due = due[side] if due is not None else Decimal(0)
            if (Decimal(stated[side]) if stated is not None else Decimal(0)) != is_due:
                yield f"the statements give {key[0]} {is_due:f} {key[1]} {side}, net.json says otherwise"


def _move(owed: Mapping[tuple[str, str], dict[str, Decimal]], content: Content) -> None:
    for side in _SIDES:
        total = Decimal(content["totals"][side])
        for party, amount in ((content["creditor"], total), (content["debtor"], total.copy_negate())):
            position = owed[party, content["currency"]]
            position[side] = EXACT.add(position[side], amount)


def _amount(entry: Content, side: str) -> Decimal:
    """An amount of a line; where no `incl_vat` is stated, `excl_vat` counts for both."""
    return Decimal(entry["excl_vat"] if entry[side] is None else entry[side])


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
