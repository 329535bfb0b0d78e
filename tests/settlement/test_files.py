"""Bundles from disk, and an output folder that appears whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from markupsafe import escape

from hub.settlement import files
from hub.settlement.bundle import Bundle, Faults, MalformedBundle, Spot, parts_of, party_text, read_parts
from hub.settlement.causes import causes_of
from hub.settlement.dossier import Dossier, dossier_of, files_of, seal_file
from hub.settlement.files import OutputRefused, differences, read_bundle, refuse_foreign, replacing
from hub.settlement.findings import Disposition
from hub.settlement.netting import Pair
from hub.settlement.pair_statements import file_name, lines_content
from hub.settlement.report import donut, money, report_page
from hub.settlement.run import settle
from hub.settlement.sheets import as_csv, as_pdf, as_xlsx
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json
from tests.settlement.build_month import BUNDLE, FOLDER, month, written

TERMS = FOLDER / "agreements.yaml"


def dossier(bundle: Bundle) -> Dossier:
    """A settled bundle with all that its files are made of."""
    return dossier_of(bundle, settle(bundle.evidence, bundle.agreements))


@pytest.fixture(scope="module")
def october() -> Dossier:
    """The example month with its agreements."""
    return dossier(read_bundle(BUNDLE, TERMS))


def content_of(dossier: Dossier, name: str) -> Any:
    """One of the files, decoded."""
    chunks = next(chunks for found, chunks in files_of(dossier, lambda _: "") if found == name)
    return decode_json(b"".join(chunks))


# --- reading -----------------------------------------------------------------------------------


def test_the_example_month_is_what_its_builder_writes() -> None:
    assert BUNDLE.read_bytes() == written(), "run: python -m tests.settlement.build_month"


def split(folder: Path, content: Any) -> Path:
    """A bundle as a folder of JSON-lines files."""
    (folder / "emsp_view").mkdir(parents=True)
    head = {name: content[name] for name in ("name", "settlement_period", "parties", "tolerances")}
    (folder / "period.json").write_bytes(encode_json(head))
    for name, items in content["input"].items():
        (folder / f"{name}.jsonl").write_bytes(b"".join(encode_json(item) + b"\n" for item in items))
    for party, view in content["emsp_view"].items():
        (folder / "emsp_view" / f"{party}.jsonl").write_bytes(b"\n".join(map(encode_json, view["cdrs"])))
    return folder


def test_a_folder_of_json_lines_is_the_same_bundle_as_one_file(tmp_path: Path, october: Dossier) -> None:
    folder = split(tmp_path / "month", month())
    (folder / "agreements.yaml").write_bytes(TERMS.read_bytes())
    (folder / "notes.txt").write_text("not looked at", encoding="utf-8")
    told: list[int] = []
    bundle = read_bundle(folder, advance=told.append)
    assert bundle.evidence == october.bundle.evidence
    assert bundle.agreements == october.bundle.agreements
    assert dossier(bundle).root == october.root
    assert 0 < sum(told) <= files.bundle_bytes(folder)


def _spoil(name: str, text: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_text(text, encoding="utf-8")

    return spoil


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(
            _spoil("cdrs.jsonl", '{"to": "NL-MSP", "cdr": {}}\n{\n'), "cdrs.jsonl:1: received_at is missing", id="field"
        ),
        pytest.param(_spoil("tokens.jsonl", '{}\n{"uid"\n'), "tokens.jsonl:2: is not JSON", id="no JSON"),
        pytest.param(_spoil("sessions.jsonl", "\n"), "sessions.jsonl:1: is not JSON", id="an empty line"),
        pytest.param(_spoil("period.json", "[]"), "period.json: it is no JSON object", id="a head that is a list"),
        pytest.param(_spoil("period.json", "{"), "period.json: is not JSON", id="a head that is no JSON"),
        pytest.param(
            _spoil("settlement.json", "{}"), "settlement.json: says again what period.json says", id="two heads"
        ),
        pytest.param(_spoil("sesions.jsonl", ""), "sesions.jsonl: is no file of a bundle", id="a slip of the pen"),
        pytest.param(_spoil("agreements.json", "{"), "agreements.json: is not JSON", id="agreements that are no JSON"),
        pytest.param(
            _spoil("agreements.yaml", "- {agreement: A}"), "agreements.yaml: [0].creditor and", id="agreements"
        ),
        pytest.param(
            _spoil("agreements.yaml", "- {agreement: DEABC-FRXXX}"),
            "agreements.yaml: has DEABC-FRXXX, whose debtor FR-XXX is none of the parties",
            id="an agreement with a stranger",
        ),
        pytest.param(
            _spoil("period.json", '{"name": "", "tolerances": {"as_of": 1, "as_of": 2}, "name": ""}'),
            "period.json: name stands twice",
            id="a member of the head twice",
        ),
        pytest.param(
            _spoil("cdrs.jsonl", '{"to": "NL-MSP", "cdr": {"total_energy": NaN}}'),
            "cdrs.jsonl:1: is not JSON: JSON is malformed: invalid character in cdr.total_energy, near",
            id="no number",
        ),
        pytest.param(
            _spoil("emsp_view/FR-XXX.jsonl", ""), "FR-XXX.jsonl: is none of the parties", id="a view of a stranger"
        ),
        pytest.param(_spoil("emsp_view/MSP.jsonl", ""), "MSP.jsonl: is no party", id="a view of nobody"),
        pytest.param(_spoil("emsp_view/NL-MSP.jsonl", "{}"), "NL-MSP.jsonl:1: id is missing", id="a view without id"),
        pytest.param(lambda folder: (folder / "cdrs.jsonl").unlink(), "cdrs.jsonl: is missing", id="no CDRs"),
        pytest.param(lambda folder: (folder / "period.json").unlink(), "period.json: is missing", id="no head"),
    ],
)
def test_a_fault_in_a_folder_is_told_with_file_and_line(
    tmp_path: Path, spoil: Callable[[Path], None], expected: str
) -> None:
    folder = split(tmp_path / "month", month())
    spoil(folder)
    with pytest.raises(MalformedBundle) as raised:
        read_bundle(folder)
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"{", "is not JSON", id="cut off"),
        pytest.param(b"\xff", "is not JSON", id="not UTF-8"),
        pytest.param(b"[" * 200 + b"]" * 200, "nested too deep", id="nested"),
        pytest.param(b'{"name": "", "input": {}, "name": ""}', "name stands twice", id="a member twice"),
        pytest.param(
            b'{"input": {"cdrs": [], "tokens": [], "cdrs": []}}', r"input\.cdrs stands twice", id="a list twice"
        ),
        pytest.param(
            b'{"input": {"cdrs": [{}, {"cdr": {"total_energy": NaN}}]}}',
            r"invalid character in input\.cdrs\[1\]\.cdr\.total_energy, near '.*NaN",
            id="no number",
        ),
        pytest.param(b'{"agreements": {}}', "agreements is no list of agreements", id="agreements that are no list"),
    ],
)
def test_a_file_that_is_no_bundle_is_told_by_name(tmp_path: Path, text: bytes, expected: str) -> None:
    file = tmp_path / "month.json"
    file.write_bytes(text)
    with pytest.raises(MalformedBundle, match=expected) as raised:
        read_bundle(file)
    assert str(raised.value).startswith(f"{file}: ")


def test_a_bundle_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MalformedBundle, match=r"month\.json: cannot be read: No such file"):
        read_bundle(tmp_path / "month.json")


def test_files_and_lines_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LINE_MAX_BYTES", 2000)
    folder = split(tmp_path / "month", month())
    (folder / "cdrs.jsonl").write_text("{" + " " * 3000 + "}", encoding="utf-8")
    with pytest.raises(MalformedBundle, match=r"cdrs\.jsonl: has a line of more than 2000 bytes"):
        read_bundle(folder)
    monkeypatch.setattr(files, "BUNDLE_MAX_BYTES", 2000)
    with pytest.raises(MalformedBundle, match=r"october\.json: is longer than 2000 bytes"):
        read_bundle(BUNDLE)


# --- what is written ---------------------------------------------------------------------------


def test_findings_have_the_members_that_are_promised_and_no_others(october: Dossier) -> None:
    found = content_of(october, "findings.json")
    assert len(found) == len(october.outcome.findings) > 20
    for finding in found:
        assert list(finding) == ["kind", "check", "severity", "disposition", "subject", "details", "sentence"]
        assert set(finding["subject"]) in ({"cdr_id", "index"}, {"cdr_ids"}, {"session_id"}, {"party"})
    by_kind = {finding["kind"]: finding for finding in found}
    assert by_kind["OVERLAPPING_SESSIONS"]["subject"] == {"cdr_ids": ["OVER-A", "OVER-B"]}
    assert by_kind["SESSION_WITHOUT_CDR"]["subject"] == {"session_id": "S-NEVER-BILLED"}
    assert by_kind["SESSION_WITHOUT_CDR"]["details"]["party"] == "DE-ABC"
    duplicate = by_kind["DUPLICATE_CDR"]["subject"]
    cdrs = october.bundle.evidence.cdrs
    assert cdrs[duplicate["index"]].id == duplicate["cdr_id"] == "SAME"


def test_every_cdr_stands_in_the_order_of_the_input_with_claim_and_price(october: Dossier) -> None:
    cdrs = content_of(october, "cdrs.json")
    assert [one["index"] for one in cdrs] == list(range(len(october.bundle.evidence.cdrs)))
    by_id = {one["cdr_id"]: one for one in cdrs}
    assert by_id["DEARER-0"] == {
        "index": by_id["DEARER-0"]["index"],
        "cdr_id": "DEARER-0",
        "disposition": "HOLD",
        "claimed": {"excl_vat": "10.80", "incl_vat": "12.85"},
        "priced": {"excl_vat": "9.00", "incl_vat": "10.71"},
    }
    assert by_id["NO-TARIFF"]["priced"] is None
    assert by_id["NOVEMBER"]["disposition"] == by_id["LATE"]["disposition"] == "DEFER"
    assert by_id["WRONG-C"]["priced"]["excl_vat"] == "-13.00"


def test_what_becomes_of_the_example_month(october: Dossier) -> None:
    """Nothing honest is kept out, and what is wrong is found by name."""
    kinds = {finding["kind"] for finding in content_of(october, "findings.json")}
    assert kinds >= {
        *("DUPLICATE_CDR", "CDR_ID_REUSED", "SESSION_BILLED_TWICE", "OVERLAPPING_SESSIONS", "CREDIT_AMOUNT_MISMATCH"),
        *("CREDIT_WITHOUT_ORIGINAL", "PRICE_MISMATCH", "VAT_MISMATCH", "TOTAL_NOT_SUM_OF_PARTS", "CURRENCY_MISMATCH"),
        *("MISSING_TARIFF", "ENERGY_UNIT_ERROR", "ENERGY_ABOVE_PHYSICAL_LIMIT", "ENERGY_SUM_MISMATCH"),
        *("NEGATIVE_DURATION", "SESSION_CDR_ENERGY_MISMATCH", "UNKNOWN_TOKEN", "TOKEN_INVALID_AT_START"),
        *("TOKEN_PARTY_MISMATCH", "MISSING_SESSION", "SESSION_WITHOUT_CDR", "UNKNOWN_LOCATION", "LATE_CDR"),
        "EMSP_CDR_MISSING",
    }
    honest = [cdr for cdr in october.bundle.evidence.cdrs if len(cdr.id) == 3 and cdr.id[0] in "BZ"]
    assert len(honest) == 42
    assert {october.outcome.verdicts[cdr.index] for cdr in honest} == {Disposition.SETTLE}


def test_statements_add_up_to_what_is_netted_and_hold_every_settled_cdr_once(october: Dossier) -> None:
    assert {one.pair: one.total for one in october.statements if one.lines} == {
        pair: owed.amount for pair, owed in october.outcome.owed.items()
    }
    settled = [line.cdr.index for one in october.statements for line in one.lines if line.kind != "fee"]
    kept_out = [one.cdr.index for statement in october.statements for one in statement.unsettled]
    assert sorted(settled + kept_out) == list(range(len(october.bundle.evidence.cdrs)))


def test_net_positions_and_transfers_are_decimal_texts_that_add_up_to_zero(october: Dossier) -> None:
    content = content_of(october, "net.json")
    for currency in ("EUR", "CHF"):
        for side in ("excl_vat", "incl_vat"):
            assert sum(Decimal(one[side]) for one in content["net"] if one["currency"] == currency) == 0
    fees = {one["currency"]: Decimal(one["excl_vat"]) for one in content["net"] if one["party"] == "NL-HUB"}
    assert fees["EUR"] > 0 < fees["CHF"]
    for one in content["bilateral"]:
        assert list(one) == ["creditor", "debtor", "currency", "excl_vat", "incl_vat", "cdr_count"]
    for one in content_of(october, "transfers.json"):
        assert list(one) == ["from", "to", "currency", "excl_vat", "incl_vat"]


def test_fees_are_lines_of_a_statement_of_their_own(october: Dossier) -> None:
    fees = next(one for one in october.statements if one.name == "NL-HUB_NL-MSP_EUR")
    claims = next(one for one in october.statements if one.name == "DE-ABC_NL-MSP_EUR")
    assert {line.kind for line in fees.lines} == {"fee"}
    count = claims.count("cdr") - claims.count("credit")
    assert fees.total.excl_vat == Decimal("0.05") * count
    assert fees.total.incl_vat == Decimal("0.05") * count * Decimal("1.21")


def test_the_same_bundle_is_the_same_bytes(october: Dossier) -> None:
    again = dossier(read_bundle(BUNDLE, TERMS))
    one, other = ({name: b"".join(chunks) for name, chunks in files_of(of, report_page)} for of in (october, again))
    assert {"report.html", "statements/DE-ABC_NL-MSP_EUR.xlsx", "statements/DE-ABC_NL-MSP_EUR.pdf"} <= one.keys()
    assert one == other


def test_the_order_of_the_input_is_kept_in_the_list_of_cdrs_and_nowhere_under_the_seal(
    tmp_path: Path, october: Dossier
) -> None:
    """P04: findings, net, transfers and statements have the leaves and the root that they had."""
    content = month()
    for items in content["input"].values():
        Random(7).shuffle(items)
    (tmp_path / "shuffled.json").write_bytes(encode_json(content))
    shuffled = dossier(read_bundle(tmp_path / "shuffled.json", TERMS))
    assert shuffled.sealed.leaves() == october.sealed.leaves()
    assert shuffled.root == october.root
    for name in ("net.json", "transfers.json", "statements/DE-ABC_NL-MSP_EUR.csv"):
        assert bytes_of(shuffled, name) == bytes_of(october, name)
    before, after = (content_of(one, "cdrs.json") for one in (october, shuffled))
    assert [one["index"] for one in after] == [*range(len(before))]
    assert [one["cdr_id"] for one in after] == [one["cdr"]["id"] for one in content["input"]["cdrs"]]
    assert sorted(map(_without_index, after)) == sorted(map(_without_index, before))


def _without_index(one: dict[str, Any]) -> str:
    return encode_json({name: value for name, value in one.items() if name != "index"}).decode()


def bytes_of(dossier: Dossier, name: str) -> bytes:
    return next(b"".join(chunks) for found, chunks in files_of(dossier, lambda _: "") if found == name)


# --- causes ------------------------------------------------------------------------------------


def test_findings_with_one_root_are_one_cause_with_the_money_that_hangs_on_it(october: Dossier) -> None:
    causes = content_of(october, "causes.json")
    dearer = next(one for one in causes if one["kind"] == "PRICE_MISMATCH")
    assert (dearer["cdr_count"], dearer["about"], dearer["party"]) == (4, {"tariff": "T-AC"}, "DE-ABC")
    assert dearer["at_risk"] == str(3 * (Decimal("12.85") - Decimal("10.71")) + Decimal("10.71") - Decimal("8.33"))
    assert dearer["shared"]["debtor"] == "NL-MSP"
    assert "day" not in dearer["shared"]
    unit = next(one for one in causes if one["kind"] == "ENERGY_UNIT_ERROR")
    assert unit["at_risk"] == "5713.19"
    late = next(one for one in causes if one["kind"] == "LATE_CDR")
    assert (late["at_risk"], late["disposition"]) == ("0", "DEFER")


def test_causes_are_ranked_by_money_within_a_currency_and_every_finding_is_in_one(october: Dossier) -> None:
    causes = causes_of(october.outcome)
    for currency in ("EUR", "CHF"):
        amounts = [cause.at_risk for cause in causes if cause.root.currency == currency and cause.at_risk]
        assert amounts == sorted(amounts, reverse=True)
        assert amounts
    assert sum(len(cause.findings) for cause in causes) == len(october.outcome.findings)


# --- tables ------------------------------------------------------------------------------------


def test_csv_has_every_line_and_nothing_that_a_spreadsheet_would_calculate() -> None:
    line = dict.fromkeys(("number", "type", "session_id", "start", "end", "energy_kwh", "excl_vat", "incl_vat"))
    rows = b"".join(as_csv({**line, "cdr_id": f"=1+{number}"} for number in range(12_000))).decode().splitlines()
    assert len(rows) == 12_001
    assert rows[-1] == ",,'=1+11999,,,,,,"


def test_a_workbook_has_all_rows_in_as_many_sheets_as_it_takes(
    october: Dossier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.settlement.sheets.SHEET_ROWS_MAX", 10)
    statement = next(one for one in october.statements if one.name == "DE-ABC_NL-MSP_EUR")
    head = october.heads[october.statements.index(statement)]
    book = as_xlsx(head, lines_content(statement), [])
    with zipfile.ZipFile(BytesIO(book)) as archive:
        names = archive.read("xl/workbook.xml").decode()
        sheets = [archive.read(name).decode() for name in archive.namelist() if "worksheets/sheet" in name]
        dates = {info.date_time for info in archive.infolist()}
    assert 'name="Lines"' in names
    assert f'name="Lines {len(statement.lines) // 10 + 1}"' in names
    rows = sum(sheet.count("<row ") for sheet in sheets[1:-1])
    assert rows == len(statement.lines) + len(sheets) - 2  # a head for every sheet
    assert dates == {(1980, 1, 1, 0, 0, 0)}


def test_amounts_are_numbers_in_a_workbook_where_a_spreadsheet_can_hold_them(october: Dossier) -> None:
    line: dict[str, Any] = dict.fromkeys(("number", "type", "cdr_id", "session_id", "start", "end", "energy_kwh"))
    lines = [{**line, "excl_vat": "1.50", "incl_vat": "0.12345678901234567"}]
    with zipfile.ZipFile(BytesIO(as_xlsx(october.heads[0], lines, []))) as archive:
        sheet, texts = archive.read("xl/worksheets/sheet2.xml").decode(), archive.read("xl/sharedStrings.xml").decode()
    assert "<v>1.5</v>" in sheet
    assert "0.12345678901234567" in texts


def test_a_summary_is_a_pdf_even_where_nothing_is_settled(october: Dossier) -> None:
    odd = {
        **dict.fromkeys(("cdr_id", "session_id", "start", "end", "energy_kwh", "excl_vat", "incl_vat")),
        "cdr_id": '#panic("x") \\ [*',
        "disposition": "HOLD",
        "notes": ["INVALID_CDR"],
    }
    pdf = as_pdf(october.heads[0], [odd] * 100)
    assert pdf.startswith(b"%PDF-")
    assert pdf == as_pdf(october.heads[0], [odd] * 100)


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(Pair(Party("", ""), Party("NL", "MSP"), ""), id="nobody"),
        pytest.param(Pair(Party("DE", "../"), Party("NL", "MSP"), "EUR"), id="a path"),
        pytest.param(Pair(Party("DE", "A:B"), Party("NL", "C~D"), "EUR"), id="signs that some systems refuse"),
        pytest.param(Pair(Party("DE", "X" * 5000), Party("NL", "MSP"), "EUR"), id="longer than any name"),
        pytest.param(Pair(Party("DE", "É\x00"), Party("NL", "MSP"), "€"), id="not ASCII"),
    ],
)
def test_the_name_of_a_statement_is_safe_whatever_the_parties_are_called(pair: Pair) -> None:
    name = file_name(pair)
    assert len(name) < 100
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.%")
    assert name != file_name(Pair(pair.creditor, pair.debtor, pair.currency + "X"))


# --- the report --------------------------------------------------------------------------------


def test_the_report_is_one_file_that_asks_nobody_for_anything(october: Dossier) -> None:
    page = report_page(october)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert page.count("<details id=") == len(october.causes)
    for statement in october.statements:
        assert f'href="statements/{statement.name}.xlsx"' in page
    assert october.root in page


def test_who_pays_pays_an_amount_without_a_sign(october: Dossier) -> None:
    page = report_page(october)
    pays = re.findall(r"pays</span></span><b>([^<]+)</b>", page)
    assert pays == ["106.70 CHF", "277.4975 EUR"]


def test_a_cause_says_in_one_line_who_claims_from_whom_and_one_sentence(october: Dossier) -> None:
    page = report_page(october)
    heads = re.findall(r"<summary>(.*?)</summary>", page, re.DOTALL)
    assert len(heads) == len(october.causes)
    for head, cause in zip(heads, october.causes, strict=True):
        assert (
            f'quiet">{"For example: " if len(cause.findings) > 1 else ""}{escape(cause.findings[0].sentence)}</span>'
            in head
        )
    (price,) = [head for head in heads if ">PRICE_MISMATCH<" in head]
    assert "DE-ABC → NL-MSP · tariff T-AC" in price
    assert "For example: CDR DEARER-0 claims EUR 10.80" in price
    (session,) = [head for head in heads if ">SESSION_WITHOUT_CDR<" in head]
    assert '<span class="about">DE-ABC</span>' in session


def test_a_statement_with_nothing_but_what_was_kept_out_is_marked() -> None:
    content = month()
    content["input"]["cdrs"] = [one for one in content["input"]["cdrs"] if one["cdr"]["id"] == "BACKWARDS"]
    bundle = read_parts(parts_of(decode_json(encode_json(content)), Spot(Faults(), "")))
    made = dossier(bundle)
    assert [(len(one.lines), len(one.unsettled)) for one in made.statements] == [(0, 1)]
    row = report_page(made).partition('<h2 id="statements">')[2].partition("</tbody>")[0]
    assert "nothing settled" in row
    assert "0.00" not in row


def test_statements_with_lines_are_not_marked_as_empty(october: Dossier) -> None:
    empty = [one for one in october.statements if not one.lines]
    assert 0 < len(empty) < len(october.statements)
    assert report_page(october).count("nothing settled</td>") == len(empty)


@pytest.mark.parametrize(
    ("amount", "characters"),
    [pytest.param("9", 7, id="9.00 EUR"), pytest.param("5000000000000", 23, id="5,000,000,000,000.00 EUR")],
)
def test_a_number_in_a_box_is_as_small_as_its_length_asks(amount: str, characters: int) -> None:
    content = month()
    content["input"]["cdrs"] = [one for one in content["input"]["cdrs"] if one["cdr"]["id"] == "BACKWARDS"]
    content["input"]["cdrs"][0]["cdr"]["total_cost"] = {"excl_vat": int(amount)}
    bundle = read_parts(parts_of(decode_json(encode_json(content)), Spot(Faults(), "")))
    figures = re.findall(r'class="figure" style="--characters: (\d+)">([^ ]+) ', report_page(dossier(bundle)))
    assert figures == [(str(characters), money(Decimal(amount), "EUR"))]


def test_what_partners_write_is_text_in_the_report() -> None:
    content = month()
    content["input"]["cdrs"][40]["cdr"]["id"] = "<script>alert(1)</script>"
    content["input"]["cdrs"][40]["cdr"]["total_energy"] = 999
    content["name"] = "</title><script>alert(2)</script>"
    bundle = read_parts(parts_of(decode_json(encode_json(content)), Spot(Faults(), "")))
    page = report_page(dossier(bundle))
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_a_month_without_cdrs_has_a_report_too() -> None:
    content = month() | {"input": {"cdrs": []}, "emsp_view": {}}
    bundle = read_parts(parts_of(content, Spot(Faults(), "")))
    page = report_page(dossier(bundle))
    assert "Nothing is settled" in page
    assert "There is no finding" in page


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        pytest.param("1234567.5", "EUR", "1,234,567.50", id="thousands, and the decimals of the currency"),
        pytest.param("0.12345", "EUR", "0.12345", id="never rounded"),
        pytest.param("105.21950", "CHF", "105.2195", id="no zeros that say nothing"),
        pytest.param("1500", "JPY", "1,500", id="a currency without decimals"),
        pytest.param("-0.00", "EUR", "0.00", id="zero has no sign"),
        pytest.param("1E+999", "EUR", "1E+999", id="absurd"),
    ],
)
def test_amounts_are_written_for_people(amount: str, currency: str, expected: str) -> None:
    assert money(Decimal(amount), currency) == expected


def test_a_donut_has_a_piece_for_each_disposition_that_there_is() -> None:
    assert donut({}) == []
    (whole,) = donut({Disposition.SETTLE: 3})
    assert "A42 42 0 1 1" in whole.path
    half, other = donut({Disposition.SETTLE: 2, Disposition.HOLD: 2})
    assert (half.path, other.path) == (
        "M50.000 8.000A42 42 0 0 1 50.000 92.000",
        "M50.000 92.000A42 42 0 0 1 50.000 8.000",
    )


def test_a_credit_is_a_number_in_every_table(october: Dossier) -> None:
    statement = next(one for one in october.statements if one.count("credit"))
    amounts = [line["excl_vat"] for line in lines_content(statement) if line["type"] == "credit"]
    rows = list(csv.DictReader(StringIO(b"".join(as_csv(lines_content(statement))).decode())))
    assert amounts[0].startswith("-")
    assert [row["excl_vat"] for row in rows if row["type"] == "credit"] == amounts


# --- the output folder -------------------------------------------------------------------------


def settled(out: Path, name: str = "one", *, fails: bool = False) -> None:
    """Something like the output of a run, or of one that fails in the middle."""
    with replacing(out) as folder:
        (folder / "net.json").write_text(name, encoding="utf-8")
        if fails:
            raise RuntimeError
        seal = {"format": "ocpi-hub settlement seal 1", "files": {"net.json": ""}}
        (folder / "seal.json").write_text(json.dumps(seal), encoding="utf-8")


def said(out: Path) -> str:
    return (out / "net.json").read_text(encoding="utf-8")


def test_an_output_takes_the_place_of_the_one_before_it_and_leaves_nothing_beside(tmp_path: Path) -> None:
    out = tmp_path / "in" / "out"
    settled(out, "one")
    settled(out, "two")
    assert said(out) == "two"
    assert os.listdir(out.parent) == ["out"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_an_output_that_fails_in_the_middle_leaves_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    if not can_exchange:
        monkeypatch.setattr(files, "_exchanged", lambda *_: False)
    out = tmp_path / "out"
    settled(out, "one")
    with pytest.raises(RuntimeError):
        settled(out, "half", fails=True)
    assert said(out) == "one"
    settled(out, "two")
    assert said(out) == "two"
    assert os.listdir(tmp_path) == ["out"]


def test_what_a_killed_run_left_is_put_in_order_by_the_next(tmp_path: Path) -> None:
    out = tmp_path / "out"
    settled(out, "one")
    out.rename(tmp_path / ".out.123456.old")
    (tmp_path / ".out.123456.part").mkdir()
    with pytest.raises(RuntimeError):
        settled(out, "half", fails=True)
    assert said(out) == "one"
    assert os.listdir(tmp_path) == ["out"]


def test_a_draft_of_a_run_that_is_still_at_work_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with replacing(out) as mine:
        settled(out, "another")
        assert mine.is_dir()
        (mine / "net.json").write_text("mine", encoding="utf-8")
    assert said(out) == "mine"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("notes.txt", "is not empty and no output of an earlier run", id="somebody's folder"),
        pytest.param("seal.json", "is not empty and no output of an earlier run", id="a file called like a seal"),
    ],
)
def test_a_folder_that_is_somebody_elses_is_not_touched(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(OutputRefused, match=expected):
        settled(tmp_path)
    assert os.listdir(tmp_path) == [name]


def test_a_file_that_somebody_put_into_an_output_is_not_lost(tmp_path: Path) -> None:
    out = tmp_path / "out"
    settled(out)
    (out / "notes.txt").write_text("", encoding="utf-8")
    with pytest.raises(OutputRefused, match=r"holds notes\.txt, which no run wrote"):
        refuse_foreign(out)
    with pytest.raises(OutputRefused, match="is no folder"):
        refuse_foreign(out / "notes.txt")


def test_an_empty_folder_and_a_link_to_a_folder_are_places_for_an_output(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    settled(tmp_path / "link", "one")
    settled(tmp_path / "link", "two")
    assert (tmp_path / "link").is_symlink()
    assert said(tmp_path / "real") == "two"


# --- verifying ---------------------------------------------------------------------------------


@pytest.fixture
def output(tmp_path: Path, october: Dossier) -> Path:
    """The whole output of the example month."""
    _written_out(october, tmp_path)
    return tmp_path


def _written_out(dossier: Dossier, folder: Path) -> None:
    digests = {}
    for name, chunks in files_of(dossier, report_page):
        files.write(folder / name, chunks)
        digests[name] = files.digest_of(folder / name)
    files.write(folder / "seal.json", seal_file(dossier, digests))


def test_an_output_and_each_of_its_statements_verify(output: Path, october: Dossier) -> None:
    assert differences(output) == []
    for statement in october.statements:
        assert differences(output / "statements" / f"{statement.name}.json") == []


def _replaced(name: str, before: str, after: str) -> Callable[[Path], None]:
    def change(output: Path) -> None:
        text = (output / name).read_text(encoding="utf-8")
        assert before in text
        (output / name).write_text(text.replace(before, after, 1), encoding="utf-8")

    return change


STATEMENT = "statements/DE-ABC_NL-MSP_EUR.json"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            _replaced(STATEMENT, '"excl_vat":"5.40"', '"excl_vat":"5.41"'), "the lines add up to", id="a line"
        ),
        pytest.param(_replaced(STATEMENT, '"B01"', '"B1"'), "the lines give digest", id="an id in a line"),
        pytest.param(_replaced(STATEMENT, '"digest": "', '"digest": "0'), "the lines give digest", id="a digest"),
        pytest.param(_replaced(STATEMENT, '"index":', '"index":1'), "do not lead to the root", id="a proof"),
        pytest.param(
            _replaced("net.json", '"excl_vat":"-', '"excl_vat":"-9'), "net.json says otherwise", id="a position"
        ),
        pytest.param(_replaced("findings.json", '"HOLD"', '"SETTLE"'), "do not give the root", id="a finding"),
        pytest.param(_replaced("transfers.json", '"NL-MSP"', '"NL-MXP"'), "do not give the root", id="a transfer"),
        pytest.param(_replaced("seal.json", '"60"', '"61"'), "do not give the root", id="a tolerance"),
        pytest.param(
            _replaced("seal.json", '"leaves": ', '"leaves": 1'), "the digest of the run", id="the seal itself"
        ),
        pytest.param(_replaced("cdrs.json", '"HOLD"', '"SETTLE"'), "cdrs.json was changed", id="a disposition"),
        pytest.param(lambda out: (out / "causes.json").unlink(), "causes.json is missing", id="a file taken away"),
        pytest.param(_spoil("extra.csv", ""), "extra.csv was not written by the run", id="a file more"),
    ],
)
def test_whatever_was_changed_is_told(output: Path, change: Callable[[Path], None], expected: str) -> None:
    change(output)
    assert [sentence for sentence in differences(output) if expected in sentence]


def _with(place: tuple[str | int, ...], value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        *steps, last = place
        for step in steps:
            content = content[step]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(_with(("creditor_name",), "Somebody else"), "do not lead to the root", id="the name of a party"),
        pytest.param(lambda one: one.pop("debtor_name"), "do not lead to the root", id="a name less"),
        pytest.param(_with(("statement",), "2026-10_X"), "do not lead to the root", id="an id"),
        pytest.param(_with(("period", "to"), "2026-12-01T00:00:00Z"), "do not lead to the root", id="the period"),
        pytest.param(_with(("totals", "credits"), 0), "do not lead to the root", id="a count"),
        pytest.param(_with(("totals", "cdrs"), Decimal("36.0")), "do not lead to the root", id="a count as a decimal"),
        pytest.param(_with(("lines", 0, "excl_vat"), Decimal("5.40")), "do not lead to", id="a number for its text"),
        pytest.param(_with(("lines", 0, "remark"), ""), "the lines give digest", id="a member of a line more"),
        pytest.param(_with(("unsettled", 0, "notes"), []), "do not lead to the root", id="why something was kept out"),
        pytest.param(_with(("iban",), "DE00"), "iban is not sealed", id="a member more"),
        pytest.param(_with(("proof", "note"), "paid"), "note is not sealed", id="a member of the proof more"),
        pytest.param(_with(("state",), "paid"), "not what is paid", id="a state that no sealed statement has"),
    ],
)
def test_whatever_was_changed_in_a_statement_is_told_by_its_file_alone(
    tmp_path: Path, october: Dossier, change: Callable[[Any], None], expected: str
) -> None:
    content = content_of(october, STATEMENT)
    assert (content["lines"][0]["excl_vat"], content["totals"]["cdrs"]) == ("5.40", 36)
    (tmp_path / "one.json").write_bytes(encode_json(content))
    assert differences(tmp_path / "one.json") == []
    change(content)
    (tmp_path / "one.json").write_bytes(encode_json(content))
    assert [sentence for sentence in differences(tmp_path / "one.json") if expected in sentence]


def test_what_stands_twice_in_a_statement_is_told(tmp_path: Path, october: Dossier) -> None:
    text = encode_json(content_of(october, STATEMENT))
    assert text.count(b'"number":1,') == 1
    (tmp_path / "one.json").write_bytes(text.replace(b'"number":1,', b'"excl_vat":"1","number":1,'))
    assert differences(tmp_path / "one.json") == ["excl_vat stands twice in one object"]


def test_the_sentence_of_a_finding_may_be_erased_and_the_root_still_holds(output: Path) -> None:
    _replaced("findings.json", "Token NOBODYS (RFID) in CDR WHO is in no list of an eMSP.", "")(output)
    assert differences(output) == ["findings.json was changed"]


def test_parties_are_written_in_one_way() -> None:
    assert party_text(Party("DE", "ABC")) == "DE-ABC"


# --- whatever partners write ---------------------------------------------------------------------

ODD: list[Any] = [
    *(None, True, 0, -1, 10**30, Decimal("1E+400"), Decimal("1E-400"), Decimal("-0.0"), "", "x" * 40_000, "\x00\x1f"),
    *(
        "=1+1",
        "Ł漢",
        "1970-1-1T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "EUR",
        "#NA",
        [],
        {},
        [[None]],
    ),
    *({"excl_vat": "x"}, [{"type": "ENERGY"}]),
]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in inside:
        yield from _paths(item, (*path, step))


def _spoilt(content: Any, chance: Random) -> None:
    """One value somewhere in an object, put in the place of another."""
    *steps, last = chance.choice(list(_paths(content)))
    for step in steps:
        content = content[step]
    content[last] = deepcopy(chance.choice(ODD))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_a_cdr_says_the_run_ends_and_its_files_can_be_read_and_verified(tmp_path: Path, seed: int) -> None:
    chance, content = Random(seed), decode_json(written())
    for entry in chance.sample(content["input"]["cdrs"], 20):
        _spoilt(entry["cdr"], chance)
    (tmp_path / "month.json").write_bytes(encode_json(content))
    found = dossier(read_bundle(tmp_path / "month.json", TERMS))
    _written_out(found, tmp_path / "out")
    assert differences(tmp_path / "out") == []
    assert len(content_of(found, "cdrs.json")) == len(content["input"]["cdrs"])
