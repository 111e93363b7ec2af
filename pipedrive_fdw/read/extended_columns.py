"""Extended columns: what only the look-up of a record gives, one more request a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipedrive_fdw.api.paging import record_of
from pipedrive_fdw.api.waiting import Pending, Ready, ordered_map
from pipedrive_fdw.catalog.model import Table
from pipedrive_fdw.errors import AccessError, ApiError, NotFoundError
from pipedrive_fdw.plan.calls import fill
from pipedrive_fdw.session.refusals import explained, is_final
from pipedrive_fdw.session.work import Work
from pipedrive_fdw.table.records import Record, column_value


@dataclass(frozen=True)
class Extension:
    """How extended columns are filled: *names* of them, remembered for *seconds*."""

    names: tuple[str, ...] = ()
    seconds: int = 300


class Extender:
    """Of one scan. A record that is kept from the token's user, though the list has it, shows NULL there;
    when none can be looked up, that is an error once all were asked (``end``)."""

    def __init__(self, table: Table, extension: Extension, work: Work) -> None:
        self._table = table
        self._names = extension.names
        self._work = work
        self._known = work.session.extended(extension.seconds)
        self._refused: ApiError | None = None
        self._answered = False

    def extend(self, records: Sequence[Record], echo: Mapping[str, Any]) -> Iterator[Record]:
        """*records* with their extended columns, fetched one by one where they are not remembered.

        Raises AccessError when the account has no right to any; what was deleted since the list was read is
        left out.
        """
        get = self._table.get
        if get is None:
            yield from records
            return
        slots = {slot: self._table.column(slot) for slot in get.placeholders}
        paths = [
            fill(get.path, {n: column_value(c, record, echo) for n, c in slots.items() if c is not None})
            for record in records
        ]
        params = tuple(get.params.items())

        def start(path: str) -> Pending[Any]:
            found = self._known.get(path)
            if found is not None:
                self._work.spent.remembered += 1
                return Ready(found)
            return self._work.start(get, path, params)

        session = self._work.session
        fetched = ordered_map(start, paths, session.parallel, session.interrupts)
        for record, (path, result) in zip(records, fetched):
            answer = result
            if isinstance(result, (bytes, ApiError)):
                answer = self._work.finish(get, path, params, result)
                if isinstance(answer, NotFoundError) and not get.missing_is_empty:
                    continue
                if isinstance(answer, ApiError):
                    answer = self._nothing(answer)
                else:
                    answer = record_of(answer, f"GET /api/v{get.version}{path}")
                    self._answered = True
                    self._known[path] = answer
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
        """Raises AccessError when every record was refused."""
        if self._refused is not None and not self._answered:
            raise explained(self._refused, self._table)
