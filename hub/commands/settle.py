"""The commands `settle run` and `settle verify`: a month from a file, without server, database or network."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hub.commands.bars import Advance, bars
from hub.settlement.amounts import EXACT
from hub.settlement.bundle import MalformedBundle, party_text
from hub.settlement.dossier import Dossier, dossier_of, files_of, seal_file
from hub.settlement.files import (
    SEAL_FILE,
    OutputRefused,
    bundle_bytes,
    differences,
    digest_of,
    read_bundle,
    refuse_foreign,
    replacing,
    write,
)
from hub.settlement.findings import Disposition
from hub.settlement.outputs import amount_text
from hub.settlement.report import report_page
from hub.settlement.run import Outcome, settle
from hub.settlement.verification import NotSealed

STATUS_DIFFERENT = 1
STATUS_MALFORMED = 2
PROGRESS_STEP_CDRS = 64
PAGE_COLUMNS = 120  # where there is no terminal


def run_settle(bundle: Path, out: Path, agreements: Path | None = None) -> int:
    """Settle a bundle into a folder. Returns the exit status: 0 when it was done, whatever was found; 2 when it cannot be read.

    KeyboardInterrupt goes on to the caller, after a sentence on what stands at `out`.
    """
    console, errors = _console(), Console(stderr=True, soft_wrap=True, highlight=False)
    before = _which(out)
    try:
        refuse_foreign(out)
        dossier = _settled(bundle, out, agreements)
    except (MalformedBundle, OutputRefused) as error:
        errors.print(str(error), markup=False)
        return STATUS_MALFORMED
    except KeyboardInterrupt:
        errors.print(_interrupted(out, before), markup=False)
        raise
    _tell(dossier, console)
    console.print(f"{out / 'report.html'} shows it all. Seal: {dossier.root}", markup=False)
    return 0


def _which(out: Path) -> int | None:
    """Which folder stands there: a run that is done puts another one in its place."""
    return out.stat().st_ino if out.exists() else None


def _interrupted(out: Path, before: int | None) -> str:
    now = _which(out)
    if now == before:
        return f"Interrupted: {out} is as it was before." if before else f"Interrupted: {out} was not written."
    return f"Interrupted: {out} {'is the new one, and whole' if now else 'comes back with the next run'}."


def run_verify(path: Path, key: str | None = None) -> int:
    """Whether an output, a statement with its proof, or a seal is as it was sealed (by `key`). Returns 0 when it is, 1 when it is not."""
    console = _console()
    try:
        found = differences(path, key)
    except NotSealed as error:
        found = [str(error)]
    for sentence in found:
        console.print(sentence, markup=False)
    console.print(f"{path}: {'differs' if found else 'ok'}", markup=False)
    return STATUS_DIFFERENT if found else 0


def _settled(bundle: Path, out: Path, agreements: Path | None) -> Dossier:
    """Read, settle and write, with a bar for each on a terminal."""
    with bars() as bar:
        with bar("Reading", bundle_bytes(bundle)) as advance:
            read = read_bundle(bundle, agreements, advance)
        with bar("Settling", len(read.evidence.cdrs)) as advance:
            outcome = settle(read.evidence, read.agreements, _stepping(advance))
        dossier = dossier_of(read, outcome)
        with replacing(out) as folder, bar("Writing", len(dossier.statements) * 4 + 7) as advance:
            digests = {}
            for name, chunks in files_of(dossier, report_page):
                write(folder / name, chunks)
                digests[name] = digest_of(folder / name)
                advance(1)
            write(folder / SEAL_FILE, seal_file(dossier, digests))
            advance(1)
    return dossier


def _stepping(advance: Advance) -> Advance:
    """Of the many calls with a number that is done, only those that a person would see."""

    def told(done: int) -> None:
        if done % PROGRESS_STEP_CDRS == 0:
            advance(PROGRESS_STEP_CDRS)

    return told


def _console() -> Console:
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=PAGE_COLUMNS)


# --- the summary ---------------------------------------------------------------------------------


def _tell(dossier: Dossier, console: Console) -> None:
    for table in (_by_disposition(dossier.outcome), _by_kind(dossier.outcome), _by_transfer(dossier.outcome)):
        if table.row_count:
            console.print(table)


def _by_disposition(outcome: Outcome) -> Table:
    table = _table("CDRs", ("disposition", "CDRs", "claimed, with VAT where stated"), numbers=(1,))
    counts = Counter(outcome.verdicts.values())
    for disposition in (Disposition.SETTLE, Disposition.HOLD, Disposition.DROP, Disposition.DEFER):
        if counts[disposition]:
            table.add_row(str(disposition), str(counts[disposition]), _claimed(outcome, disposition))
    return table


def _by_kind(outcome: Outcome) -> Table:
    table = _table("Findings", ("kind", "check", "severity", "disposition", "findings"), numbers=(4,))
    found = Counter((one.check.kind, one.check.id, one.severity, one.disposition) for one in outcome.findings)
    for (kind, check, severity, disposition), count in sorted(found.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(kind, check, str(severity), str(disposition), str(count))
    return table


def _by_transfer(outcome: Outcome) -> Table:
    table = _table("Transfers", ("from", "to", "currency", "without VAT", "with VAT"), numbers=(3, 4))
    for one in outcome.transfers:
        amounts = (amount_text(one.amount.excl_vat), amount_text(one.amount.incl_vat))
        table.add_row(party_text(one.payer), party_text(one.payee), one.currency, *amounts)
    return table


def _table(title: str, columns: tuple[str, ...], numbers: tuple[int, ...] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place in numbers else "left")
    return table


def _claimed(outcome: Outcome, disposition: Disposition) -> str:
    sums: dict[str, Decimal] = {}
    for cdr in outcome.evidence.cdrs:
        if outcome.verdicts[cdr.index] is disposition and cdr.total is not None:
            amount = cdr.total.excl_vat if cdr.total.incl_vat is None else cdr.total.incl_vat
            sums[cdr.currency] = EXACT.add(sums.get(cdr.currency, Decimal(0)), amount)
    return ", ".join(f"{amount_text(sums[currency])} {currency}" for currency in sorted(sums))
