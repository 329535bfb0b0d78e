"""The seal of a period in the books: one root over configuration, statements, positions, transfers, journal, decisions and their limits.

Each root is chained to that of the period before by a leaf, and the head of the seal is signed (Ed25519 over its canonical JSON), so that
a partner who knows the hub's public key can check a statement with nothing but its file. Statements stand under the root as they do in
the output of a run (`seal`), and prove themselves in the same way. Postings are added up by what they are about, so that the root does not
depend on the portions in which CDRs were looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from hashlib import sha256
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hub.settlement.seal import Content, Hash, Tree, canonical, leaf_hash, node_hash

FORMAT = "ocpi-hub period seal 2"
FORMAT_1 = "ocpi-hub period seal 1"
"""As older hubs sealed: without the limits of decisions."""

DIGITS_MAX = 28
_CONTEXT = Context(prec=DIGITS_MAX, rounding=ROUND_HALF_EVEN)

PARTS = ("configuration", "statements", "net", "transfers", "journal", "decisions", "limits", "previous")


@dataclass(slots=True)
class Growing:
    """The root over leaves that come one after the other, in the memory of a few hashes; the same as that of `Tree.over`."""

    size: int = 0
    _peaks: list[tuple[int, Hash]] = field(default_factory=list)

    def add(self, leaf: Hash) -> None:
        """The hash of the next leaf."""
        self._put(0, leaf)

    def extend(self, leaves: Sequence[Hash]) -> None:
        """The hashes of the next leaves: whole trees of them at once, of the size that fits here."""
        done = 0
        while done < len(leaves):
            height = _height_that_fits(self.size, len(leaves) - done)
            self._put(height, _top(leaves[done : done + (1 << height)]))
            done += 1 << height

    def _put(self, height: int, top: Hash) -> None:
        self.size += 1 << height
        while self._peaks and self._peaks[-1][0] == height:
            top = node_hash(self._peaks.pop()[1], top)
            height += 1
        self._peaks.append((height, top))

    @property
    def root(self) -> Hash:
        """What stands for all leaves so far."""
        if not self._peaks:
            return Tree.over(()).root
        *others, (_, root) = self._peaks
        for _, peak in reversed(others):
            root = node_hash(peak, root)
        return root


def _height_that_fits(size: int, most: int) -> int:
    """How high a whole tree may be that stands behind `size` leaves and has at most `most`."""
    room = most.bit_length() - 1
    return room if not size else min(room, (size & -size).bit_length() - 1)


def _top(level: Sequence[Hash]) -> Hash:
    """The root over 1, 2, 4, 8 … hashes."""
    while len(level) > 1:
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=True)]
    return level[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPeriod:
    """Everything under a seal. `journal`, `decisions` and `limits` are counts and roots.

    `previous` is the root before in hexadecimal digits. `limits` are None under a seal of FORMAT_1, which has no leaf for them.
    """

    configuration: Content
    statements: Sequence[Content]
    net: Sequence[Content]
    transfers: Sequence[Content]
    journal: Content
    decisions: Content
    previous: str | None
    limits: Content | None = None

    @property
    def format(self) -> str:
        """The format of its seal."""
        return FORMAT_1 if self.limits is None else FORMAT

    def tree(self) -> Tree:
        """The tree over all leaves, in their order."""
        return Tree.over(leaf_hash(leaf) for leaf in self._leaves())

    def content(self) -> Content:
        """As it stands in the file of the seal."""
        return {name: getattr(self, name) for name in PARTS if name != "limits" or self.limits is not None}

    def place_of(self, statement: int) -> int:
        """The index of the leaf of a statement: the configuration stands before them."""
        return 1 + statement

    def _leaves(self) -> Iterator[Content]:
        yield {"leaf": "configuration", "configuration": self.configuration}
        yield from ({"leaf": "statement", **head} for head in self.statements)
        yield from ({"leaf": "net", **one} for one in self.net)
        yield from ({"leaf": "transfer", **one} for one in self.transfers)
        yield {"leaf": "journal", **self.journal}
        yield {"leaf": "decisions", **self.decisions}
        if self.limits is not None:
            yield {"leaf": "limits", **self.limits}
        yield {"leaf": "previous", "root": self.previous}


def read_sealed(content: Mapping[str, Any]) -> SealedPeriod:
    """The same out of its content. Raises KeyError and TypeError for anything else."""
    return SealedPeriod(**{name: content[name] for name in PARTS if name != "limits" or name in content})


def seal_head(sealed: SealedPeriod, tree: Tree, about: Mapping[str, Any]) -> Content:
    """What is signed: the root and what it is of. `about` names the period, the moment, the engine and the public key."""
    counts = {name: len(getattr(sealed, name)) for name in ("statements", "net", "transfers")}
    return {
        "format": sealed.format,
        **about,
        "root": tree.root.hex(),
        "leaves": len(tree.levels[0]),
        "previous": sealed.previous,
        "counts": counts,
    }


def signed_bytes(head: Content) -> bytes:
    """The bytes that are signed."""
    return canonical(head)


def proof_of(sealed: SealedPeriod, statement: int, seal: Mapping[str, Any]) -> dict[str, Any]:
    """What a partner needs to see that a statement is under the root, and that the hub says so."""
    tree, place = sealed.tree(), sealed.place_of(statement)
    return {
        "root": tree.root.hex(),
        "index": place,
        "leaves": len(tree.levels[0]),
        "path": [step.hex() for step in tree.proof(place)],
        "seal": seal,
    }


# --- checking ----------------------------------------------------------------------------------


def faults_of_seal(content: Mapping[str, Any], key: str | None = None) -> Iterator[str]:
    """What is wrong with the file of a seal. Raises KeyError, TypeError and ValueError for what is none."""
    sealed, head = read_sealed(content["sealed"]), content["seal"]["head"]
    tree = sealed.tree()
    yield from faults_of_signature(content["seal"], key)
    if head["format"] in {FORMAT, FORMAT_1} and head["format"] != sealed.format:
        yield f"a seal of the format {head['format']!r} has other parts"
    if tree.root.hex() != head["root"] or len(tree.levels[0]) != head["leaves"]:
        yield "what is sealed does not give the root"
    if sealed.previous != head["previous"]:
        yield "the root before is another one than the head says"


def faults_of_signature(seal: Mapping[str, Any], key: str | None = None) -> Iterator[str]:
    """What is wrong with a signed head; `key` is the public key that the hub is known by, in hexadecimal digits."""
    head = seal["head"]
    if head["format"] not in {FORMAT, FORMAT_1}:
        yield f"{FORMAT_1!r} and {FORMAT!r} are the only formats of a signed seal that can be verified here"
        return
    if key is not None and head["public_key"].lower() != key.lower():
        yield f"it was signed with the key {head['public_key']}, not with {key}"
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head["public_key"]))
    try:
        public.verify(bytes.fromhex(seal["signature"]), signed_bytes(head))
    except InvalidSignature:
        yield "the signature is not that of the head"


class _SealedPosting(msgspec.Struct, frozen=True, gc=False):
    """What is sealed of postings. The fields stand in the order of their names, so that it is written as canonical JSON."""

    counterparty: str
    currency: str
    excl_vat: str
    incl_vat: str
    kind: str
    party: str
    reference: str


_encode = msgspec.json.Encoder().encode


def posting_leaves(rows: Iterable[Sequence[str]]) -> list[Hash]:
    """The hashes of what postings come to, as `seal.leaf_hash` gives them for a mapping of these texts: counterparty, currency, `excl_vat`,
    `incl_vat`, kind of account, party and reference. Amounts have no needless digits."""
    return [
        sha256(
            b"\x00"
            + _encode(_SealedPosting(counterparty, currency, _in_digits(excl), _in_digits(incl), kind, party, about))
        ).digest()
        for counterparty, currency, excl, incl, kind, party, about in rows
    ]


def _in_digits(amount: str) -> str:
    """An amount with DIGITS_MAX digits that count at most, as every seal has it."""
    return amount if len(amount) <= DIGITS_MAX else f"{_CONTEXT.normalize(Decimal(amount)):f}"


def leaves_root(leaves: Iterable[Content], growing: Growing | None = None) -> Growing:
    """The root over contents, added to what grew before."""
    found = growing or Growing()
    for leaf in leaves:
        found.add(leaf_hash(leaf))
    return found
