"""Writes `docs/reference/pricing-policy.md` from the settings of the pricer, so that page and product cannot disagree.

Run `python -m tests.docs_policy` after a change of the settings; `tests/test_docs.py` fails until then.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hub.pricing.policy import Setting, settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "pricing-policy.md"

OPENING = """# Pricing policy

Where OCPI says nothing, or can be read in two ways, the [pricer](../howto/price.md) has a setting. A request sets it under `policy`, such
as `{"cdr": …, "policy": {"hour_guard": "off"}}`; what is left out has its default, and every answer says all of them. The rule is the
one under which results name the setting. Made from `hub/pricing/policy.py` by `python -m tests.docs_policy`; do not edit.

| Setting | Default | Other values | Rule | Meaning |
| --- | --- | --- | --- | --- |
"""


def policy_page(known: Iterable[Setting]) -> str:
    """The whole page as Markdown: one row for each setting, in the order of the rules."""
    return OPENING + "".join(map(_row, known))


def _row(setting: Setting) -> str:
    others = ", ".join(f"`{value}`" for value in setting.values if value != setting.default)
    return f"| `{setting.name}` | `{setting.default}` | {others} | {setting.rule} | {setting.says} |\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(policy_page(settings()), encoding="utf-8")


if __name__ == "__main__":
    main()
