"""The pages say what the product does: links lead somewhere, tables hold what the code holds."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.app import create_app
from hub.navigation.routes.door import is_public
from hub.pricing.policy import settings as policy_settings
from hub.settings import Settings
from hub.settlement.catalogue import CATALOGUE
from ocpi_modules import errors
from ocpi_modules.catalog import MODULES, VERSION
from tests.docs_agreements import PAGE as AGREEMENTS_PAGE
from tests.docs_agreements import agreements_page
from tests.docs_checks import PAGE as CHECKS_PAGE
from tests.docs_checks import checks_page
from tests.docs_modules import PAGE as MODULES_PAGE
from tests.docs_modules import modules_page
from tests.docs_policy import PAGE as POLICY_PAGE
from tests.docs_policy import policy_page
from tests.docs_profiles import PAGE as PROFILES_PAGE
from tests.docs_profiles import profiles_page
from tests.docs_quality import PAGE as QUALITY_PAGE
from tests.docs_quality import quality_page
from tests.docs_settings import PAGE as SETTINGS_PAGE
from tests.docs_settings import settings_page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
DECISION_HEADINGS = ["Context", "Decision", "Consequence", "Where in the code"]
HELP_WAIT_SECONDS = 60

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE_PATH = re.compile(
    r"`((?:hub|ocpi_modules|tests|fixtures|docs)/[\w./-]+|dev\.py|pyproject\.toml|requirements(?:-dev)?\.lock)`"
)
TABLE_ROW = re.compile(r"^\| `([^`]+)` \| (.*) \|$", re.MULTILINE)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _relative_links(page: Path) -> Iterator[str]:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            yield target


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _resolves(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _rows(page: Path) -> dict[str, list[str]]:
    """The cells of table rows that begin with a name in backticks, by that name."""
    text = page.read_text(encoding="utf-8")
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in TABLE_ROW.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert [link for link in _relative_links(page) if not _resolves(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_file_of_the_product_that_a_page_names_exists(page: Path) -> None:
    named = CODE_PATH.findall(page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_page_is_reached_by_links_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting.extend((page.parent / link.partition("#")[0]).resolve() for link in _relative_links(page))
    assert {_name(page) for page in PAGES} - {_name(page) for page in reached} == set()


# --- reference -------------------------------------------------------------------------------


def test_the_page_of_modules_is_what_the_table_of_modules_gives() -> None:
    expected = modules_page(MODULES.values(), VERSION)
    assert MODULES_PAGE.read_text(encoding="utf-8") == expected, "run: python -m tests.docs_modules"


def _error_classes() -> list[type[errors.OcpiError]]:
    found = [item for item in vars(errors).values() if isinstance(item, type)]
    raised = [item for item in found if issubclass(item, errors.OcpiError)]
    return [item for item in raised if item not in {errors.OcpiError, errors.HttpFault}]


def test_every_error_stands_in_its_table_with_its_http_status_and_code() -> None:
    """S-01: the codes that the hub makes are known, and no others."""
    expected = {item.__name__: [str(item.http_status), str(item.status_code)] for item in _error_classes()}
    assert {name: cells[:2] for name, cells in _rows(DOCS / "reference" / "errors.md").items()} == expected


def test_the_page_of_settings_is_what_the_settings_give() -> None:
    expected = settings_page(Settings.model_fields, "HUB_")
    assert SETTINGS_PAGE.read_text(encoding="utf-8") == expected, "run: python -m tests.docs_settings"


def test_the_page_of_pricing_policies_is_what_the_policy_gives() -> None:
    assert POLICY_PAGE.read_text(encoding="utf-8") == policy_page(policy_settings()), "run: python -m tests.docs_policy"


def test_the_page_of_checks_is_what_the_catalogue_gives() -> None:
    assert CHECKS_PAGE.read_text(encoding="utf-8") == checks_page(CATALOGUE), "run: python -m tests.docs_checks"


def test_the_page_of_agreements_is_what_the_models_give() -> None:
    assert AGREEMENTS_PAGE.read_text(encoding="utf-8") == agreements_page(), "run: python -m tests.docs_agreements"


def test_the_page_of_profiles_is_what_the_list_of_capabilities_gives() -> None:
    assert PROFILES_PAGE.read_text(encoding="utf-8") == profiles_page(), "run: python -m tests.docs_profiles"


def test_the_page_of_the_quality_of_locations_is_what_the_rules_give() -> None:
    assert QUALITY_PAGE.read_text(encoding="utf-8") == quality_page(), "run: python -m tests.docs_quality"


def test_the_page_of_agreements_lists_the_words_that_a_field_may_be() -> None:
    page = agreements_page()
    assert re.search(r"^\| `terms\.netting` .* One of `gross`, `bilateral`, `multilateral`\. \|$", page, re.MULTILINE)
    assert re.search(r"^\| `pricing\.fee\.payer` .* One of `creditor`, `debtor`\. \|$", page, re.MULTILINE)


def test_every_setting_is_read_from_the_environment_under_its_name_on_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUB_NAME", "Nordlicht")
    assert Settings().name == "Nordlicht"
    assert "| `HUB_NAME` |" in SETTINGS_PAGE.read_text(encoding="utf-8")


def test_every_operation_of_the_operators_api_stands_in_its_table(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path), "postgresql://nowhere.invalid/hub")
    offered = {
        f"{method.upper()} | `{path}`"
        for path, operations in app.openapi()["paths"].items()
        if not path.startswith("/ocpi/")  # those are the modules, which have a page of their own
        if not is_public(path)  # and so has what everybody may read
        for method in operations
    }
    page = (DOCS / "reference" / "admin.md").read_text(encoding="utf-8")
    assert {row for row in offered if f"| {row} |" not in page} == set()
    assert "POST | `/admin/invitations`" in offered
    written = set(re.findall(r"^\| ([A-Z]+ \| `/admin[^`]*`) \|", page, re.MULTILINE))
    assert written == {row for row in offered if "/admin" in row}


def test_everything_that_everybody_may_read_stands_in_its_table(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path), "postgresql://nowhere.invalid/hub")
    offered = {path for path in app.openapi()["paths"] if is_public(path)}
    page = (DOCS / "howto" / "read-the-map.md").read_text(encoding="utf-8")
    assert "/nav/v1/locations" in offered
    assert {path for path in offered if f"| `{path}` |" not in page} == set()


def _commands() -> list[str]:
    shown = subprocess.run(
        [sys.executable, "-m", "hub", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HELP_WAIT_SECONDS,
        check=True,
    )
    braces = re.search(r"\{([a-z,-]+)\}", shown.stdout)
    assert braces is not None, shown.stdout
    return braces.group(1).split(",")


def test_every_command_of_the_hub_is_explained_to_operators() -> None:
    page = (DOCS / "howto" / "run-it.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE)
    assert explained == _commands()


# --- decisions -------------------------------------------------------------------------------


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_says_context_decision_consequence_and_where(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == DECISION_HEADINGS


def test_decisions_are_numbered_without_gaps_and_listed_under_their_titles() -> None:
    listed = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    for number, page in enumerate(DECISIONS, start=1):
        title = page.read_text(encoding="utf-8").splitlines()[0]
        assert page.name.startswith(f"{number:04}-")
        assert title.startswith(f"# {number}. ")
        assert f"| {number} | [{title.partition('. ')[2]}]({page.name}) |" in listed
