"""In which order Pipedrive gives the rows of a table, exactly as PostgreSQL would sort them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipedrive_fdw.catalog.model import OFFSET, Table
from pipedrive_fdw.plan.calls import Settings, is_known, nulls_elsewhere
from pipedrive_fdw.plan.paths import Lists, Order
from pipedrive_fdw.plan.predicates import Predicates
from pipedrive_fdw.plan.scan import plan_scan
from pipedrive_fdw.table.scan_request import SortKey
from pipedrive_fdw.values.codec import Codec

# Types that Pipedrive orders as PostgreSQL does.
_EXACT = frozenset(("bigint", "numeric", "timestamptz", "date", "boolean"))
_NO_COLUMNS = frozenset(("",))


class Sorting(NamedTuple):
    """The orders of one table; its columns are those of the catalogue.

    comparable  the columns whose values compare as the foreign table's do
    never_null  those that are empty in no row
    texts       the user lets Pipedrive sort text
    """

    table: Table
    comparable: Mapping[str, Codec]
    never_null: frozenset[str]
    texts: bool

    def orders(self, keys: Sequence[SortKey], predicates: Predicates) -> tuple[Order, ...]:
        """*keys* with the place of rows without a value."""
        return tuple(Order(key.column, key.descending, self._nulls(key, predicates)) for key in keys)

    def _nulls(self, key: SortKey, predicates: Predicates) -> str:
        if key.column in self.never_null | predicates.not_null:
            return ""
        return "first" if key.nulls_first else "last"

    def claimed(
        self,
        keys: Sequence[SortKey],
        predicates: Predicates,
        settings: Settings,
        limit: int | None,
        few: bool,
    ) -> int:
        """How many of *keys*, from the first on, the API gives. *few*: not all rows will be read, but *limit*
        where that is known."""
        orders = self.orders(keys, predicates)
        for number, order in enumerate(orders):
            if self.refusal(order, orders[:number], predicates, settings):
                return number
            if order.nulls:
                return number + (few and self._pays(order, predicates, settings, limit))
        return len(orders)

    def refusal(
        self, order: Order, before: Sequence[Order], predicates: Predicates, settings: Settings
    ) -> str:
        """Why the API does not give *order* after the keys *before*, '' where it does."""
        name, parent = order.column, self.table.parent
        if self.table.nested:
            return "rows are parts of other records"
        if parent is not None and parent.column not in predicates.equal:
            return f"rows come from one {parent.table[:-1]} after the other"
        codec = self.comparable.get(name)
        if (
            codec is None
            or not self.table.listings
            or any(name not in li.sorts for li in self.table.listings)
        ):
            return f"Pipedrive does not sort {self.table.name} by {name}"
        if any(one.nulls for one in before):
            return f"{before[-1].column} may be NULL"
        if before and any(listing.paging != OFFSET for listing in self.table.listings):
            return "Pipedrive sorts by one column"
        if codec.name not in _EXACT and not (codec.name == "text" and self.texts):
            return f"Pipedrive may order the {codec.name} of {name} in another way"
        if order.nulls and (before or nulls_elsewhere(self.table, name, settings)):
            return f"{name} may be NULL"
        return ""

    def _pays(self, order: Order, predicates: Predicates, settings: Settings, limit: int | None) -> bool:
        """True if the first rows of *order* may cost less than all, and never more as far as is known."""
        whole = plan_scan(self.table, predicates, _NO_COLUMNS, settings=settings)
        if not whole.steps or not all(isinstance(step, Lists) for step in whole.steps):
            return False
        most = None if whole.rechecked else limit or 1  # how many are read for one that is kept is not known
        first = plan_scan(self.table, predicates, _NO_COLUMNS, (order,), most, settings=settings)
        if order.nulls == "last" or not is_known(self.table, settings):  # the list may be much longer
            return first.tokens <= whole.tokens
        return first.tokens < whole.tokens
