"""Extended columns: only a get or a download returns them, so each row costs one more request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipedrive_fdw.api.waiting import Pending, Ready, ordered_map
from pipedrive_fdw.catalog.model import Download, Table
from pipedrive_fdw.errors import AccessError, ApiError, NotFoundError
from pipedrive_fdw.plan.calls import fill
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.session.list_pages import Prefetch
from pipedrive_fdw.session.refusals import explained, is_final
from pipedrive_fdw.session.request_scope import Body, RequestScope
from pipedrive_fdw.table.records import Record, column_value, dig, found_record
from pipedrive_fdw.values.codec import bytea_text

# What a storage answers for a file that it does not have or does not show.
_GONE = (403, 404, 410)


class Extension(NamedTuple):
    """The *names* of the extended columns that a scan fills; their values are cached for *seconds*."""

    names: tuple[str, ...] = ()
    seconds: int = 300

    def parted(self, table: Table) -> tuple[Extension, Download | None]:
        """What a get of *table* fills, and the download that fills the rest, None for none."""
        download = table.download
        if download is None or download.column not in self.names:
            return self, None
        return self._replace(names=tuple(n for n in self.names if n != download.column)), download


class Extender:
    """Fills the extended columns of one scan.

    They are NULL in a record that the list has and the get refuses. Where the get refuses all, ``end``
    raises.
    """

    def __init__(
        self, table: Table, extension: Extension, requests: RequestScope, prefetch: Prefetch
    ) -> None:
        self._table = table
        self._names = extension.names
        self._requests = requests
        self._prefetch = prefetch
        self._known = requests.session.extended(extension.seconds)
        self._refused: ApiError | None = None
        self._answered = False

    def extend(self, records: Sequence[Record], echo: Mapping[str, Any]) -> Iterator[Record]:
        """*records* with their extended columns; one request for each record that is not cached.

        Records that were deleted since the list was read are left out. Raises AccessError where the account
        has no right to the operation.
        """
        get = self._table.get
        if get is None:
            yield from records
            return
        slots = {slot: self._table.column(slot) for slot in get.placeholders}
        params = tuple(get.params.items())
        keys = (
            {n: column_value(c, record, echo) for n, c in slots.items() if c is not None}
            for record in records
        )
        calls = [Call(get, fill(get.path, key), params) for key in keys]

        def start(call: Call) -> Pending[Any]:
            found = self._known.get(call.path)
            if found is not None:
                self._requests.spent.remembered += 1
                return Ready(found)
            return self._requests.start(call)

        fetched = ordered_map(start, calls, self._prefetch.width, self._requests.session.interrupts)
        for record, (call, result) in zip(records, fetched):
            answer = result
            if isinstance(result, (Body, ApiError)):
                answer = self._requests.finish(call, result)
                if isinstance(answer, NotFoundError) and not get.missing_is_empty:
                    continue
                if isinstance(answer, ApiError):
                    answer = self._nothing(answer)
                else:
                    answer = found_record(answer, self._table, get, call.where)
                    self._answered = True
                    self._known[call.path] = answer
            yield {**record, **{n: answer.get(n) for n in self._names}}

    def _nothing(self, error: ApiError) -> Record:
        if isinstance(error, NotFoundError):
            self._answered = True
        elif isinstance(error, AccessError) and not is_final(error):
            self._refused = self._refused or error
        else:
            raise explained(error, self._table)
        return {}

    def end(self) -> None:
        """Raises AccessError where the API refused every record."""
        if self._refused is not None and not self._answered:
            raise explained(self._refused, self._table)


class Downloader:
    """Fetches the files of one scan, several at a time.

    The column is NULL in a record without a file, and where the file is not given. Where no file is given to
    this account, ``end`` raises.
    """

    def __init__(self, table: Table, download: Download, requests: RequestScope, prefetch: Prefetch) -> None:
        self._table = table
        self._download = download
        self._requests = requests
        self._prefetch = prefetch
        self._refused: ApiError | None = None
        self._answered = False

    def extend(self, records: Sequence[Record], echo: Mapping[str, Any]) -> Iterator[Record]:
        """*records*, each with its file under the name of the column, as PostgreSQL reads a bytea."""
        calls = [self._call(record, echo) for record in records]

        def start(call: Call | None) -> Pending[Any]:
            return Ready(None) if call is None else self._requests.start(call)

        fetched = ordered_map(start, calls, self._prefetch.width, self._requests.session.interrupts)
        for record, (call, result) in zip(records, fetched):
            content = None if call is None else self._content(call, result)
            shown = None if content is None else bytea_text(content)
            yield {**record, self._download.column: shown}

    def _call(self, record: Record, echo: Mapping[str, Any]) -> Call | None:
        op = self._download
        if op.address:
            address = dig(record, op.address.split("."))
            return Call(op, address) if isinstance(address, str) and address else None
        slots = {slot: self._table.column(slot) for slot in op.placeholders}
        return Call(op, fill(op.path, {n: column_value(c, record, echo) for n, c in slots.items() if c}))

    def _content(self, call: Call, result: Any) -> bytes | None:
        answer = self._requests.finish(call, result)
        if not isinstance(answer, ApiError):
            self._answered = True
            content: bytes = answer
            return content
        if isinstance(answer, NotFoundError):
            self._answered = True
        elif answer.status in _GONE and not (isinstance(answer, AccessError) and is_final(answer)):
            self._refused = self._refused or answer
        else:
            raise explained(answer, self._table)
        return None

    def end(self) -> None:
        """Raises the error of the first refusal where every file was refused."""
        if self._refused is not None and not self._answered:
            raise explained(self._refused, self._table)
