"""Writes `docs/reference/location-quality.md` from the rules for what partners send, so that page and product cannot disagree.

Run `python -m tests.docs_quality` after a change of the rules; `tests/test_docs.py` fails until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hub.navigation.faults import RULES, FaultKind, Grade
from hub.navigation.fields import FAULTS_MAX
from hub.navigation.quality import CHECKS, ITEM_LEVELS, Check, Item, Level

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "location-quality.md"

OPENING = """# Quality of Locations

What CPOs say of their Locations is often not quite what OCPI 2.2.1 wants. The hub keeps the text as it came, and passes it on as it came.
What it shows to the public is put right first, and each step is noted as a fault. Made from `hub/navigation/faults.py` and
`hub/navigation/quality.py` by `python -m tests.docs_quality`; do not edit.

What is not valid OCPI is refused where it comes in, pushed or pulled, and is never looked at here, unless its sender is treated as
[lenient](../howto/quirks.md).

## What is public at all

One function decides it, `read_public` in `hub/navigation/public.py`; every public byte is made from what passes there. A Location is public
when all of this holds:

- its owner sent it for everybody, and not to one party;
- its `publish` is the JSON value true: what does not say so is private;
- its `publish_allowed_to` is absent, null or an empty list: where `publish` and that list contradict each other, the list counts;
- its owner has joined and is not suspended, and its last complete list still holds the Location;
- it has no fault of the grade UNFIT.

What is private leaves no trace: no fault, no count, no part in a score. While an owner has been silent for longer than it may, the
status of its EVSEs is UNKNOWN; what it said last, and when, stays beside it.

## Faults

| Grade | What it comes to |
| --- | --- |
| NOTED | the value is put right, or does without; the Location is published |
| LEFT_OUT | the EVSE or connector is not published |
| UNFIT | the Location is not published |

What OCPI allows (marked *allowed*) is noted too, and lowers no score.

| Fault | Grade | What it means | What is done |
| --- | --- | --- | --- |
"""

SCORE = """
Text is cut at the lengths of OCPI. Coordinates are kept to seven decimals (1 cm), moments to milliseconds. A word that is none of OCPI's is
kept where it has the form of one, for others extend its lists. Of a Location at most {most} faults are told apart.

## The score

From 0 to 100: the mean of correctness and completeness, times the share of Locations that could be published. Correctness is the mean
of the shares of parts that pass each check; completeness the mean of the shares of published parts that have each item. EVSEs that are
REMOVED do not count.

| Check | Counts | Broken by |
| --- | --- | --- |
"""

ITEMS = """
Items are what AFIR (Implementing Regulation (EU) 2025/655) asks for, beyond what OCPI requires:

| Item | Counts | Is there when |
| --- | --- | --- |
"""

MEANINGS = {
    Item.OPERATOR: "`operator` has a name",
    Item.POSTAL_CODE: "there is a `postal_code`",
    Item.OPENING_TIMES: "`opening_times` can be read",
    Item.ENERGY_MIX: "`energy_mix` says whether it is green",
    Item.EVSE_ID: "there is an `evse_id`, of whatever form",
    Item.STATUS: "its owner said another status than UNKNOWN",
    Item.PAYMENT_AND_IDENTIFICATION: "there are `capabilities`",
    Item.PARKING_RESTRICTIONS: "there are `parking_restrictions`",
    Item.POWER: "`max_electric_power` is stated, not computed",
    Item.TARIFF: "there are `tariff_ids`",
}
COUNTED = {Level.LOCATION: "Locations", Level.EVSE: "EVSEs", Level.CONNECTOR: "connectors"}


def quality_page() -> str:
    """The whole page as Markdown."""
    parts = (OPENING, *_faults(), SCORE.format(most=f"{FAULTS_MAX:,}"), *_checks(), ITEMS, *_items())
    return "".join(parts)


def _faults() -> Iterator[str]:
    for grade in reversed(Grade):
        for kind in (kind for kind in FaultKind if kind.grade is grade):
            rule = RULES[kind]
            done = f"{rule.done}; *allowed*" if rule.is_allowed else rule.done
            yield f"| `{kind}` | {grade} | {rule.means} | {done} |\n"


def _checks() -> Iterator[str]:
    for check in Check:
        level, kinds = CHECKS[check]
        broken_by = ", ".join(f"`{kind}`" for kind in FaultKind if kind in kinds and not RULES[kind].is_allowed)
        yield f"| `{check}` | {COUNTED[level]} | {broken_by} |\n"


def _items() -> Iterator[str]:
    for item in Item:
        yield f"| `{item}` | {COUNTED[ITEM_LEVELS[item]]} | {MEANINGS[item]} |\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(quality_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
