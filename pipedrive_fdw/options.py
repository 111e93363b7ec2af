"""The options of server, user mapping and foreign table: one table, typed values, errors with the way out.

Multicorn merges the three into one dict before the wrapper sees them, so where an option stood cannot be
told at run time. PostgreSQL has them looked at when a server, mapping or table is made (``check_given``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Callable
from urllib.parse import urlsplit

from pipedrive_fdw.addresses import ANY_COMPANY, read_address
from pipedrive_fdw.errors import CredentialError, OptionError, RightError, did_you_mean, sentences
from pipedrive_fdw.masking import read_secret

SERVER, MAPPING, TABLE, IMPORT = "server", "user mapping", "table", "import"


@dataclass(frozen=True)
class Option:
    """One option: where it may stand, how its text is read, what holds without it."""

    name: str
    where: tuple[str, ...]
    read: Callable[[str], Any]
    default: Any
    doc: str
    secret: bool = False


def _text(value: str) -> str:
    if not value:
        raise ValueError("it must not be empty")
    return value


def _boolean(value: str) -> bool:
    lowered = value.strip().lower()
    if lowered in ("true", "t", "on", "yes", "1"):
        return True
    if lowered in ("false", "f", "off", "no", "0"):
        return False
    raise ValueError("use 'true' or 'false'")


def _number(low: float, high: float, whole: bool = True) -> Callable[[str], Any]:
    wanted = f"use a {'whole ' if whole else ''}number from {low:.15g} to {high:.15g}"

    def read(value: str) -> Any:
        try:
            number = int(value) if whole else float(value)
        except ValueError:
            raise ValueError(wanted) from None
        if not low <= number <= high:
            raise ValueError(wanted)
        return number

    return read


def _choice(*names: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in names:
            listed = "use one of " + ", ".join(repr(n) for n in names)
            raise ValueError(sentences(listed, did_you_mean(value, names)))
        return value

    return read


def _domain(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", value):
        raise ValueError("use the part before .pipedrive.com in the address of your account, like 'acme'")
    return value.lower()


def _path(value: str) -> str:
    if not value.startswith("/") or "\0" in value:
        raise ValueError("use the absolute path of a file on the database server")
    return value


# A path that is the API's own; before it may stand that of a gateway.
_PATH_OF_API = re.compile(r"(.*?)(/api/v[12](/.*)?|/v[12])", re.IGNORECASE)


def _base_url(value: str) -> str:
    url = read_address(value)
    parts = urlsplit(url)
    found = _PATH_OF_API.fullmatch(parts.path)
    ours = f".{parts.hostname}".endswith(".pipedrive.com")
    if found or (ours and parts.path):
        kept = url[: len(url) - len(parts.path)] + (found[1] if found and not ours else "")
        raise ValueError(f"use {kept!r}: the path of the API (/api/v2/…) is added to it")
    return url


_ST = (SERVER, TABLE)
_STI = (SERVER, TABLE, IMPORT)
OPTIONS: tuple[Option, ...] = (
    Option(
        "company_domain", (SERVER,), _domain, "", "the part before .pipedrive.com in the account's address"
    ),
    Option("base_url", (SERVER,), _base_url, "", "another address of the API (a proxy, the simulator)"),
    Option(
        "oauth_url",
        (SERVER,),
        read_address,
        "",
        "address of the OAuth token endpoint, if neither base_url nor Pipedrive's",
    ),
    Option(
        "api_version", (SERVER,), _choice("v1", "v2"), "v2", "'v1' uses the old core API wherever it existed"
    ),
    Option("page_size", _ST, _number(1, 500), 500, "rows asked for in one page"),
    Option(
        "connect_timeout", (SERVER,), _number(0.1, 600, whole=False), 10.0, "seconds to wait for a connection"
    ),
    Option("read_timeout", (SERVER,), _number(0.1, 3600, whole=False), 60.0, "seconds to wait for an answer"),
    Option("api_token", (MAPPING,), read_secret, "", "the user's API token", secret=True),
    Option(
        "client_id", (MAPPING,), read_secret, "", "OAuth 2.0 instead of a token: the app's id", secret=True
    ),
    Option("client_secret", (MAPPING,), read_secret, "", "OAuth 2.0: the app's secret", secret=True),
    Option(
        "refresh_token", (MAPPING,), read_secret, "", "OAuth 2.0: what `authorize` has given", secret=True
    ),
    Option("secrets_file", (MAPPING,), _path, "", "a file on the server that holds these instead"),
    Option("table", (TABLE,), _text, "", "which of Pipedrive's tables it is; IMPORT sets it"),
    Option(
        "archived",
        _ST,
        _choice("include", "exclude", "only"),
        "include",
        "archived rows of deals, leads, projects",
    ),
    Option("suppress_extended_requests", _ST, _boolean, False, "columns that cost a request a row: NULL"),
    Option(
        "odd_values",
        _ST,
        _choice("error", "null"),
        "error",
        "values that PostgreSQL cannot hold (2024-02-30): an error where a query uses them, or NULL",
    ),
    Option("extended_cache_ttl", _ST, _number(0, 86_400), 300, "seconds for which those are remembered"),
    Option("custom_fields", _STI, _boolean, True, "whether an import makes columns of custom fields"),
    Option(
        "custom_field_names",
        _STI,
        _choice("label", "key"),
        "label",
        "columns of custom fields are named by their labels or by their keys",
    ),
    Option(
        "custom_field_options",
        _STI,
        _choice("label", "id"),
        "label",
        "enum and set fields show the labels of options or their ids",
    ),
    Option(
        "require_fields", (IMPORT,), _boolean, False, "an object that the account lacks fails the import too"
    ),
    Option("fields_cache_ttl", _ST, _number(0, 86_400), 300, "seconds for which option labels are kept"),
    Option("expand_related", _ST, _boolean, False, "fetches what stands behind user, org and people fields"),
    Option("statement_memory", (SERVER,), _number(0, 4096), 64, "MiB of answers that a statement remembers"),
    Option("cache_ttl", _ST, _number(0, 604_800), 0, "seconds for which all sessions share what was read"),
    Option("max_tokens_per_query", _ST, _number(0, 1e9), 5_000, "tokens at which a query is stopped"),
    Option("reserve_tokens", _ST, _number(0, 1e9), 0, "tokens of the day that queries leave untouched"),
    Option("parallel", (SERVER,), _number(1, 32), 8, "requests under way at once in a scan"),
    Option(
        "push_text_sort", _ST, _boolean, False, "lets Pipedrive sort text for an ORDER BY, in its own order"
    ),
    Option(
        "write_mode",
        _ST,
        _choice("immediate", "commit"),
        "immediate",
        "when writes leave: with the row, or at COMMIT",
    ),
    Option("updatable", _ST, _boolean, True, "whether rows may be written"),
    Option("log_writes", (SERVER,), _boolean, False, "notes each request that writes in the server's log"),
    Option("rows", (TABLE,), _number(0, 1e12), None, "how many rows it has, for the planner"),
)
# The two ways to sign in.
TOKEN = ("api_token",)
OAUTH = ("client_id", "client_secret", "refresh_token")
OAUTH_ADDRESS = "https://oauth.pipedrive.com"
# Options that a session can set as pipedrive.<name>. Where server or table say something, a session can only
# be stricter: what holds is the lesser or the greater of the two.
SESSION: Mapping[str, Callable[[Any, Any], Any]] = {
    "cache_ttl": min,
    "max_tokens_per_query": min,
    "reserve_tokens": max,
    "suppress_extended_requests": max,
}
_BY_NAME = {option.name: option for option in OPTIONS}


def kept_by_tables(given: Mapping[str, str]) -> dict[str, str]:
    """Of the options *given* to an import, those that a table may have too."""
    return {name: value for name, value in given.items() if TABLE in _BY_NAME[name].where}


# The option of a server that Multicorn itself reads: the class that it loads.
_WRAPPER = "wrapper"
WRAPPER = "pipedrive_fdw.PipedriveFdw"


@dataclass(frozen=True)
class Options(Mapping[str, Any]):
    """Typed values by name; a name that was not *given* has its default."""

    typed: Mapping[str, Any] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Any:
        return self.typed[name]

    def __iter__(self) -> Any:
        return iter(self.typed)

    def __len__(self) -> int:
        return len(self.typed)

    def __repr__(self) -> str:
        shown = {n: "***" if _BY_NAME[n].secret and v else v for n, v in self.typed.items()}
        return f"Options({shown})"


def read_options(given: Mapping[str, str], where: tuple[str, ...] = (SERVER, MAPPING, TABLE)) -> Options:
    """Typed options from the texts of PostgreSQL.

    Raises OptionError for a name that no option has at *where* and for a value that cannot be read.
    """
    values: dict[str, Any] = {option.name: option.default for option in OPTIONS}
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
    return Options(values, frozenset(given))


def table_options(merged: Mapping[str, str], own: Mapping[str, str]) -> Options:
    """The options of a foreign table: its *own* count before those of server and mapping, but for
    ``updatable``, which must be so in both places.

    *merged* are all of them, those of the server before those of the table. Raises as ``read_options`` does.
    """
    options = read_options({**merged, **own})
    updatable = options["updatable"] and read_options(merged)["updatable"]
    return replace(options, typed={**options, "updatable": updatable})


def check_given(place: str, given: Mapping[str, str], role: str, reads_files: bool) -> None:
    """Checks the options that *role* gives at *place* (SERVER, MAPPING, TABLE, '' for elsewhere) before they
    are kept.

    *reads_files*: the role has the rights of pg_read_server_files. Raises OptionError for an unknown name,
    one that does not belong there, and a value that cannot be read, RightError for a secrets_file without
    those rights.
    """
    if place not in (SERVER, MAPPING, TABLE):
        return
    if place == SERVER and given.get(_WRAPPER, WRAPPER) != WRAPPER:
        raise OptionError(
            f"the wrapper is {WRAPPER} and no other", hint="Leave the option out: the extension sets it."
        )
    read_options(given, (place,))
    if "secrets_file" in given and not reads_files:
        raise RightError(
            f"{role} may not name a secrets_file",
            detail="The file is read as the operating system user of the server.",
            hint="A superuser, or a role with the rights of pg_read_server_files, can make the mapping.",
        )


def with_session(options: Options, setting: Callable[[str], str | None]) -> Options:
    """*options* with what the session has SET, within what was given; *setting* reads a setting by its name.

    Raises OptionError for a value that cannot be read.
    """
    changed = dict(options)
    for name, stricter in SESSION.items():
        value = setting(f"pipedrive.{name}")
        if value:
            try:
                wanted = _BY_NAME[name].read(value)
                changed[name] = stricter(wanted, options[name]) if name in options.given else wanted
            except ValueError as error:
                raise OptionError(
                    f"setting pipedrive.{name} cannot be {value!r}",
                    hint=sentences(f"SET pipedrive.{name}: {error}"),
                ) from None
    return replace(options, typed=changed)


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
        stands = ", ".join(option.where)
        return OptionError(f"{name} is no option of {place}", hint=f"It stands on: {stands}.")
    valid = sorted(o.name for o in OPTIONS if set(o.where) & set(where))
    return OptionError(
        f'there is no option "{name}" for {place}',
        hint=sentences(did_you_mean(name, valid), f"Valid options: {', '.join(valid)}"),
    )


def check_server(options: Options) -> None:
    """Raises OptionError when the address or the credential of the account is missing, or there are two.

    What a secrets_file holds is checked when it has been read, by another call.
    """
    secrets = [name for name in (*TOKEN, *OAUTH) if options[name]]
    if options["secrets_file"]:
        if secrets:
            raise OptionError(
                f"the user mapping has a secrets_file and {', '.join(secrets)}",
                hint="The file holds the secrets instead of the mapping, so drop them there: "
                f"ALTER USER MAPPING … OPTIONS (DROP {secrets[0]}).",
            )
        return
    if options["api_token"] and len(secrets) > 1:
        raise OptionError(
            f"the user signs in by api_token and by OAuth ({', '.join(secrets[1:])})",
            hint="Keep one of the two: ALTER USER MAPPING … OPTIONS (DROP api_token).",
        )
    missing = [name for name in OAUTH if name not in secrets]
    if secrets and not options["api_token"] and missing:
        raise OptionError(
            f"OAuth needs {' and '.join(missing)} besides {' and '.join(secrets)}",
            hint="`python -m pipedrive_fdw authorize` gives all three.",
        )
    if not secrets:
        raise CredentialError(
            "no API token is known for this user",
            hint="CREATE USER MAPPING FOR CURRENT_USER SERVER … OPTIONS (api_token '…'); the token stands in "
            "Pipedrive under Personal preferences, API. Or use OAuth: `python -m pipedrive_fdw authorize`.",
        )
    if not options["company_domain"] and not options["base_url"] and not uses_oauth(options):
        raise OptionError(
            "the server names no Pipedrive account",
            hint="ALTER SERVER … OPTIONS (ADD company_domain 'acme') for https://acme.pipedrive.com.",
        )


def uses_oauth(options: Options) -> bool:
    return bool(options["refresh_token"])


def base_url(options: Options) -> str:
    """The address that paths like /api/v2/deals are appended to, unless OAuth gives another."""
    if options["base_url"]:
        return str(options["base_url"])
    domain = options["company_domain"]
    return f"https://{domain}.pipedrive.com" if domain else ANY_COMPANY


def account_identity(options: Options) -> tuple[str, ...]:
    """What tells accounts apart: the address, and where that serves every company, who signs in."""
    if options["company_domain"] or options["api_token"]:
        return (base_url(options),)
    return (base_url(options), options["refresh_token"] or options["secrets_file"])


def oauth_url(options: Options) -> str:
    """The address that /oauth/token and /oauth/authorize are appended to."""
    return str(options["oauth_url"] or options["base_url"] or OAUTH_ADDRESS)


def read_api_domain(options: Options, value: str) -> str:
    """*value*, which came with an access token, as an address like that of base_url. Raises ValueError.

    A token endpoint elsewhere must not have requests sent to what listens on this machine.
    """
    address = _base_url(value)
    if address.startswith("http:") and not oauth_url(options).startswith("http:"):
        raise ValueError("http is allowed only where the token endpoint is on this machine too")
    return address
