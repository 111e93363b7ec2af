"""``check``: what a credential can do, before anything is made in a database."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipedrive_fdw.catalog import TABLES
from pipedrive_fdw.catalog.model import NONE, Listing, Operation, Table
from pipedrive_fdw.catalog.operations import scopes
from pipedrive_fdw.cli.terminal import VARIABLE, Terminal
from pipedrive_fdw.errors import ApiError, DailyLimitError, ProtocolError
from pipedrive_fdw.masking import beginning
from pipedrive_fdw.options import MAPPING, OAUTH, SERVER, TOKEN, Options, read_options, uses_oauth
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.session.account_sessions import session_for
from pipedrive_fdw.session.request_scope import RequestScope
from pipedrive_fdw.session.secrets_file import with_secrets
from pipedrive_fdw.session.session import Guards, Session

SUMMARY = "show what a token can do: user, plan, budget, tables"
DESCRIPTION = """\
Signs in to a Pipedrive account and tells who the token's user is, the plan's burst limit, what is
left of the day's API tokens, and which kinds of tables can be read. Nothing is changed."""
EPILOG = f"""\
Secrets are not taken as arguments, since every user of this machine can read those. They come from
  --secrets-file FILE   `name = value` on each line, mode 0600, as the option secrets_file takes it
  the environment       {VARIABLE}API_TOKEN, or for OAuth
                        {", ".join(VARIABLE + name.upper() for name in OAUTH)}
  a prompt              for the API token, where neither is given
The other options are read from the environment too: {VARIABLE}COMPANY_DOMAIN and so on.

Price: 2 API tokens for the user, and one page of each kind of table, as announced before it begins;
--no-tables leaves that out."""

_WHO = Operation("/users/me", 2, 1)
_ADDRESSES = ("company_domain", "base_url", "oauth_url")
# Requests in two seconds by plan, for API tokens and for OAuth apps.
_PLANS = {
    False: {20: "Lite", 40: "Growth", 100: "Premium", 120: "Ultimate"},
    True: {80: "Lite", 160: "Growth", 400: "Premium", 480: "Ultimate"},
}
_SHOWN_TABLES = 6
# How much is shown of a name.
_SHOWN = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--company-domain", metavar="NAME", help="the part before .pipedrive.com")
    parser.add_argument(
        "--base-url", metavar="URL", help="another address of the API (a proxy, the simulator)"
    )
    parser.add_argument("--oauth-url", metavar="URL", help="another address of the OAuth token endpoint")
    parser.add_argument("--secrets-file", metavar="FILE", help="a file that holds the secrets")
    parser.add_argument("--no-tables", action="store_true", help="do not try which tables can be read")


@dataclass(frozen=True)
class Kind:
    """Tables that the same right opens; *listing* of *probe* is the way to find out."""

    scopes: tuple[str, ...]
    probe: Table
    listing: Listing
    tables: tuple[str, ...]


def run(given: argparse.Namespace, terminal: Terminal) -> int:
    options = account_options(given, terminal)
    session = session_for(options)
    oauth = uses_oauth(with_secrets(options))
    requests = RequestScope(session, Guards(10**9, 0))
    try:
        me = requests.ask(Call(_WHO, _WHO.path)).get("data")
        if not isinstance(me, dict):
            raise ProtocolError(
                "the answer does not say who the user is", hint="Check company_domain and base_url."
            )
        for line in _account_lines(me, oauth, session):
            terminal.give(line)
        if not given.no_tables:
            _try_tables(requests, oauth, terminal)
    finally:
        requests.close()
    return 0


def account_options(given: argparse.Namespace, terminal: Terminal) -> Options:
    """The options of server and mapping from arguments, environment and questions.

    Raises OptionError for one that cannot be.
    """
    found = {name: getattr(given, name) or terminal.variable(name) for name in _ADDRESSES}
    file = given.secrets_file or terminal.variable("secrets_file")
    if file:
        found["secrets_file"] = str(Path(file).absolute())
    else:
        found |= {name: terminal.variable(name) for name in (*TOKEN, *OAUTH)}
        if not found["company_domain"] and not found["base_url"] and not found["refresh_token"]:
            found["company_domain"] = terminal.ask("company_domain", "Company domain, like acme")
        if not any(found[name] for name in (*TOKEN, *OAUTH)):
            found["api_token"] = terminal.ask("api_token", "API token", hidden=True)
    return read_options({name: value for name, value in found.items() if value}, (SERVER, MAPPING))


def _account_lines(me: dict[str, Any], oauth: bool, session: Session) -> Iterator[str]:
    names = ("company_name", "company_domain", "name", "email", "id")
    company, domain, name, email, number = (beginning(str(me.get(n) or ""), _SHOWN) for n in names)
    yield f"company       {company or '?'}" + (f" ({domain}.pipedrive.com)" if domain else "")
    admin = ", administrator" if me.get("is_admin") else ""
    yield f"user          {name or '?'} <{email or '?'}>, id {number or '?'}{admin}"
    yield f"signed in by  {'OAuth 2.0: an access token was fetched' if oauth else 'API token'}"
    window = session.client.limits.window_limit()
    plan = _PLANS[oauth].get(window or 0)
    yield "burst limit   " + (
        f"{window} requests in 2 seconds" + (f", as of the plan {plan}" if plan else "")
        if window
        else "not reported"
    )
    day = session.client.limits.day()
    of = f" of {day.limit:,}" if day.limit else ""
    yield "day's tokens  " + (f"{day.left:,}{of} left" if day.left is not None else "not reported")


def kinds() -> list[Kind]:
    """The kinds of tables: one for each set of scopes of which no other is a part.

    A table that more scopes open belongs to the first kind whose scopes are among them.
    """
    opened = {name: frozenset(scopes(t.listings[0])) for name, t in TABLES.items() if t.listings}
    sets = [
        one
        for one in dict.fromkeys(opened.values())
        if one and not any(o < one for o in opened.values() if o)
    ]
    found = []
    for one in sets:
        ways = [
            (listing.tokens, name, listing)
            for name, opens in opened.items()
            if opens == one and not TABLES[name].removed
            for listing in TABLES[name].listings[:1]
            if not listing.placeholders and not any(f.required for f in listing.filters)
        ]
        if not ways:
            continue
        # One that needs something of the account tells more than the cheapest does
        _, name, listing = min(ways, key=lambda way: 0 if TABLES[way[1]].needs else way[0])
        members = [n for n, opens in opened.items() if next((s for s in sets if s <= opens), None) == one]
        found.append(Kind(tuple(sorted(one)), TABLES[name], listing, tuple(members)))
    return found


def _try_tables(requests: RequestScope, oauth: bool, terminal: Terminal) -> None:
    every = kinds()
    price = sum(kind.listing.tokens for kind in every)
    terminal.say(f"\nTrying {len(every)} kinds of tables, one page each: {price} API tokens.")
    terminal.give("")
    for number, kind in enumerate(every, 1):
        terminal.say(f"[{number}/{len(every)}] {kind.probe.name}")
        shown = _shown(kind.tables)
        try:
            _probe(requests, kind)
        except DailyLimitError:
            raise
        except (ApiError, ProtocolError) as error:
            words = error.message.partition(": ")[2]
            terminal.give(f"no   {shown}\n       {words}{_needs(kind, oauth)}")
        else:
            terminal.give(f"yes  {shown}")
    terminal.give(
        "\nChildren (deal_products, note_comments and the like) open with their parents, as far as the "
        "plan has them."
    )


def _probe(requests: RequestScope, kind: Kind) -> None:
    listing = kind.listing
    params = dict(listing.params)
    if listing.paging != NONE:
        params["limit"] = "1"
    requests.ask(Call(listing, listing.path, tuple(params.items())))


def _needs(kind: Kind, oauth: bool) -> str:
    if kind.probe.needs:
        return f"; {kind.probe.needs}"
    return f"; an OAuth token needs {' or '.join(kind.scopes)}" if oauth else ""


def _shown(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_TABLES
    return ", ".join(names[:_SHOWN_TABLES]) + (f" and {more} more" if more > 0 else "")
