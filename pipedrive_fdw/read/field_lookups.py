"""Reads field definitions of an account, and looks up in them what rows show: labels of options.

Version 2 lists the fields of deals (which leads share), persons, organizations, products, activities and
projects. Version 1 lists them too, but for projects, and those of notes. All pages are read, since a field
on a later page would be a missing column.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from typing import Any

from pipedrive_fdw.catalog import tables_of
from pipedrive_fdw.catalog.model import NONE, OFFSET, Listing, Operation, Table
from pipedrive_fdw.catalog.operations import scopes
from pipedrive_fdw.custom_fields.field import Field, FieldOption
from pipedrive_fdw.errors import AccessError, ApiError, NotFoundError, sentences
from pipedrive_fdw.options import Options
from pipedrive_fdw.plan.paths import Call, Gets, ScanPlan
from pipedrive_fdw.read.extra_requests import related_fields
from pipedrive_fdw.read.related_records import Related
from pipedrive_fdw.session.list_pages import list_pages
from pipedrive_fdw.session.request_scope import Params, RequestScope
from pipedrive_fdw.table.binding import Binding

_PAGE = "500"
# Objects whose records have custom fields only where their API returns them, which is asked once, at the
# import; no operation sets them.
READ_ONLY = ("activity", "note")
# v1 gives these whole.
_UNPAGED = ("activity", "note")
# What every account answers.
_WHO = Operation("/users/me", 2, 1)
# The statuses of a refusal that may mean that the account does not have an object.
_GATED = (402, 403, 404, 410, 415)


def definition_lists(entity: str, api_version: str) -> tuple[Listing, ...]:
    """The operations that list the field definitions of *entity*, the better one first."""
    what = "deal" if entity == "lead" else entity
    path = f"/{what}Fields"
    new = Listing(path, tokens=10)
    old = Listing(path, tokens=20, version=1, paging=NONE if what in _UNPAGED else OFFSET, key="key")
    if what == "note":
        return (old,)
    if what == "project":
        return (new,)
    if what == "activity" and api_version == "v2":
        return new, old  # v2 wants a scope that v1 does not
    return (old,) if api_version == "v1" else (new,)


def _read(requests: RequestScope, listing: Listing) -> list[Any]:
    """Every field of *listing*. Raises the error of a refusal."""
    params: Params = () if listing.paging == NONE else (("limit", _PAGE),)
    return [
        field for page in list_pages(requests, listing, Call(listing, listing.path, params)) for field in page
    ]


def read_definitions(requests: RequestScope, entity: str, api_version: str) -> tuple[Field, ...]:
    """The custom fields of *entity*, read now. Raises the error of a refusal."""
    known = requests.session.fields
    began = known.begin()
    records = _read_first(requests, definition_lists(entity, api_version))
    return known.put(_place(entity, api_version), records, began, requests)


def _read_first(requests: RequestScope, listings: Sequence[Listing]) -> list[Any]:
    """Every field of the first of *listings* that the API does not refuse."""
    *better, last = listings
    for listing in better:
        try:
            return _read(requests, listing)
        except AccessError:
            continue
    return _read(requests, last)


def _place(entity: str, api_version: str) -> str:
    """The name under which definitions are kept; deals and leads share them."""
    return definition_lists(entity, api_version)[0].path + api_version


def remembered(
    requests: RequestScope, entity: str, api_version: str, seconds: float
) -> tuple[Field, ...] | None:
    """The custom fields of *entity* that *requests*, or a session in the last *seconds*, has read."""
    known = requests.session.fields
    return known.get(_place(entity, api_version), seconds, requests)


def definitions(requests: RequestScope, entity: str, api_version: str, seconds: float) -> tuple[Field, ...]:
    """The custom fields of *entity*, read now or in the last *seconds*."""
    known = remembered(requests, entity, api_version, seconds)
    return read_definitions(requests, entity, api_version) if known is None else known


def imported_fields(
    requests: RequestScope, table: Table, api_version: str, required: bool
) -> tuple[Field, ...]:
    """The custom fields that an import makes columns of.

    There are none for an object that the account does not have, whose records the API refuses too, unless the
    fields are *required*. Raises any other error, since columns would silently be missing.
    """
    entity = table.custom_fields
    try:
        fields = read_definitions(requests, entity, api_version)
        if fields and entity in READ_ONLY:
            shown = _shown(requests, table)
            fields = tuple(field for field in fields if field.key in shown)
    except (AccessError, NotFoundError) as error:
        if required or error.status not in _GATED or _readable(requests, entity, api_version):
            raise _unlisted(error, entity, api_version) from None
        return ()
    return fields


def _readable(requests: RequestScope, entity: str, api_version: str) -> bool:
    """True if the account has records of *entity*. Raises the error of an account that does not answer."""
    listings = [listing for table in _tables(entity, api_version) for listing in table.listings]
    for listing in listings:
        if listing.placeholders or any(f.required for f in listing.filters):
            continue
        limit = () if listing.paging == NONE else (("limit", "1"),)
        try:
            requests.ask(Call(listing, listing.path, (*listing.params.items(), *limit)))
        except (AccessError, NotFoundError):
            _check_address(requests)
            return False
        return True
    return True


def _check_address(requests: RequestScope) -> None:
    """Raises the error of an account, or of an address, that refuses everything."""
    try:
        requests.ask(Call(_WHO, _WHO.path))
    except NotFoundError as error:
        error.hint = "Check company_domain and base_url: there is no account at this address."
        raise


def _unlisted(error: ApiError, entity: str, api_version: str) -> AccessError:
    """The error of an import whose tables would lack their custom columns."""
    names = ", ".join(table.name for table in _tables(entity, api_version))
    needed = " or ".join(scopes(definition_lists(entity, api_version)[-1]))
    return AccessError(
        f"the custom fields of {names} cannot be read (status {error.status})",
        sentences(error.detail, "Without them the tables would lack the columns of custom fields"),
        f"Let the token's user see them{needed and f' (OAuth scope {needed})'}. Or import these tables "
        f"without such columns: IMPORT FOREIGN SCHEMA pipedrive LIMIT TO ({names}) FROM SERVER … INTO … "
        f"OPTIONS (custom_fields 'false'), and the others with EXCEPT ({names}).",
        error.status,
    )


def _tables(entity: str, api_version: str) -> list[Table]:
    """The tables whose records have the custom fields of *entity*; leads have those of deals."""
    kinds = ("deal", "lead") if entity in ("deal", "lead") else (entity,)
    return [table for table in tables_of(api_version).values() if table.custom_fields in kinds]


def _shown(requests: RequestScope, table: Table) -> set[str]:
    """The keys of custom fields that some records of *table* have."""
    listing = table.listings[0]
    answer = requests.ask(Call(listing, listing.path, (*listing.params.items(), ("limit", "100"))))
    records = answer.get("data")
    found: set[str] = set()
    for record in records if isinstance(records, list) else ():
        if isinstance(record, dict):
            inside = record.get("custom_fields")
            found.update(record, inside if isinstance(inside, dict) else ())
    return found


def _labelled(binding: Binding, named: frozenset[str]) -> frozenset[str]:
    """The keys of fields whose labels the columns *named* show."""
    return frozenset(column.field for column in binding.custom if column.labelled and column.name in named)


def labels_note(plan: ScanPlan, binding: Binding, named: frozenset[str], options: Options) -> Iterator[str]:
    """The line of EXPLAIN for a plan whose answers may come without the labels that rows show."""
    if not plan.steps or not _labelled(binding, named):
        return
    ops = [step.get if isinstance(step, Gets) else step.listing for step in plan.steps]
    if not all(op.labels for op in ops):
        listing = definition_lists(plan.table.custom_fields, options.api_version)[0]
        yield f"Labels of options, unless remembered: GET /api/v{listing.version}{listing.path}"


class FieldLookups:
    """Looks up what the rows of one scan or write show beyond their records: labels and related records.

    Definitions are read only when a record has an option without its label.
    """

    def __init__(
        self, requests: RequestScope, entity: str, options: Options, shown: Container[str] | None = None
    ) -> None:
        """*shown* are the keys of the fields whose labels are wanted, None for all."""
        self._shown = shown
        self._requests = requests
        self._entity = entity
        self._version = options.api_version
        self._seconds = options.fields_cache_ttl
        self._related: Related | None = None
        self._labels: dict[str, dict[Any, str]] | None = None

    def expand(self, related: Related) -> None:
        """Makes rows show the records behind user, org and people fields."""
        self._related = related

    def prepare(self, records: Sequence[Mapping[str, Any]], keep: bool) -> None:
        """Fetches the related records that *records*, the next page, will show.

        *keep*: those of earlier pages stay too, since rows are not made page by page.
        """
        if self._related is not None:
            self._related.prepare(records, keep)

    def label(self, field: str, option: Any) -> str | None:
        if self._shown is not None and field not in self._shown:
            return None
        if self._labels is None:
            listed = definitions(self._requests, self._entity, self._version, self._seconds)
            self._labels = {f.key: {o.id: o.label for o in f.options} for f in listed}
        return self._labels.get(field, {}).get(option)

    @property
    def known(self) -> bool:
        """True if labels cost no request."""
        return remembered(self._requests, self._entity, self._version, self._seconds) is not None

    def related(self, kind: str, key: Any) -> Mapping[str, Any] | None:
        return None if self._related is None else self._related.get(kind, key)

    # ---- for custom_fields.writing.changes

    def gone(self, field: str) -> bool:
        return self._sure(field, ()) is None

    def options(self, field: str, labels: Collection[str]) -> Sequence[FieldOption]:
        found = self._sure(field, labels)
        return found.options if found else ()

    def _sure(self, field: str, labels: Collection[str]) -> Field | None:
        """The definition with this key; read again where it is not known or lacks one of *labels*."""
        found = self._field(field, self._seconds)
        if found is None or not found.names.issuperset(labels):
            found = self._field(field, 0)
        return found

    def _field(self, key: str, seconds: float) -> Field | None:
        listed = definitions(self._requests, self._entity, self._version, seconds)
        return next((field for field in listed if field.key == key), None)


def lookups_for_rows(
    binding: Binding, named: frozenset[str], requests: RequestScope, options: Options
) -> FieldLookups | None:
    """The look-ups for the columns *named* of a scan's rows; None for a table without custom columns."""
    if not binding.custom:
        return None
    look = FieldLookups(requests, binding.table.custom_fields, options, shown=_labelled(binding, named))
    fields = related_fields(binding, named, options)
    if fields:
        look.expand(Related(requests, fields, options.extended_cache_ttl))
    return look
