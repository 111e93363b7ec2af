"""Rows as they were before a command changed them: the command's own scans do not see its changes.

A scan that gives rows to a write is read to its end before the first row is given. A change could otherwise
move rows from or to the pages that are still to be read.
"""

from __future__ import annotations

import pickle  # nosec B403
import zlib
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Callable, NamedTuple

from pipedrive_fdw.table.records import Row

_MOST = 10_000
_CHUNK = 500
Waiting = Mapping[Hashable, "Mapping[str, Any] | None"]
_UNCHANGED: Mapping[str, Any] = {}


class _Image(NamedTuple):
    """A row that was written: its identities, and the row *before*; None for one that is not there."""

    old: Hashable | None
    before: Row | None
    new: Hashable | None


class RowImages:
    """The rows that one command has written: the latest 10,000 of which the requests are sent."""

    def __init__(self) -> None:
        self._unsent: list[_Image] = []
        self._sent: deque[_Image] = deque(maxlen=_MOST)

    def changed(self, old: Hashable, before: Row, new: Hashable | None) -> None:
        """Notes a row that is changed, or deleted where *new* is None; it counts from ``sent`` on."""
        self._unsent.append(_Image(old, before, new))

    def created(self, new: Hashable) -> None:
        """Notes a row that was created."""
        self._sent.append(_Image(None, None, new))

    def sent(self) -> None:
        """The requests for all rows that are noted have been sent."""
        self._sent.extend(self._unsent)
        self._unsent.clear()

    def __iter__(self) -> Iterator[_Image]:
        return iter(self._sent)


def seen_by(
    images: Iterable[_Image],
    rows: Iterator[Row],
    identity: Callable[[Row], Hashable],
    written_identity: Callable[[Row], Hashable],
    names: tuple[str, ...],
    waiting: Waiting,
    admits: Callable[[Row], bool],
) -> Iterator[Row]:
    """The *rows* of a scan as a command sees them that has written *images*.

    identity  tells a row from others; several elements of an array may have the same
    names     the foreign table's columns in their order
    waiting   written_identity → the values that COMMIT will change, None for a row that it will delete; rows
              are given as they will be then
    admits    true for an image that the scan's conditions may keep; such images are added to the rows
    """
    made: Counter[Hashable] = Counter()
    before: list[Row] = []
    for image in images:
        if image.old is not None and made[image.old]:  # the command changes it once more
            made[image.old] -= 1
        elif image.before is not None:
            before.append(image.before)
        if image.new is not None:
            made[image.new] += 1
    for row in rows:
        if not made and not waiting:
            yield row
            continue
        known = identity(row)
        change = waiting.get(written_identity(row), _UNCHANGED)
        if made[known]:
            made[known] -= 1
        elif change:
            yield [change.get(name, value) for name, value in zip(names, row)]
        elif change is not None:
            yield row
    yield from filter(admits, before)


def read_ahead(rows: Iterator[Row], is_first: Callable[[Row], bool] | None) -> Iterator[Row]:
    """*rows*, all read before the first is given; those for which *is_first* is true come first. The others
    are kept compressed until then."""
    chunks, first = [], []
    while chunk := list(islice(rows, _CHUNK)):
        if is_first is not None:
            first += [row for row in chunk if is_first(row)]
            chunk = [row for row in chunk if not is_first(row)]
        chunks.append(zlib.compress(pickle.dumps(chunk), 1))
    yield from first
    chunks.reverse()
    while chunks:
        yield from pickle.loads(zlib.decompress(chunks.pop()))  # noqa: S301 - packed here # nosec B301
