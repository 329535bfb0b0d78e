"""The command line: `python -m hub …`, installed as `ocpi-hub`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from hub.logs import configure_logs
from hub.settings import Settings
from ocpi_modules.errors import OcpiError
from ocpi_modules.parties import Party, Role

if TYPE_CHECKING:  # each command imports what it needs: not every one is worth two seconds of web server and database
    from hub.commands.backup import Keys
    from hub.commands.erase import Driver
    from hub.partners.probe import Report
    from hub.store.database import Database
    from hub.web.asked import InvitationMade, InvitationShown, InvitedRole, PartnerShown, RoleShown

Result = TypeVar("Result")

STATUS_TERMINATED = 128 + signal.SIGTERM
STATUS_INTERRUPTED = 128 + signal.SIGINT


class CommandFailed(Exception):
    """A command can't be carried out; the text says why."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status, 1 with one sentence on standard error when it cannot be carried out."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _unwind)
    try:
        settings = Settings()
        configure_logs(settings.log_format)
        status: int = options.run(options, settings)
    except ValidationError as error:
        return _complain(invalid_settings(error))
    except _refusals() as error:
        return _complain(str(error))
    except OcpiError as error:
        return _complain(error.message)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is ending: pressed once more it would end in a traceback
        return STATUS_INTERRUPTED
    return status


def _refusals() -> tuple[type[Exception], ...]:
    """What says by its text why a command cannot be carried out."""
    from hub.partners.natsserver import NatsServerError
    from hub.store.embedded import EmbeddedPostgresError

    return (CommandFailed, ValueError, EmbeddedPostgresError, NatsServerError)


def invalid_settings(error: ValidationError) -> str:
    """Which settings can't be used and why, a line for each; never their values, which may be secret."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    lines = (
        f"HUB_{'_'.join(map(str, fault['loc'])).upper()}: {_reason(fault['msg'])}" for fault in faults if fault["loc"]
    )
    others = (_reason(fault["msg"]) for fault in faults if not fault["loc"])
    return "\n".join([*lines, *others])


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")


def _unwind(number: int, _: object) -> NoReturn:
    """On SIGTERM leave by the way of an exception, so that what was started is stopped."""
    raise SystemExit(128 + number)


def _complain(text: str) -> int:
    print(f"ocpi-hub: {text}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ocpi-hub", description="An OCPI 2.2.1 roaming hub.")
    commands = parser.add_subparsers(required=True, title="commands")

    command = commands.add_parser("serve", help="run the hub")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on")
    command.add_argument("--port", type=int, default=8000, help="port to listen on")
    command.add_argument("--workers", type=int, help="how many processes serve; else HUB_WORKERS, else one")
    command.add_argument("--listen-fd", type=int, help=argparse.SUPPRESS)  # how a worker is given its socket
    command.add_argument(
        "--until-stdin-closes", action="store_true", help="stop when standard input ends (for parent processes)"
    )
    command.set_defaults(run=_serve)

    command = commands.add_parser("demo", help="run the hub with a small world of partners")
    command.add_argument("--once", action="store_true", help="play one whole story, check it, and end")
    command.set_defaults(run=_demo)

    command = commands.add_parser("invite", help="make a token A for a platform: invite CPO DE/ABC EMSP DE/ABC")
    command.add_argument("roles", nargs="+", metavar="ROLE PARTY", help="pairs of a role and a party")
    command.add_argument("--format", choices=("text", "json"), default="text")
    command.set_defaults(run=_invite)

    command = commands.add_parser("invitations", help="list invitations")
    command.add_argument("--format", choices=("text", "json"), default="text")
    command.set_defaults(run=_invitations)

    command = commands.add_parser("revoke", help="take an unused invitation back")
    command.add_argument("id", type=int)
    command.set_defaults(run=_revoke)

    command = commands.add_parser("partners", help="list connected platforms")
    command.add_argument("--format", choices=("text", "json"), default="text")
    command.set_defaults(run=_partners)

    command = commands.add_parser("probe", help="ask a partner's software what it does, row by row: probe NL/ABC")
    command.add_argument("party", type=Party.parse, metavar="PARTY", help="a party of the partner")
    command.add_argument("--format", choices=("text", "json"), default="text")
    command.set_defaults(run=_probe)

    command = commands.add_parser("statement", help="who owes whom for a month, as the CDRs claim it")
    command.add_argument("--month", required=True, help="for example 2026-10")
    command.add_argument("--format", choices=("json", "csv"), default="json")
    command.set_defaults(run=_statement)

    command = commands.add_parser(
        "price",
        help="what a CDR should have cost: JSON in, JSON out",
        description='Price a CDR by its tariffs: {"cdr": …, "tariffs": […], "timezone": "Europe/Amsterdam"} on standard input.',
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--jsonl", action="store_true", help="one object a line, in and out, any number of lines")
    form.add_argument("--explain", action="store_true", help="a table for people instead of JSON")
    command.set_defaults(run=_price)

    command = commands.add_parser(
        "settle", help="settle a month from a file, without server or database: settle run BUNDLE --out DIR"
    )
    settling = command.add_subparsers(required=True)
    run = settling.add_parser(
        "run", help="settle a bundle (a JSON file, or a folder of JSON-lines files) into a folder"
    )
    run.add_argument("bundle", type=Path, metavar="BUNDLE")
    run.add_argument("--out", type=Path, required=True, metavar="DIR", help="an earlier output there is replaced")
    run.add_argument("--agreements", type=Path, metavar="FILE", help="more agreements, as YAML or JSON")
    run.set_defaults(run=_settle_run)
    verify = settling.add_parser(
        "verify", help="whether an output, a statement with its proof, or the seal of a period is as it was sealed"
    )
    verify.add_argument("path", type=Path, metavar="DIR|FILE.json")
    verify.add_argument("--key", help="the public key that the hub is known by, in hexadecimal digits")
    verify.set_defaults(run=_settle_verify)

    command = commands.add_parser(
        "erase",
        help="forget a driver: erase --token NL/MSP/RFID/UID, or erase --contract NL-MSP-C0012345-X",
        description="Take a driver out of everything that the hub keeps. Money, statements and seals stay as they are.",
    )
    driver = command.add_mutually_exclusive_group(required=True)
    driver.add_argument("--token", type=_token_of_driver, metavar="CC/PID/TYPE/UID", help="one token of an eMSP")
    driver.add_argument("--contract", type=_contract_of_driver, metavar="ID", help="all tokens of a contract")
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.set_defaults(run=_erase)

    command = commands.add_parser(
        "backup",
        help="write everything in the database into a file, while the hub serves: backup hub.backup",
        description="Write everything in the database, as it is at one moment, into a file. Without --with-keys it can only be "
        "restored where the same keys are.",
    )
    command.add_argument("file", type=Path, metavar="FILE", help="a file that is not there yet")
    command.add_argument(
        "--with-keys",
        action="store_true",
        help="the secret key and the key of seals too: whoever has the file can then speak to partners as the hub",
    )
    command.set_defaults(run=_backup)

    command = commands.add_parser(
        "restore",
        help="fill an empty database from such a file; every hub on it has to be stopped: restore hub.backup",
        description="Fill an empty database from a backup, all of it or nothing. The file is checked first. Every hub on the database "
        "has to be stopped.",
    )
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument(
        "--force-empty", action="store_true", help="take away first what the database holds; it cannot be brought back"
    )
    command.set_defaults(run=_restore)

    command = commands.add_parser(
        "account",
        help="a link that sets the password of an account of the console, for who is locked out: account ada",
        description="Print a link that is good once: it sets the password of an account. Where nobody can sign in, it makes the first one.",
    )
    command.add_argument("name", metavar="NAME")
    command.add_argument(
        "--local", action="store_true", help="an account of single sign-on gets a password here instead"
    )
    command.set_defaults(run=_account)

    command = commands.add_parser(
        "chargers",
        help="sites and stations of the hub's own charge points: chargers import sites.yaml, chargers stations",
    )
    charging = command.add_subparsers(required=True)
    importing = charging.add_parser("import", help="keep the sites, tariffs and stations of a YAML file, or of one called .json")
    importing.add_argument("file", type=Path, metavar="FILE")
    importing.set_defaults(run=_import_chargers)
    charging.add_parser("stations", help="list stations, and those that wait in the inbox").set_defaults(run=_stations)

    command = commands.add_parser("secret", help="renew the key that seals outbound tokens: secret rotate")
    rotate = command.add_subparsers(required=True).add_parser(
        "rotate",
        help="seal all outbound tokens with a new key; every hub on the database has to be stopped",
        description="Seal all outbound tokens with a new key, which takes the place of secret.key in the data folder. "
        "Where HUB_SECRET_KEY is set it is the new key, and --old-key-file holds the old one. "
        "Every hub on the database has to be stopped. Interrupted? Run it again.",
    )
    rotate.add_argument("--old-key-file", type=Path, help="else secret.key in the data folder")
    rotate.set_defaults(run=_rotate_secret)
    return parser


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    from hub.server import Listen, serve

    if options.workers is not None:
        settings = Settings(workers=options.workers)  # judged like the setting
    try:
        listen = Listen(options.host, options.port, options.listen_fd)
        return serve(settings, listen, until_stdin_closes=options.until_stdin_closes)
    except KeyboardInterrupt:  # how it is meant to be ended
        return 0
    except SystemExit as asked:
        if asked.code != STATUS_TERMINATED:
            raise
        return 0


def _demo(options: argparse.Namespace, settings: Settings) -> int:
    from hub.demo.run import run_demo  # the demo is not needed by anything else

    chosen = settings.data_dir if "data_dir" in settings.model_fields_set else None
    return run_demo(once=options.once, data_dir=chosen)


def _invite(options: argparse.Namespace, settings: Settings) -> int:
    from hub.clock import SystemClock
    from hub.store.partners import Partners
    from hub.web.asked import InvitationAsked, make_invitation
    from hub.web.registration import versions_url
    from hub.whereabouts import address

    asked = InvitationAsked(roles=read_roles(options.roles))

    async def work(database: Database, settings: Settings) -> InvitationMade:
        return await make_invitation(
            Partners(database), SystemClock(), versions_url(address(settings)), asked, settings.hub_party
        )

    made = _with_database(work, settings)
    if options.format == "json":
        print(made.model_dump_json())
    else:
        print(f"Give these to the partner (valid until {made.expires_at:%Y-%m-%d}, for one registration):")
        print(f"  versions URL  {made.versions_url}")
        print(f"  token A       {made.token}")
    return 0


def _invitations(options: argparse.Namespace, settings: Settings) -> int:
    from hub.clock import SystemClock
    from hub.store.partners import Partners
    from hub.web.asked import show_invitation

    async def work(database: Database, _: Settings) -> list[InvitationShown]:
        now = SystemClock().now()
        return [show_invitation(row, now) for row in await Partners(database).invitations()]

    invitations = _with_database(work, settings)
    head = ("ID", "STATE", "EXPIRES", "ROLES")
    rows = [(str(one.id), one.state, f"{one.expires_at:%Y-%m-%d}", _roles(one.roles)) for one in invitations]
    print(in_json(invitations) if options.format == "json" else in_columns([head, *rows]))
    return 0


def _partners(options: argparse.Namespace, settings: Settings) -> int:
    from hub.store.partners import LEFT, Partners
    from hub.web.asked import show_partner

    async def work(database: Database, _: Settings) -> list[PartnerShown]:
        rows = await Partners(database).load()
        present = [row for row in rows.partners if row.state != LEFT]
        return [show_partner(row, rows, None) for row in sorted(present, key=lambda row: row.id or 0)]

    partners = _with_database(work, settings)
    head = ("ID", "NAME", "STATE", "HEARD", "PARTIES")
    rows = [(str(one.id), one.name, one.state, _heard(one), _roles(one.parties)) for one in partners]
    print(in_json(partners) if options.format == "json" else in_columns([head, *rows]))
    return 0


def _probe(options: argparse.Namespace, settings: Settings) -> int:
    from hub.clock import SystemClock
    from hub.partners.client import PartnerClient
    from hub.partners.probe import Prober
    from hub.partners.roster import Roster
    from hub.store.partners import Partners
    from hub.store.permissions import PermissionRules
    from hub.store.secrets import Safe

    async def work(database: Database, settings: Settings) -> Report:
        partners, clock = Partners(database), SystemClock()
        safe = Safe(settings.secret_key_bytes())
        roster = Roster((partners, PermissionRules(database)), safe, settings.hub_party, clock)
        partner = (await roster.refresh()).partner_behind(options.party)
        if partner is None:
            raise CommandFailed(f"{options.party} belongs to no partner")
        client = PartnerClient(
            allow_private=settings.allow_private_partner_urls, timeout_seconds=settings.forward_timeout_seconds
        )
        try:
            return await Prober(partners, roster, client, clock).examine(partner, is_thorough=True)
        finally:
            await client.close()

    report = _with_database(work, settings)
    print(report.model_dump_json(indent=2) if options.format == "json" else in_rows(report))
    return 0


def in_rows(report: Report) -> str:
    """A probe as a page of text: a row for each observation, then the quirks that it set."""
    rows = [("ROW", "VERDICT", "WHAT", "SEEN"), *((one.row, one.verdict, one.what, one.seen) for one in report.rows)]
    quirks = ", ".join(f"{name}={value}" for name, value in report.quirks.items()) or "none"
    return f"{in_columns(rows)}\n\n{report.differences} differences; quirks set now: {quirks}"


def _revoke(options: argparse.Namespace, settings: Settings) -> int:
    from hub.clock import SystemClock
    from hub.store.partners import Partners

    async def work(database: Database, settings: Settings) -> bool:
        return await Partners(database).revoke(options.id, SystemClock().now())

    if not _with_database(work, settings):
        raise CommandFailed(f"there is no unused invitation {options.id}")
    return 0


def _statement(options: argparse.Namespace, settings: Settings) -> int:
    from hub.settlement.engine import statement_of
    from hub.settlement.statement import Month, as_csv, as_json
    from hub.store.ledger import Ledger

    month = Month.parse(options.month)

    async def text(database: Database, settings: Settings) -> str:
        statement = await statement_of(Ledger(database), month)
        return as_csv(statement) if options.format == "csv" else as_json(statement).decode() + "\n"

    sys.stdout.write(_with_database(text, settings))
    return 0


def _price(options: argparse.Namespace, _: Settings) -> int:
    from hub.commands.price import run_price

    return run_price(is_lines=options.jsonl, is_explained=options.explain)


def _settle_run(options: argparse.Namespace, _: Settings) -> int:
    from hub.commands.settle import run_settle

    return run_settle(options.bundle, options.out, options.agreements)


def _settle_verify(options: argparse.Namespace, _: Settings) -> int:
    from hub.commands.settle import run_verify

    return run_verify(options.path, options.key)


def _token_of_driver(text: str) -> Driver:
    from hub.commands.erase import read_token

    return read_token(text)


def _contract_of_driver(text: str) -> Driver:
    from hub.commands.erase import read_contract

    return read_contract(text)


def _erase(options: argparse.Namespace, settings: Settings) -> int:
    from hub.commands.erase import run_erase
    from hub.store.forgetting import Forgetting

    async def work(database: Database, _: Settings) -> int:
        return await run_erase(Forgetting(database.direct), options.token or options.contract, is_sure=options.yes)

    return _with_database(work, settings)


def _backup(options: argparse.Namespace, settings: Settings) -> int:
    from hub.clock import SystemClock
    from hub.commands.backup import BackupAsked, run_backup
    from hub.whereabouts import database_url

    asked = BackupAsked(options.file, _keys(settings), has_keys=options.with_keys)
    return run_backup(lambda: database_url(settings, is_shared=True), asked, SystemClock().now())


def _restore(options: argparse.Namespace, settings: Settings) -> int:
    from hub.commands.backup import RestoreAsked, run_restore
    from hub.whereabouts import database_url

    asked = RestoreAsked(options.file, _keys(settings), empties=options.force_empty)
    return run_restore(lambda: database_url(settings, is_shared=False), asked)


def _keys(settings: Settings) -> Keys:
    from hub.commands.backup import Keys

    return Keys(settings.data_dir, settings.secret_key_bytes() if settings.secret_key is not None else None)


def _account(options: argparse.Namespace, settings: Settings) -> int:
    from hub.clock import SystemClock
    from hub.commands.account import account_link
    from hub.console.gate import Gate
    from hub.store.accounts import Accounts
    from hub.whereabouts import address

    async def work(database: Database, settings: Settings) -> str:
        base_url = address(settings)
        gate = Gate(Accounts(database.direct), SystemClock(), base_url)
        return await account_link(gate, options.name, base_url, is_local=options.local)

    print(_with_database(work, settings))
    return 0


def _import_chargers(options: argparse.Namespace, settings: Settings) -> int:
    from hub.clock import SystemClock
    from hub.commands.chargers import import_text, keeper_on, read_file

    party, text = Party.parse(settings.local_cpo), read_file(options.file)
    is_yaml = options.file.suffix.lower() != ".json"

    async def work(database: Database, settings: Settings) -> str:
        return await import_text(keeper_on(database, SystemClock(), party), text, is_yaml=is_yaml)

    print(_with_database(work, settings))
    return 0


def _stations(options: argparse.Namespace, settings: Settings) -> int:
    from hub.commands.chargers import list_stations
    from hub.store.chargestations import ChargeStations

    async def work(database: Database, settings: Settings) -> str:
        return await list_stations(ChargeStations(database.direct))

    print(_with_database(work, settings))
    return 0


def _rotate_secret(options: argparse.Namespace, settings: Settings) -> int:
    from hub.store.rotation import adopt_key, prepare_key, read_key, reseal_tokens, resealing
    from hub.whereabouts import database_url

    key_file = settings.secret_key_file
    if settings.secret_key is not None and options.old_key_file is None:
        raise CommandFailed(
            "HUB_SECRET_KEY is taken for the new key; --old-key-file has to name a file with the old one"
        )
    old_key = read_key(options.old_key_file or key_file)
    new_key = settings.secret_key_bytes() if settings.secret_key is not None else prepare_key(key_file)
    with database_url(settings, is_shared=False) as url:
        count = asyncio.run(_use(url, lambda database: reseal_tokens(database, resealing(old_key, new_key))))
        if settings.secret_key is None:
            adopt_key(key_file)
    print(f"{count} tokens are sealed with the new key")
    return 0


def read_roles(words: list[str]) -> list[InvitedRole]:
    """`["CPO", "DE/ABC", …]` as roles. Raises ValueError for anything else."""
    from hub.store.partners import PartyRole
    from hub.web.asked import InvitedRole

    if len(words) % 2:
        raise ValueError("roles and parties come in pairs: CPO DE/ABC")
    pairs = zip(words[::2], words[1::2], strict=True)
    roles = [PartyRole(Party.parse(party), _role(name)) for name, party in pairs]
    return [InvitedRole(role=r.role, country_code=r.party.country_code, party_id=r.party.party_id) for r in roles]


def _role(name: str) -> Role:
    try:
        return Role(name.upper())
    except ValueError as exc:
        raise ValueError(f"{name!r} is no role; roles are {', '.join(Role)}") from exc


def in_json(shown: Sequence[BaseModel]) -> str:
    """A JSON array with an object on each line."""
    return "[" + ",\n ".join(one.model_dump_json() for one in shown) + "]"


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in columns that are as wide as they need."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _roles(roles: Sequence[RoleShown]) -> str:
    return ", ".join(f"{one.role} {one.country_code}/{one.party_id}" for one in roles)


def _heard(partner: PartnerShown) -> str:
    return f"{partner.heard_at:%Y-%m-%d %H:%M:%SZ}" if partner.heard_at else "never"


def _with_database(work: Callable[[Database, Settings], Awaitable[Result]], settings: Settings) -> Result:
    """Do something with the database: the outside one, the running hub's, or an embedded one for as long as it takes."""
    from hub.whereabouts import database_url

    with database_url(settings, is_shared=True) as url:
        return asyncio.run(_use(url, lambda database: work(database, settings)))


async def _use(url: str, work: Callable[[Database], Awaitable[Result]]) -> Result:
    from hub.store.database import Database

    database = Database(url)
    try:
        await _require_answer(database)
        await database.migrate()
        return await work(database)
    finally:
        await database.close()


async def _require_answer(database: Database) -> None:
    try:
        await database.ping()
    except Exception as error:  # what a driver raises is its own affair; none of it is a fault of the hub
        raise CommandFailed(f"the database does not answer: {error.__cause__ or error}") from error


if __name__ == "__main__":
    sys.exit(main())
