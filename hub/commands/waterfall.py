"""A priced CDR as tables for people: line by line from the quantity to the total, with the reasons.

Read from the answer of the pricer, amounts shown to four decimals; the answer itself has all digits.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

SHOWN = Decimal("0.0001")
PARTS = ("fixed", "energy", "time", "parking", "reservation")

Answer = Mapping[str, Any]


def waterfall(answer: Answer) -> Iterator[RenderableType]:
    """What is printed, one below the other, for an answer with an explanation."""
    if "unpriceable" in answer:
        yield shown(f"Cannot be priced: {answer['unpriceable']}. {answer['detail']}", style="bold red")
    else:
        yield lines_table(answer)
        yield totals_table(answer)
    yield from notes(answer)


def shown(text: str, style: str = "") -> Text:
    """Text out of a CDR as it may be shown: no markup in it counts, and no control character reaches the terminal."""
    return Text("".join(_harmless(character) for character in text), style=style, overflow="fold")


def _harmless(character: str) -> str:
    return character if unicodedata.category(character) not in _UNSEEN else f"\\u{ord(character):04x}"


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of characters that show nothing, or make a terminal or a reader see something else."""


def lines_table(answer: Answer) -> Table:
    """Every line: what counted, which component priced it, and why that one."""
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    for heading in ("Period", "What", "Tariff", "Element", "Because"):
        table.add_column(heading, overflow="fold")
    for heading in ("Quantity", "Price"):
        table.add_column(heading, justify="right", overflow="fold")
    for heading in ("VAT %", "Excl. VAT", "Incl. VAT"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in sorted([*answer["lines"], *answer["unpriced"]], key=_place):
        table.add_row(*map(shown, _unpriced_cells(line) if "priced" in line else _cells(line)))
    return table


def _place(line: Answer) -> tuple[bool, int]:
    return line.get("surplus", False), line["period"]


def _cells(line: Answer) -> Iterator[str]:
    is_surplus = line.get("surplus", False)
    yield "" if is_surplus else _period(line)
    yield f"+ step_size {line['step_size']}" if is_surplus else line["dimension"]
    yield line["tariff_id"]
    yield f"{line['element'] + 1}.{line['component'] + 1}"
    yield ", ".join([because(line["restrictions"]), *line["rules"]])
    yield f"{quantity(line['quantity'])} {line['unit']}" if line["unit"] != "1" else quantity(line["quantity"])
    yield str(line["price"])
    yield str(line.get("vat", ""))
    yield from (amount(line.get("excl_vat")), amount(line.get("incl_vat")))


def _unpriced_cells(line: Answer) -> Iterator[str]:
    why = "no tariff for it" if line["tariff_id"] is None else "no price for it"
    yield from (_period(line), line["dimension"], line["tariff_id"] or "", "")
    yield ", ".join([why, *line["rules"]])
    yield f"{quantity(line['quantity'])} {line['unit']}"
    yield from ("not priced", "", "", "")


def _period(line: Answer) -> str:
    return f"{line['period'] + 1}  {line['start_date_time'] or 'unknown'}"


def because(restrictions: Mapping[str, Any]) -> str:
    """Restrictions in their own words: `start_time 22:00, day_of_week SATURDAY SUNDAY`."""
    if not restrictions:
        return "no restrictions"
    return ", ".join(f"{name} {_words(value)}" for name, value in restrictions.items())


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def totals_table(answer: Answer) -> Table:
    """Parts, what limits changed, the total, and the claim beside it."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(shown(answer["currency"]), overflow="fold")
    for heading in ("Excl. VAT", "Incl. VAT"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, excl, incl in [*total_rows(answer), *claim_rows(answer)]:
        table.add_row(shown(name), shown(excl), shown(incl), style="bold" if name.startswith("total") else None)
    return table


def total_rows(answer: Answer) -> Iterator[tuple[str, str, str]]:
    """The rows of totals: each part that was active, each limit that bound, the total, exact and as it is settled."""
    for part in PARTS:
        found = answer.get(f"total_{part}_cost")
        if found is not None:
            yield part, *_pair(found)
    for limit in answer["limits"]:
        moved = f"{amount(limit['from'])} → {amount(limit['to'])}"
        name = f"{limit['limit']} of {limit['tariff_id']}"
        yield (name, moved, "") if limit["side"] == "excl_vat" else (name, "", moved)
    yield "total, negated for the credit" if answer.get("credit") else "total", *_pair(answer["total_cost"])
    for warning in answer["warnings"]:
        if "total_cost_in_kwh" in warning:
            yield "total if its energy is in Wh", *_pair(warning["total_cost_in_kwh"])
    settled = answer["settlement_amount"]
    yield "settled", str(settled["excl_vat"]), str(settled["incl_vat"] or "")


def claim_rows(answer: Answer) -> Iterator[tuple[str, str, str]]:
    """What the CDR states, and by how much that is more or less than what is settled."""
    claimed = (answer.get("explanation") or {}).get("claimed")
    if claimed is None:
        return
    settled = answer["settlement_amount"]
    yield "claimed", *_pair(claimed)
    excess = [_excess(claimed.get(side), settled[side]) for side in ("excl_vat", "incl_vat")]
    for name, sign in (("claimed too much", 1), ("claimed too little", -1)):
        if any(one * sign > 0 for one in excess):
            excl, incl = (amount(abs(one)) if one * sign > 0 else "" for one in excess)
            yield name, excl, incl


def _excess(claimed: Any, settled: Any) -> Decimal:
    return Decimal(0) if claimed is None or settled is None else Decimal(claimed) - Decimal(settled)


def _pair(price: Mapping[str, Any]) -> tuple[str, str]:
    return amount(price["excl_vat"]), amount(price.get("incl_vat"))


def notes(answer: Answer) -> Iterator[Text]:
    """What is billed, what is odd, and how the claim of the CDR came about."""
    billed = answer.get("billed")
    if billed:
        yield Text("Billed: " + ", ".join(f"{quantity(value)} {name}" for name, value in billed.items() if value))
    if answer.get("credit"):
        yield Text("A credit: only the total is negated; lines and parts are those of the charge that it credits.")
    if answer.get("vat_unknown"):
        yield Text("VAT is unknown: no component states it.")
    yield from (shown(told, style="yellow") for told in warnings(answer["warnings"]))
    found = answer.get("explanation")
    if found and "error" in found:
        yield shown(f"The claim: {found['error']}.", style="bold")
    elif found:
        yield shown(f"The claim, {found['kind']}: {found['sentence']}", style="bold")


def warnings(stated: Iterable[Answer]) -> Iterator[str]:
    """Each warning once, with the periods that it is about, counted from 1."""
    places: dict[tuple[str, str], list[int]] = {}
    for one in stated:
        periods = places.setdefault((one["kind"], one["detail"]), [])
        if "period" in one:
            periods.append(one["period"] + 1)
    for (kind, detail), periods in places.items():
        yield f"{kind}{_in_periods(periods)}: {detail}"


def _in_periods(numbers: list[int]) -> str:
    if not numbers:
        return ""
    return f", period{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def amount(value: Any) -> str:
    """An amount to four decimals; empty where there is none."""
    return "" if value is None else f"{Decimal(value).quantize(SHOWN, ROUND_HALF_UP):,}"


def quantity(value: Any) -> str:
    """A quantity to four decimals, without zeros that say nothing."""
    return f"{Decimal(value).quantize(SHOWN, ROUND_HALF_UP).normalize():f}"
