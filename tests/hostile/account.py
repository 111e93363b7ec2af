"""An account whose API answers as it likes, and what the wrapper makes of it,
without PostgreSQL and sockets."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit

from pipedrive_fdw.api.client import ApiToken, Client, Signed
from pipedrive_fdw.api.transport import Request, Response
from pipedrive_fdw.api.waiting import Exchange
from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.errors import (
    ApiError,
    ConnectError,
    OutcomeUnknownError,
    PipedriveError,
    ProtocolError,
)
from pipedrive_fdw.extension.import_schema import ImportedColumn, account_fields, import_schema
from pipedrive_fdw.extension.requests import answered
from pipedrive_fdw.foreign_table import ForeignTable
from pipedrive_fdw.masking import visible
from pipedrive_fdw.options import read_options
from pipedrive_fdw.plan.conditions import Condition
from pipedrive_fdw.session.account_sessions import credential_key, new_session, use_session
from pipedrive_fdw.table.binding import Binding
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.scan_request import ScanRequest
from pipedrive_fdw.values.jsontext import parse_row
from pipedrive_fdw.write.transaction import TRANSACTION
from tests.hostile.answers import TOKEN, spoilt
from tests.hostile.unlimited import Unlimited
from tests.simulator import Simulator

ADDRESS = "http://127.0.0.1:1"
_numbers = itertools.count(1)  # of scans and writes
_ROWS = json.JSONDecoder(parse_int=lambda digits: int(Decimal(digits)))  # of more digits than int() reads
# Tables that a fan-out over all parents makes slow, or that are no tables of the API.
LEFT_OUT = ("api_usage", "subscriptions", "subscription_payments")
# What a query must name of tables that are computed for it, by column.
NAMED = {"start_date": "2026-01-01", "end_date": "2026-03-31", "period_start": "2026-01-01",
         "period_end": "2026-03-31", "since_timestamp": "2026-01-01 00:00:00+00", "interval": "month",
         "amount": "3", "field_key": "add_time"}  # fmt: skip


@dataclass
class Sent:
    """One request: what became of it at the API, and what the wrapper was told."""

    method: str
    path: str
    status: int  # as told; 0 for no answer
    arrived: bool = True
    how: str = ""


def _rows_of(batch: bytes, width: int) -> list[Row]:
    """The rows of a *batch* for the C part, whose places are those of *width* columns."""
    head, _, arrays = batch.decode().partition("[")
    count, _, *marks = head.split()
    places = [int(mark) for mark in marks if "=" not in mark]
    fields = [tuple(map(int, mark.split("="))) for mark in marks if "=" in mark]
    rows: list[Row] = []
    at, text = 0, f"[{arrays}"
    for _ in range(int(count)):
        values, at = _ROWS.raw_decode(text, at)
        found = dict(zip(places, values))
        found.update({place: found[record].get("custom_fields") for place, record in fields})
        rows.append([found.get(place) for place in range(width)])
    return rows


class HostileTransport:
    """The simulator without a network. While it is *armed*, answers are spoilt."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.sent: list[Sent] = []
        self.chance = random.Random()
        self.skip = self.times = 0

    def arm(self, chance: random.Random) -> None:
        """The answers to come are spoilt but for the first few, one of them or all."""
        self.chance, self.sent = chance, []
        self.skip = chance.choice((0, 0, 0, 1, 2))
        self.times = chance.choice((1, 1, 1000))

    def send(self, request: Request, exchange: Exchange) -> Response:
        parts = urlsplit(request.url)
        query = urlencode(request.params)
        if self.skip <= 0 < self.times and self.chance.random() < 0.05:
            self.times -= 1
            self.sent.append(Sent(request.method, parts.path, 0, arrived=False))
            raise ConnectError("no connection", arrived=False)
        given = self.simulator.answer(request.method, parts.path, query, request.headers, request.body or b"")
        answer = Response(given.status, dict(given.headers), given.body)
        how = ""
        if self.skip > 0:
            self.skip -= 1
        elif self.times > 0:
            self.times -= 1
            if self.chance.random() < 0.1:
                self.sent.append(Sent(request.method, parts.path, 0, how="lost"))
                fault = self.chance.choice((ConnectError, ProtocolError))
                raise fault("the connection broke, or the answer was too large")
            answer, how = spoilt(answer, self.chance)
        self.sent.append(Sent(request.method, parts.path, answer.status, how=how))
        return answer


@dataclass(frozen=True)
class Definition:
    """A column of a foreign table as PostgreSQL defines it."""

    column_name: str
    type_name: str
    base_type_name: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, column: ImportedColumn) -> Definition:
        return cls(column.name, column.type, column.type, dict(column.options))


class HostileAccount:
    def __init__(self, **more: str) -> None:
        self.server, self.mapping = {"base_url": ADDRESS, **more}, {"api_token": TOKEN}
        self.options = read_options({**self.server, **self.mapping})
        self.simulator = Simulator(token=TOKEN, deals=4, burst=10**9, budget=10**12)
        self.transport = HostileTransport(self.simulator)
        self.anew()
        self.tables: dict[str, ForeignTable] = {}
        for made in import_schema(
            "pipedrive", "except", LEFT_OUT, self.options, {}, account_fields(self.options)
        ):
            columns = {column.name: Definition.of(column) for column in made.columns}
            options = read_options({**self.server, **self.mapping, **made.options})
            self.tables[made.name] = ForeignTable(options, columns)

    def anew(self) -> None:
        """A session that remembers nothing, for every table."""
        key = credential_key(self.options)
        credential = ApiToken(Signed({"x-api-token": TOKEN}, ADDRESS), key)
        client = Client(credential, self.transport, Unlimited(None, key, "c" * 64), lambda s, exchange: None)
        use_session(self.options, new_session(self.options, client))
        TRANSACTION.ended()

    def rows(self, name: str, conditions: tuple[Condition, ...] = (), limit: int | None = None) -> list[Row]:
        """The rows of a table that meet *conditions* and those that a query of it must have."""
        table = self.tables[name]
        named = {condition.column for condition in conditions}
        conditions += tuple(one for one in self._needed(table.bound.table) if one.column not in named)
        columns = frozenset(bound.name for bound in table.bound.binding.columns if not bound.column.extended)
        request = ScanRequest(columns, conditions=conditions, limit=limit)
        width = len(table.bound.binding.columns)
        with contextlib.closing(table.scan(request, next(_numbers), 1)) as batches:
            return list(itertools.chain.from_iterable(iter(lambda: _rows_of(batches.next(), width), [])))

    def _needed(self, table: Table) -> Iterator[Condition]:
        """The conditions without which *table* is not read."""
        if table.parent is not None and table.parent.guarded:
            parent = next(iter(self.simulator.account[table.parent.table]))
            yield self._is(table, table.parent.column, str(parent["id"]))
        filters = [one for listing in table.listings for one in listing.filters if one.required]
        for name in dict.fromkeys(one.column for one in filters):
            if name in NAMED:
                yield self._is(table, name, NAMED[name])

    def _is(self, table: Table, name: str, value: str) -> Condition:
        column = table.column(name)
        assert column is not None
        return Condition(name, "=", value, column.type)

    def write(
        self, verb: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any], deferred: bool
    ) -> str:
        """A statement that does *verb* to one row, as PostgreSQL's row_to_json() has it; what the row is then
        beyond what was given."""
        writer, number = self.tables[name].writer, next(_numbers)
        changed = [column for column in new if new[column] != old.get(column)]
        writer.begin(number, 1, changed, deferred)
        answer = writer.write(verb, number, json.dumps(old), json.dumps(new))
        writer.flush(number)
        return answer

    def ask(self, request: Mapping[str, Any]) -> str:
        """What a function of the extension is answered."""
        return answered(self.server, self.mapping, json.dumps(request))


def as_row_to_json(binding: Binding, row: Row) -> dict[str, Any]:
    """*row* of a scan by column, when PostgreSQL has read it and written it by row_to_json()."""
    return {b.name: _as_json(b.codec.name, b.codec.parse, v) for b, v in zip(binding.columns, row)}


def _as_json(kind: str, parse: Any, value: Any) -> Any:
    if value is None:
        return None
    if kind == "jsonb":
        return json.loads(value) if isinstance(value, str) else value
    if kind == "numeric":
        return float(value)
    return parse(value) if kind.endswith("[]") else value


def unread(binding: Binding, answer: str) -> Iterator[str]:
    """What PostgreSQL could not read of the row that a write gives back."""
    if "\\u0000" in answer:
        yield f"NUL in {answer:.100}"
    codecs = {bound.name: bound.codec for bound in binding.columns}
    for name, value in parse_row(answer or "{}").items():
        if value is None or codecs[name].name == "jsonb":
            continue
        try:
            codecs[name].parse(value)
        except (ValueError, TypeError) as error:
            yield f"column {name} is {value!r:.100}, no {codecs[name].name}: {error}"


def shown_problems(text: str) -> Iterator[str]:
    """What is wrong with a text that people get to see."""
    if TOKEN[:12] in text or TOKEN[-12:] in text:
        yield "a secret"
    if visible(text) != text:
        yield "a control character"
    if "Traceback" in text or re.search(r"File \"/.*\", line", text):
        yield "a traceback"
    if len(text) > 8_000:
        yield f"{len(text)} characters"


def write_problems(error: PipedriveError | None, sent: list[Sent]) -> Iterator[str]:
    """What is wrong with the end of a write: it was done, refused, not begun, or nobody knows,
    and says so."""
    writes = [one for one in sent if one.method != "GET"]
    maybe_done = [w for w in writes if w.arrived and not 400 <= w.status < 500]
    if sum(w.method == "POST" for w in maybe_done) > 1:
        yield "a POST was sent again after it may have been done"
    if error is None or not writes:
        return
    last = writes[-1]
    told = isinstance(error, OutcomeUnknownError) or bool(TRANSACTION.written)
    refused = not last.arrived or 400 <= last.status < 500
    if not told and not refused:
        yield f"after {last} the error is {error!r}"
    if refused and last.arrived and not isinstance(error, (ApiError, ProtocolError, OutcomeUnknownError)):
        yield f"after a refusal ({last}) the error is {error!r}"


def timed(began: float) -> Iterator[str]:
    took = time.monotonic() - began
    if took > 5:
        yield f"it took {took:.1f} s"
