"""The rows of a scan as the C part takes them: some at a time, as JSON."""

from __future__ import annotations

from collections.abc import Container, Generator, Iterator, Sequence
from operator import itemgetter
from typing import Any, Callable

from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.scan_request import Reads
from pipedrive_fdw.values.jsontext import as_it_is, json_bytes, make_room

# Rows of a batch: of the first one, by how many of the rows will be taken, and of any other.
_FIRST = {Reads.SOME: 16, Reads.MORE: 1, Reads.ALL: 128}
_MOST = 128
# A batch that all rows of a scan are taken from waits for further requests until it has so many.
_FEW = 32
# The bytes with which a batch ends: it and its tuples are in memory together.
_BYTES = 1 << 20


class RowBatches:
    """Takes *rows* in batches. Each has the values at *places* of a row, out of *width*.

    *rows* come together where they need no further request. So no request is made for a row that may not be
    taken: only if *reads* says that all will be, a batch goes beyond them. *keys_ahead* is how many keys of
    its loop the scan wants to know ahead; at the places *files* are the bytes of files. *fields* are two
    places: at the first one is the member ``custom_fields`` of the record at the second one, from where the C
    part takes it.
    """

    def __init__(
        self,
        rows: Iterator[Sequence[Row]],
        places: Sequence[int],
        width: int,
        *,
        reads: Reads,
        keys_ahead: int = 0,
        files: Container[int] = (),
        fields: tuple[int, int] | None = None,
    ) -> None:
        self._rows = rows
        marks = []
        if fields is not None:
            places = [place for place in places if place != fields[0]]
            marks = [f" {fields[0]}={fields[1]}"]
        self._values = _values(places, width, files)
        self._places = "".join([*(f" {place}" for place in places), *marks])
        self._keys_ahead = keys_ahead
        self._size = _FIRST[reads]
        self._least = 1 if reads is Reads.SOME else _FEW
        self._at_hand: Iterator[Row] = iter(())
        self._count_at_hand = 0
        self._fault: Exception | None = None

    def next(self) -> bytes:
        """The next rows in the form that ``make_tuples`` of the C part reads; without rows at the end.

        An error is raised after the rows before it were taken.
        """
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        texts: list[bytes] = []
        size = 0
        try:
            for row in self._batch():
                text = json_bytes(self._values(row))
                texts.append(text)
                size += len(text)
                if size > _BYTES:
                    break
        except Exception as error:
            if not texts:
                raise
            self._fault = error
        self._size = _MOST
        return b"".join((f"{len(texts)} {self._keys_ahead}{self._places}".encode(), *texts))

    def _batch(self) -> Iterator[Row]:
        """The rows of a batch, if it does not end before."""
        count = 0
        while count < self._size and (self._count_at_hand or count < self._least):
            if not self._count_at_hand:
                found = next(self._rows, None)
                if found is None:
                    return
                self._at_hand, self._count_at_hand = iter(found), len(found)
                continue
            self._count_at_hand -= 1
            count += 1
            yield next(self._at_hand)

    def close(self) -> None:
        """Ends the requests of the scan."""
        if isinstance(self._rows, Generator):
            self._rows.close()


def _values(places: Sequence[int], width: int, files: Container[int]) -> Callable[[Row], Sequence[Any]]:
    """A function that gives the values at *places* of a row that has *width*."""
    if any(place in files for place in places):
        return lambda row: [_file(row[place]) if place in files else row[place] for place in places]
    if len(places) == width:
        return lambda row: row
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: [row[place] for place in places]


def _file(text: str | None) -> Any:
    """The *text* of a bytea as a value that is written without looking for characters to escape, for which
    orjson takes sixteen times its size."""
    if text is None:
        return None
    make_room(4 * len(text))
    return as_it_is(f'"\\{text}"')
