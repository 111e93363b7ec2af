"""The fault matrix as data: what can go wrong, at which request, and what comes of it.

A cell is one fault at one request, once or for ever. The request is that of a column: the first page of a
list, and so on. ``CASES`` holds every cell that can occur, ``VOID`` the others with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ONCE, ALWAYS = "once", "for ever"
# A request is sent four times at most, one that meets the burst limit six times.
ATTEMPTS, BURST_ATTEMPTS = 4, 6
LONG = 60_000
# Connections are refused for so long when it is once: the first retry comes after a quarter of a second.
SHORT = 150


@dataclass(frozen=True)
class Column:
    """Where a fault strikes: the statement, the request that is spoilt, how many like it precede.

    *before* is the request that precedes it, after which a server can refuse connections.
    """

    name: str
    sql: str
    match: str
    method: str = "GET"
    skip: int = 0
    before: str = ""

    @property
    def writes(self) -> bool:
        return self.method != "GET"


FIRST = Column("first page", "SELECT id, name FROM persons", "^/api/v2/persons$")
LATER = Column(
    "later page", "SELECT id, name FROM persons", "^/api/v2/persons$", skip=1, before="^/api/v2/persons$"
)
CHILD = Column(
    "child fetch",
    "SELECT deal_id, user_id FROM deal_followers",
    "^/api/v2/deals/{deal}/followers$",
    before="^/api/v2/deals$",
)
EXTENDED = Column(
    "extended fetch",
    "SELECT id, conditions FROM filters",
    "^/api/v1/filters/{filter}$",
    before="^/api/v1/filters$",
)
INSERT = Column("INSERT", "INSERT INTO persons (name) VALUES ('{name}')", "^/api/v2/persons$", "POST")
UPDATE = Column(
    "UPDATE",
    "UPDATE persons SET name = '{name}' WHERE id = {id}",
    "^/api/v2/persons/{id}$",
    "PATCH",
    before="^/api/v2/persons/{id}$",
)
DELETE = Column(
    "DELETE",
    "DELETE FROM persons WHERE id = {id}",
    "^/api/v2/persons/{id}$",
    "DELETE",
    before="^/api/v2/persons/{id}$",
)
IMPORT = Column(
    "IMPORT",
    "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (persons) FROM SERVER {server} INTO scratch",
    "^/api/v2/personFields$",
)
COLUMNS = (FIRST, LATER, CHILD, EXTENDED, INSERT, UPDATE, DELETE, IMPORT)


@dataclass(frozen=True)
class Case:
    """One cell: the rule for the simulator, and what comes of it.

    *error* is a regular expression of the error, '' where all rows come and all is done. *requests* is how
    often the spoilt request arrives beyond what a run without faults takes; where there is an error, how
    often in all. *written* says whether a write was done behind an error.
    """

    column: Column
    how: str
    rule: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    requests: int = 0
    written: bool = False


# What programs can act on, by the words that the message begins with.
SQLSTATES = {
    "pipedrive connection": "08006",
    "pipedrive protocol": "08P01",
    "pipedrive outcome unknown": "08007",
    "pipedrive auth": "28000",
    "pipedrive access": "42501",
    "pipedrive burst limit": "53400",
    "pipedrive daily limit": "53400",
    "pipedrive api": "HV000",
}
DAILY = {"success": False, "error": "daily request budget exceeded", "errorCode": 429}
BURST_HEADERS = {"x-ratelimit-limit": "100000", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "0.1"}


def _repeated(rule: Mapping[str, Any], error: str, attempts: int = ATTEMPTS) -> list[Case]:
    """A read is sent again; a write is not, since it may have been done: before the fault, or not."""
    cases = []
    for column in COLUMNS:
        if column.writes:
            after = rule["action"] not in ("status", "drop")
            times = [True] if after else [False, True]
            cases += [
                Case(column, f"{ONCE}, {'done' if done else 'not done'}", {**rule, "times": 1,
                     **({"after_handling": done} if not after else {})}, "outcome unknown", 1, done)
                for done in times
            ]  # fmt: skip
        else:
            cases.append(Case(column, ONCE, {**rule, "times": 1}, requests=1))
            cases.append(Case(column, ALWAYS, rule, error, attempts))
    return cases


def _refused(rule: Mapping[str, Any], error: str) -> list[Case]:
    """Nothing is done, nothing is sent again."""
    return [Case(column, ALWAYS, rule, error, 1) for column in COLUMNS]


def _burst() -> list[Case]:
    """What the burst limit refuses is not done, so writes wait for it too."""
    rule = {"action": "status", "status": 429, "headers": BURST_HEADERS}
    cases = []
    for column in COLUMNS:
        cases.append(Case(column, ONCE, {**rule, "times": 1}, requests=1))
        cases.append(Case(column, ALWAYS, rule, "burst limit", BURST_ATTEMPTS))
    return cases


def _no_connection() -> list[Case]:
    """The request does not arrive, so writes are sent again too."""
    cases = []
    for column in COLUMNS:
        cases.append(Case(column, ONCE, {"action": "refuse", "ms": SHORT}))
        cases.append(Case(column, ALWAYS, {"action": "refuse", "ms": LONG}, "refuses connections"))
    return cases


def _null() -> list[Case]:
    rule = {"action": "null_data"}
    reads = [Case(c, ALWAYS, rule, "null instead of a list", 1) for c in (FIRST, LATER, CHILD, IMPORT)]
    return [
        *reads,
        Case(EXTENDED, ALWAYS, rule, "null instead of a record", 1),
        Case(INSERT, ALWAYS, rule, "outcome unknown.*does not show the record", 1, written=True),
        Case(UPDATE, ALWAYS, rule),
        Case(DELETE, ALWAYS, rule),
    ]


def _cursor() -> list[Case]:
    rule, error = {"action": "repeat_cursor"}, "repeats its cursor"
    return [Case(c, ALWAYS, rule, error, 2 - c.skip) for c in (FIRST, LATER, CHILD, IMPORT)]


def _signing_in() -> tuple[list[Case], list[Case]]:
    """The access token ends: the first 401 has it renewed; when that is refused, nothing more is sent."""
    ended = {"action": "status", "status": 401}
    renewed = [Case(c, ONCE, {**ended, "times": 1}, requests=1) for c in COLUMNS]
    refused = [Case(c, ALWAYS, ended, "refresh token is not accepted", 1) for c in COLUMNS]
    return renewed, refused


_HTML = {"action": "status", "status": 403, "body": "cloudflare"}
_RENEWED, _REFUSED = _signing_in()
WRONG_NAME, EXPIRED, NO_REFRESH = "wrong TLS name", "expired access token", "refresh refused"
CASES: Mapping[str, list[Case]] = {
    "burst 429": _burst(),
    "daily 429": _refused({"action": "status", "status": 429, "body": DAILY}, "daily limit"),
    **{
        str(status): _repeated({"action": "status", "status": status}, f"error \\(status {status}\\)")
        for status in (500, 502, 503, 524)
    },
    "Cloudflare 403 HTML": _refused(_HTML, "HTML page"),
    "connection refused": _no_connection(),
    "no answer": _repeated({"action": "drop"}, "broke off the connection"),
    "reset before the body": _repeated({"action": "reset"}, "broke off the connection"),
    "reset in the body": _repeated({"action": "reset", "part": 0.5}, "broke off the connection"),
    "body cut off": _repeated({"action": "cut"}, "broke off the connection"),
    "truncated JSON": _repeated({"action": "truncate"}, "not complete JSON"),
    "malformed JSON": _repeated({"action": "malformed"}, "not complete JSON"),
    "null data": _null(),
    "repeated cursor": _cursor(),
    "60 s silence": _repeated(
        {"action": "delay", "ms": LONG, "after_handling": True}, "did not answer in time"
    ),
    WRONG_NAME: [
        Case(column, ALWAYS, {}, "no valid certificate") for column in (FIRST, INSERT, UPDATE, DELETE, IMPORT)
    ],
    EXPIRED: _RENEWED,
    NO_REFRESH: _REFUSED,
}  # fmt: skip
_KEPT = "the certificate is looked at when the connection is made, for a request before this one"
_ONE = "a record has no pages, so there is no cursor"
VOID: Mapping[tuple[str, str], str] = {
    **{(WRONG_NAME, column.name): _KEPT for column in (LATER, CHILD, EXTENDED)},
    **{("repeated cursor", column.name): _ONE for column in (EXTENDED, INSERT, UPDATE, DELETE)},
}
