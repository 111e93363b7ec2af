"""Where the order of Pipedrive's texts may stand for PostgreSQL's: in ORDER BY, under ``push_text_sort``.

Multicorn asks by which columns a scan can be sorted, and does not say what for. PostgreSQL takes a promised
order for any use: GROUP BY, DISTINCT, a window's partition and a merge join go by it to meet equal values
side by side, and Pipedrive, which lets zeta and Zeta stand as they come, would give them wrong groups. So the
promise is taken back, when the paths of the relation have been made, unless the query can use it for its
ORDER BY and for nothing else: PostgreSQL then sorts once more.

Struct offsets are those of PostgreSQL 13 to 18 on 64 bits (nodes/pathnodes.h).
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable
from typing import Any

_PARSE, _PARENT_ROOT, _PATHKEYS, _PATHKEYS_18 = 8, 32, 64, 72
# A query in the server's text form of nodes that reads one relation, …
_ONE_RELATION = re.compile(rb":jointree \{FROMEXPR :fromlist \(\{RANGETBLREF :rtindex \d+\}\) :quals ")
# … and what in it goes by an order for more than to show rows: groups, aggregates of distinct values, ties
_OTHER_USE = re.compile(
    rb":(groupClause|groupingSets|distinctClause|windowClause|setOperations) (?!<>)"
    rb"|:(hasAggs|hasWindowFuncs|hasDistinctOn) true|:limitOption (?!0 )"
)


def only_shows(query: bytes) -> bool:
    """Whether *query*, the text form of a Query, can use an order of its relation for its ORDER BY alone."""
    return _ONE_RELATION.search(query) is not None and _OTHER_USE.search(query) is None


class TextOrder:
    """Takes the promise back where it was given (``promised``) and the query is none that ``only_shows``."""

    def __init__(self, library: Any, version: int) -> None:
        self._text = library.nodeToString
        self._pathkeys = _PATHKEYS if version < 18 else _PATHKEYS_18
        self.promised = False

    def settle(self, root: int, paths: Iterable[int]) -> None:
        """*paths* are those of the relation, *root* is the PlannerInfo of the query."""
        promised, self.promised = self.promised, False
        if not promised:
            return
        query = ctypes.c_void_p.from_address(root + _PARSE).value
        # What goes out of a sub-select in some order is met by the query around it, whatever that does
        within = ctypes.c_void_p.from_address(root + _PARENT_ROOT).value
        if query and not within and only_shows(self._text(query)):
            return
        for path in paths:
            ctypes.c_void_p.from_address(path + self._pathkeys).value = None
