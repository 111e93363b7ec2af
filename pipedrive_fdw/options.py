"""The options of server, user mapping, foreign table and import: their declarations, and their values.

Multicorn merges the three into one dict before the wrapper sees them, so where an option stood cannot be
told at run time. PostgreSQL has them looked at when a server, mapping or table is made (``check_given``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Callable, NamedTuple

from pipedrive_fdw.addresses import ANY_COMPANY, read_address
from pipedrive_fdw.errors import (
    CredentialError,
    OptionError,
    RightError,
    SettingError,
    did_you_mean,
    sentences,
)
from pipedrive_fdw.masking import read_secret
from pipedrive_fdw.option_values import api_address, boolean, choice, domain, number, path, text

FDW, SERVER, MAPPING, TABLE, IMPORT = "foreign data wrapper", "server", "user mapping", "table", "import"


class Option(NamedTuple):
    """One option.

    where    the places where it may stand
    read     its text → its value; raises ValueError, which says what to write instead
    default  its value where it is not given
    doc      what it does, for the documentation
    secret   its value is shown nowhere
    """

    name: str
    where: tuple[str, ...]
    read: Callable[[str], Any]
    default: Any
    doc: str
    secret: bool = False


def _option(
    doc: str, where: tuple[str, ...], read: Callable[[str], Any], default: Any, secret: bool = False
) -> Any:
    """A field of Options; the arguments are those of Option."""
    return field(default=default, metadata={"where": where, "read": read, "doc": doc, "secret": secret})


_ST = (SERVER, TABLE)
_STI = (SERVER, TABLE, IMPORT)


@dataclass(frozen=True, repr=False)
class Options:
    """The typed values of all options; one that was not given has its default."""

    company_domain: str = _option(
        "the part before .pipedrive.com in the account's address", (SERVER,), domain, ""
    )
    base_url: str = _option("another address of the API (a proxy, the simulator)", (SERVER,), api_address, "")
    oauth_url: str = _option(
        "address of the OAuth token endpoint, if neither base_url nor Pipedrive's",
        (SERVER,),
        read_address,
        "",
    )
    api_version: str = _option(
        "'v1' uses version 1 wherever that has, or had, the operation",
        (SERVER,),
        choice("v1", "v2"),
        "v2",
    )
    page_size: int = _option("rows asked for in one page", _ST, number(1, 500), 500)
    connect_timeout: float = _option(
        "seconds to wait for a connection", (SERVER,), number(0.1, 600, whole=False), 10.0
    )
    read_timeout: float = _option(
        "seconds to wait for an answer", (SERVER,), number(0.1, 3600, whole=False), 60.0
    )
    api_token: str = _option("the user's API token", (MAPPING,), read_secret, "", secret=True)
    client_id: str = _option(
        "OAuth 2.0 instead of a token: the app's id", (MAPPING,), read_secret, "", secret=True
    )
    client_secret: str = _option("OAuth 2.0: the app's secret", (MAPPING,), read_secret, "", secret=True)
    refresh_token: str = _option(
        "OAuth 2.0: the refresh token that `authorize` has given", (MAPPING,), read_secret, "", secret=True
    )
    secrets_file: str = _option(
        "a file on the database server that holds the secrets instead", (MAPPING,), path, ""
    )
    table: str = _option("which of Pipedrive's tables it shows; IMPORT sets it", (TABLE,), text, "")
    archived: str = _option(
        "whether archived deals, leads and projects are shown as rows",
        _ST,
        choice("include", "exclude", "only"),
        "include",
    )
    suppress_extended_requests: bool = _option(
        "shows NULL in the columns that cost one request for each row", _ST, boolean, False
    )
    odd_values: str = _option(
        "values that PostgreSQL cannot hold (2024-02-30): an error where a query uses them, or NULL",
        _ST,
        choice("error", "null"),
        "error",
    )
    extended_cache_ttl: int = _option(
        "how long (in seconds) the values of extended columns are remembered", _ST, number(0, 86_400), 300
    )
    custom_fields: bool = _option("whether an import makes columns for custom fields", _STI, boolean, True)
    custom_field_names: str = _option(
        "whether columns of custom fields are named by their labels or by their keys",
        _STI,
        choice("label", "key"),
        "label",
    )
    custom_field_options: str = _option(
        "whether columns of enum and set fields are made for labels of options or for ids",
        _STI,
        choice("label", "id"),
        "label",
    )
    attrs: bool = _option(
        "whether an import makes the column attrs, the whole record", (IMPORT,), boolean, True
    )
    comments: bool = _option("whether an import writes COMMENTs", (TABLE, IMPORT), boolean, True)
    require_fields: bool = _option(
        "makes an import fail if the account does not have the object whose fields it reads",
        (IMPORT,),
        boolean,
        False,
    )
    fields_cache_ttl: int = _option(
        "how long (in seconds) option labels are remembered", _ST, number(0, 86_400), 300
    )
    expand_related: bool = _option(
        "shows the record behind a user, org or people field instead of its id", _ST, boolean, False
    )
    statement_memory: int = _option(
        "MiB of answers that are kept within a statement, 2 of them in memory", (SERVER,), number(0, 4096), 64
    )
    cache_ttl: int = _option(
        "how long (in seconds) all sessions share what one has read", _ST, number(0, 604_800), 0
    )
    cache_stale: int = _option(
        "how long (in seconds) after cache_ttl an old answer is used while another session renews it",
        _ST,
        number(0, 604_800),
        0,
    )
    max_tokens_per_query: int = _option("API tokens that one query may spend", _ST, number(0, 1e9), 5_000)
    reserve_tokens: int = _option("API tokens of the day that queries do not touch", _ST, number(0, 1e9), 0)
    parallel: int = _option(
        "the most requests that a scan sends at the same time", (SERVER,), number(1, 32), 32
    )
    trust_counts: bool = _option(
        "requests children only of those parents that have some by Pipedrive's own count",
        _ST,
        boolean,
        False,
    )
    push_text_sort: bool = _option(
        "lets Pipedrive sort text for an ORDER BY, in its own order", _ST, boolean, False
    )
    write_mode: str = _option(
        "when writes are sent: by their statement, or at COMMIT",
        _ST,
        choice("immediate", "commit"),
        "immediate",
    )
    parallel_writes: int = _option("the most writes that are sent at the same time", _ST, number(1, 32), 1)
    updatable: bool = _option("whether rows may be written", _ST, boolean, True)
    log_writes: bool = _option(
        "writes each request that changes data to the server's log", (SERVER,), boolean, False
    )
    log_usage: bool = _option(
        "records who spends how many tokens on what, for pipedrive.usage_log", (SERVER,), boolean, False
    )
    rows: int | None = _option("the number of rows that the planner expects", (TABLE,), number(0, 1e12), None)
    # The names of those that were given
    given: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        values = ((option, getattr(self, option.name)) for option in OPTIONS)
        return f"Options({ {o.name: '***' if o.secret and v else v for o, v in values} })"


OPTIONS: tuple[Option, ...] = tuple(
    Option(name=f.name, default=f.default, **f.metadata) for f in fields(Options) if f.metadata
)
# The two ways to sign in.
TOKEN = ("api_token",)
OAUTH = ("client_id", "client_secret", "refresh_token")
OAUTH_ADDRESS = "https://oauth.pipedrive.com"
# A session can set these as pipedrive.<name>, no laxer than server and table: the lesser or greater holds.
SESSION: Mapping[str, Callable[[Any, Any], Any]] = {
    "cache_ttl": min,
    "extended_cache_ttl": min,
    "max_tokens_per_query": min,
    "parallel_writes": min,
    "reserve_tokens": max,
    "suppress_extended_requests": max,
}
SETTINGS = [f"pipedrive.{name}" for name in SESSION]
_BY_NAME = {option.name: option for option in OPTIONS}


def kept_by_tables(given: Mapping[str, str], custom: bool) -> dict[str, str]:
    """Of the options *given* to an import, those that a table may have, with or without *custom* fields."""
    kept = (n for n in given if TABLE in _BY_NAME[n].where and (custom or not n.startswith("custom_field")))
    return {name: given[name] for name in kept}


# The option of a server that Multicorn itself reads: the class that it loads.
_WRAPPER = "wrapper"
WRAPPER = "pipedrive_fdw.PipedriveFdw"


def read_options(given: Mapping[str, str], where: tuple[str, ...] = (SERVER, MAPPING, TABLE)) -> Options:
    """Typed options from the texts of PostgreSQL.

    Raises OptionError for a name that no option has at *where* and for a value that cannot be read.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name == _WRAPPER and SERVER in where:
            continue
        option = _BY_NAME.get(name)
        if option is None or not set(option.where) & set(where):
            raise _refused(name, where)
        try:
            values[name] = option.read(value)
        except ValueError as error:
            shown = "***" if option.secret else repr(value)
            raise OptionError(
                f'option "{name}" cannot be {shown}', hint=sentences(f"{name}: {error}")
            ) from None
    return Options(**values, given=frozenset(values))


def table_options(merged: Mapping[str, str], own: Mapping[str, str]) -> Options:
    """The options of a foreign table: its *own* count before those of server and mapping, but for
    ``updatable``, which must be so in both places.

    *merged* are all of them, those of the server before those of the table. Raises as ``read_options`` does.
    """
    options = read_options({**merged, **own})
    return replace(options, updatable=options.updatable and read_options(merged).updatable)


def check_given(place: str, given: Mapping[str, str], role: str, reads_files: bool) -> None:
    """Checks the options that *role* gives at *place* (FDW, SERVER, MAPPING, TABLE, '' for a column) before
    they are kept.

    *reads_files*: the role has the rights of pg_read_server_files. Raises OptionError for an unknown name,
    one that does not belong there, and a value that cannot be read, RightError for a secrets_file without
    those rights.
    """
    if not place:
        return
    if place == SERVER and given.get(_WRAPPER, WRAPPER) != WRAPPER:
        raise OptionError(
            f"the option wrapper can only be {WRAPPER}", hint="Leave the option out. The extension sets it."
        )
    read_options(given, (place,))
    if "secrets_file" in given and not reads_files:
        raise RightError(
            f"{role} may not name a secrets_file",
            detail="The file is read with the rights of the server's operating system user.",
            hint="A superuser, or a role with the rights of pg_read_server_files, can make the mapping.",
        )


def with_session(options: Options, setting: Callable[[str], str | None]) -> Options:
    """*options* with what the session has SET, within what was given; *setting* reads a setting by its name.

    Raises OptionError for a value that cannot be read.
    """
    changed: dict[str, Any] = {}
    for name, stricter in SESSION.items():
        value = setting(f"pipedrive.{name}")
        if value:
            try:
                wanted = _BY_NAME[name].read(value)
                changed[name] = stricter(wanted, getattr(options, name)) if name in options.given else wanted
            except ValueError as error:
                raise OptionError(
                    f"setting pipedrive.{name} cannot be {value!r}",
                    hint=sentences(f"SET pipedrive.{name}: {error}"),
                ) from None
    return replace(options, **changed)


def check_setting(unknown: str | None) -> None:
    """Raises SettingError for a setting of ours that is *unknown*."""
    if unknown:
        raise SettingError(
            f"there is no setting {unknown}",
            detail=f"The settings are {', '.join(SETTINGS)}.",
            hint=f"RESET {unknown}. If ALTER ROLE or ALTER DATABASE has set it, RESET it there.",
        )


def _refused(name: str, where: tuple[str, ...]) -> OptionError:
    """Why no option of that *name* may stand at *where*."""
    option = _BY_NAME.get(name)
    place = f"{'an' if where[0] == IMPORT else 'a'} {' or '.join(where)}"
    if option is not None and option.where == (MAPPING,):
        return OptionError(
            f"{name} belongs in the user mapping",
            detail="" if where == (IMPORT,) else f"Everybody can read the options of {place}.",
            hint=f"CREATE USER MAPPING FOR CURRENT_USER SERVER … OPTIONS ({name} '…').",
        )
    if option is not None:
        hint = f"It is an option of: {', '.join(option.where)}."
        return OptionError(f"{name} is no option of {place}", hint=hint)
    valid = sorted(o.name for o in OPTIONS if set(o.where) & set(where))
    return OptionError(
        f'there is no option "{name}" for {place}',
        hint=sentences(did_you_mean(name, valid), f"Valid options: {', '.join(valid) or 'none'}"),
    )


def check_server(options: Options) -> None:
    """Raises OptionError when the address or the credential of the account is missing, or there are two.

    What a secrets_file holds is checked when it has been read, by another call.
    """
    secrets = [name for name in (*TOKEN, *OAUTH) if getattr(options, name)]
    if options.secrets_file:
        if secrets:
            raise OptionError(
                f"the user mapping has a secrets_file and {', '.join(secrets)}",
                hint="The file contains the secrets instead of the mapping, so drop them from the mapping: "
                f"ALTER USER MAPPING … OPTIONS (DROP {secrets[0]}).",
            )
        return
    if options.api_token and len(secrets) > 1:
        raise OptionError(
            f"the user mapping has an api_token and OAuth secrets ({', '.join(secrets[1:])})",
            hint="Keep one of the two: ALTER USER MAPPING … OPTIONS (DROP api_token).",
        )
    missing = [name for name in OAUTH if name not in secrets]
    if secrets and not options.api_token and missing:
        raise OptionError(
            f"OAuth needs {' and '.join(missing)} besides {' and '.join(secrets)}",
            hint="`python -m pipedrive_fdw authorize` gives all three.",
        )
    if not secrets:
        raise CredentialError(
            "no API token is known for this user",
            hint="CREATE USER MAPPING FOR … SERVER … OPTIONS (api_token '…'), or ALTER USER MAPPING … if "
            "there is one. You find the token in Pipedrive under Personal preferences > API. For OAuth, "
            "`python -m pipedrive_fdw authorize` makes the mapping.",
        )
    if not options.company_domain and not options.base_url and not uses_oauth(options):
        raise OptionError(
            "the server names no Pipedrive account",
            hint="Give company_domain: 'acme' stands for https://acme.pipedrive.com. If there is a server: "
            "ALTER SERVER … OPTIONS (ADD company_domain 'acme').",
        )


def uses_oauth(options: Options) -> bool:
    """True if the user signs in by OAuth, and not by an API token."""
    return bool(options.refresh_token)


def base_url(options: Options) -> str:
    """The address that paths like /api/v2/deals are appended to, unless OAuth gives another."""
    if options.base_url:
        return str(options.base_url)
    return f"https://{options.company_domain}.pipedrive.com" if options.company_domain else ANY_COMPANY


def account_identity(options: Options) -> tuple[str, ...]:
    """The identity of an account: its address, and where that serves every company, its credential."""
    if options.company_domain or options.api_token:
        return (base_url(options),)
    return (base_url(options), options.refresh_token or options.secrets_file)


def oauth_url(options: Options) -> str:
    """The address that /oauth/token and /oauth/authorize are appended to."""
    return str(options.oauth_url or options.base_url or OAUTH_ADDRESS)


def read_api_domain(options: Options, value: str) -> str:
    """*value*, which came with an access token, as an address like that of base_url. Raises ValueError.

    A token endpoint elsewhere must not have requests sent to what listens on this machine.
    """
    address = api_address(value)
    if address.startswith("http:") and not oauth_url(options).startswith("http:"):
        raise ValueError("http is allowed only where the token endpoint is on this machine too")
    return address
