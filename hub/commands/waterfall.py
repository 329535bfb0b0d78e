"""A priced CDR as tables for people: line by line from the quantity to the total, with the reasons.

Read from the answer of the pricer, amounts shown to four decimals; the answer itself has all digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

SHOWN = Decimal("0.0001")
PARTS = ("fixed", "energy", "time", "parking", "reservation")

Answer = Mapping[str, Any]


def waterfall(answer: Answer, claimed: Answer | None) -> Iterator[RenderableType]:
    """What is printed, one below the other. `claimed` is the `total_cost` of the CDR, where it states one."""
    if "unpriceable" in answer:
        yield Text(f"Cannot be priced: {answer['unpriceable']}. {answer['detail']}", style="bold red")
    else:
        yield lines_table(answer)
        yield totals_table(answer, claimed)
    yield from notes(answer)


def lines_table(answer: Answer) -> Table:
    """Every line: what counted, which component priced it, and why that one."""
    table = Table("Period", "What", "Tariff", "Element", "Because", box=box.SIMPLE_HEAD, title_justify="left")
    table.columns[1].no_wrap = True
    for heading in ("Quantity", "Price", "VAT %", "Excl. VAT", "Incl. VAT"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in answer["lines"]:
        table.add_row(*_cells(line))
    return table


def _cells(line: Answer) -> Iterator[str]:
    is_surplus = line.get("surplus", False)
    yield "" if is_surplus else f"{line['period'] + 1}  {line['start_date_time']}"
    yield f"+ step_size {line['step_size']}" if is_surplus else line["dimension"]
    yield line["tariff_id"]
    yield f"{line['element'] + 1}.{line['component'] + 1}"
    yield ", ".join([because(line["restrictions"]), *line["rules"]])
    yield f"{quantity(line['quantity'])} {line['unit']}" if line["unit"] != "1" else quantity(line["quantity"])
    yield str(line["price"])
    yield str(line.get("vat", ""))
    yield from (amount(line.get("excl_vat")), amount(line.get("incl_vat")))


def because(restrictions: Mapping[str, Any]) -> str:
    """Restrictions in their own words: `start_time 22:00, day_of_week SATURDAY SUNDAY`."""
    if not restrictions:
        return "no restrictions"
    return ", ".join(f"{name} {_words(value)}" for name, value in restrictions.items())


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def totals_table(answer: Answer, claimed: Answer | None) -> Table:
    """Parts, what limits changed, the total, and the claim beside it."""
    table = Table(answer["currency"], box=box.SIMPLE_HEAD)
    for heading in ("Excl. VAT", "Incl. VAT"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, excl, incl in [*total_rows(answer), *claim_rows(answer, claimed)]:
        table.add_row(name, excl, incl, style="bold" if name == "total" else None)
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
    yield "total", *_pair(answer["total_cost"])
    settled = answer["settlement_amount"]
    yield "settled", str(settled["excl_vat"]), str(settled["incl_vat"] or "")


def claim_rows(answer: Answer, claimed: Answer | None) -> Iterator[tuple[str, str, str]]:
    """What the CDR states, and how much more that is than what is settled."""
    if claimed is None:
        return
    settled = answer["settlement_amount"]
    yield "claimed", *_pair(claimed)
    excl, incl = (_excess(claimed.get(side), settled[side]) for side in ("excl_vat", "incl_vat"))
    yield "claimed too much", excl, incl


def _excess(claimed: Any, settled: Any) -> str:
    return "" if claimed is None or settled is None else amount(Decimal(claimed) - Decimal(settled))


def _pair(price: Mapping[str, Any]) -> tuple[str, str]:
    return amount(price["excl_vat"]), amount(price.get("incl_vat"))


def notes(answer: Answer) -> Iterator[Text]:
    """What is billed, what is odd, and how the claim of the CDR came about."""
    billed = answer.get("billed")
    if billed:
        yield Text("Billed: " + ", ".join(f"{quantity(value)} {name}" for name, value in billed.items() if value))
    if answer.get("vat_unknown"):
        yield Text("VAT is unknown: no component states it.")
    yield from (Text(f"{one['kind']}: {one['detail']}", style="yellow") for one in answer["warnings"])
    found = answer.get("explanation")
    if found:
        yield Text(f"The claim, {found['kind']}: {found['sentence']}", style="bold")


def amount(value: Any) -> str:
    """An amount to four decimals; empty where there is none."""
    return "" if value is None else f"{Decimal(value).quantize(SHOWN, ROUND_HALF_UP):,}"


def quantity(value: Any) -> str:
    """A quantity to four decimals, without zeros that say nothing."""
    return f"{Decimal(value).quantize(SHOWN, ROUND_HALF_UP).normalize():f}"
