"""Writes `docs/reference/agreements.md` from the models that read agreements, so that page and product cannot disagree.

Run `python -m tests.docs_agreements` after a change of the models; `tests/test_docs.py` fails until then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hub.settlement.terms_file import (
    AgreementText,
    CheckClause,
    FeeClause,
    Pricing,
    Rounding,
    Scope,
    Tax,
    Terms,
    Validity,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "agreements.md"

OPENING = """# Agreements

The terms between a creditor and a debtor, as YAML or JSON: a list of agreements, or an object with that list as `agreements`. A
field that is not on this page is refused by name. Amounts and percentages are numbers or texts, in YAML too with all their
digits; days are written `30` or `30d`; moments are ISO 8601, UTC where they name no zone. YAML is read as JSON means it: no
dates, no `NO` for false, no aliases. Two parties without an agreement settle by the defaults on this page. Two that have some settle
what one of these covers; the rest is held (`NO_AGREEMENT`). In the hub the defaults go on until the first agreement of the two
begins; in a file they do not: there one more agreement, with `valid.to` and nothing else, says so.
Made from `hub/settlement/terms_file.py` by `python -m tests.docs_agreements`; do not edit.
"""

CLAUSES: dict[str, type[BaseModel]] = {
    "": AgreementText,
    "valid": Validity,
    "scope": Scope,
    "pricing": Pricing,
    "pricing.fee": FeeClause,
    "rounding": Rounding,
    "terms": Terms,
    "checks.NAME": CheckClause,
    "tax": Tax,
}


def agreements_page() -> str:
    """The whole page as Markdown: a table for each clause."""
    return OPENING + "".join(_clause(path, model) for path, model in CLAUSES.items())


def _clause(path: str, model: type[BaseModel]) -> str:
    title = f"`{path}`" if path else "An agreement"
    rows = "".join(_rows(path, model))
    return f"\n## {title}\n\n{' '.join((model.__doc__ or '').split())}\n\n| Field | Default | Meaning |\n| --- | --- | --- |\n{rows}"


def _rows(path: str, model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        whole = ".".join(part for part in (path, field.alias or name) if part)
        yield f"| `{whole}` | {_default(field)} | {field.description or 'See below.'}{_choices(field)} |\n"


def _choices(field: FieldInfo) -> str:
    """The words that a field may be, where there are several."""
    words = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return f" One of {', '.join(f'`{word}`' for word in words)}." if len(words) > 1 else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or value in ([], {}) or isinstance(value, BaseModel):
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{re.sub(r'^Decimal', '', text)}`"


def main() -> None:
    """Write the page."""
    PAGE.write_text(agreements_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
