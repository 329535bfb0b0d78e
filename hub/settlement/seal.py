"""The seal of a run: one hash over all that was settled, found and configured, and proofs that something is under it.

A Merkle tree as in RFC 6962 (section 2.1): SHA-256, a zero byte before a leaf and a one byte before two hashes. Leaves are canonical JSON
(names sorted, no blanks; numbers are texts). Under every statement stands a tree of its own over its lines, and its root is the
digest that two parties compare for their pair. Leaves hold ids, times, energy and money, nothing of a driver: see the decision on seals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

Content = Mapping[str, Any]
Hash = bytes

FORMAT = "ocpi-hub settlement seal 1"

_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="number")  # a number is never the text of it

HEAD_FIELDS = (
    "statement",
    "creditor",
    "debtor",
    "currency",
    "creditor_name",
    "debtor_name",
    "period",
    "totals",
)
"""The head of a statement; one that was settled from a file has no id (`statement`)."""


def canonical(content: Any) -> bytes:
    """The one text of a value: for texts, whole numbers, true, false, null, lists and objects."""
    return _CANONICAL.encode(content)


def leaf_hash(content: Any) -> Hash:
    """The hash of a leaf."""
    return sha256(b"\x00" + canonical(content)).digest()


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree over hashes of leaves: its levels from the leaves to the root. A hash without a neighbour stands a level higher unchanged,
    which gives the trees of RFC 6962."""

    levels: tuple[tuple[Hash, ...], ...]

    @classmethod
    def over(cls, leaves: Iterable[Hash]) -> Tree:
        """The tree over these leaves."""
        levels = [tuple(leaves)]
        while len(levels[-1]) > 1:
            levels.append(_above(levels[-1]))
        return cls(tuple(levels))

    @property
    def root(self) -> Hash:
        """What stands for all leaves; over none it is the hash of nothing."""
        return self.levels[-1][0] if self.levels[-1] else sha256().digest()

    def proof(self, index: int) -> list[Hash]:
        """The hashes that lead from a leaf to the root, the lowest first (RFC 6962, 2.1.1)."""
        path: list[Hash] = []
        for level in self.levels:
            path += level[index ^ 1 : (index ^ 1) + 1]
            index >>= 1
        return path


def root_of(leaves: Iterable[Hash]) -> Hash:
    """The root over hashes of leaves."""
    return Tree.over(leaves).root


def root_by_proof(leaf: Hash, place: tuple[int, int], path: Sequence[Hash]) -> Hash | None:
    """The root that a proof leads to; None when the path does not fit a leaf at `place` (index, number of leaves)."""
    index, size = place
    if not 0 <= index < size:
        return None
    last, root, steps = size - 1, leaf, iter(path)
    while last:
        if index & 1 or index < last:
            step = next(steps, None)
            if step is None:
                return None
            root = node_hash(step, root) if index & 1 else node_hash(root, step)
        index, last = index >> 1, last >> 1
    return root if next(steps, None) is None else None


def _above(level: tuple[Hash, ...]) -> tuple[Hash, ...]:
    pairs = tuple(node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False))
    return pairs + level[len(pairs) * 2 :]


def node_hash(left: Hash, right: Hash) -> Hash:
    """The hash over two neighbours."""
    return sha256(b"\x01" + left + right).digest()


# --- what is under the seal of a run ---------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """Everything under one seal, as the files say it: `statements` are heads of statements with the digests of their lines."""

    configuration: Content
    statements: Sequence[Content]
    net: Sequence[Content]
    transfers: Sequence[Content]
    findings: Sequence[Content]

    def leaves(self) -> list[Hash]:
        """The hashes of all leaves, in their order; that of findings is by content."""
        return [leaf_hash(leaf) for leaf in self._contents()]

    def counts(self) -> dict[str, int]:
        """How many of each there are."""
        return {name: len(getattr(self, name)) for name in ("statements", "net", "transfers", "findings")}

    def place_of(self, statement: int) -> int:
        """The index of the leaf of a statement: the configuration stands before them."""
        return 1 + statement

    def _contents(self) -> Iterator[Content]:
        yield {"leaf": "configuration", "configuration": self.configuration}
        yield from ({"leaf": "statement", **head} for head in self.statements)
        yield from ({"leaf": "net", **one} for one in self.net)
        yield from ({"leaf": "transfer", **one} for one in self.transfers)
        yield from sorted(map(finding_leaf, self.findings), key=canonical)


def finding_leaf(finding: Content) -> Content:
    """What is sealed of a finding of `findings.json`: not its place in the input, nor its sentence and details, which may name a token."""
    subject = {name: value for name, value in finding["subject"].items() if name != "index"}
    kept = {name: finding[name] for name in ("kind", "check", "severity", "disposition")}
    return {"leaf": "finding", **kept, "subject": subject}


def head_leaf(content: Content) -> dict[str, Any]:
    """What is sealed of the head of a statement."""
    return {name: content[name] for name in HEAD_FIELDS if name in content}


def statement_leaf(content: Content) -> dict[str, Any]:
    """What is sealed of a statement: its head, its totals, and the digests of what is settled and of what was kept out."""
    return {
        **head_leaf(content),
        "digest": root_of(leaf_hash(line) for line in content["lines"]).hex(),
        "unsettled": root_of(leaf_hash(line) for line in content["unsettled"]).hex(),
    }
