"""Field definitions and their options under api_version 'v1'.

v1 has one flag where version 2 has settings (ui_visibility and the others read NULL), and names a field by a
number. It has no operations for single options: these are written by those of version 2.
"""

from __future__ import annotations

from dataclasses import replace

from pipedrive_fdw.catalog.common import add, change, remove
from pipedrive_fdw.catalog.fields import (
    ACTIVITY_FIELDS,
    DEAL_FIELDS,
    ORGANIZATION_FIELDS,
    PERSON_FIELDS,
    PRODUCT_FIELDS,
)
from pipedrive_fdw.catalog.model import NONE, OFFSET, Table
from pipedrive_fdw.catalog.nested import field_options
from pipedrive_fdw.catalog.v1_common import absent, dropped, old_column, old_list

_SOURCES = {
    "field_code": "key",
    "field_name": "name",
    "is_custom_field": "edit_flag",
    **absent("description is_optional_response_field ui_visibility important_fields required_fields"),
}
_FIXED = frozenset(("description", "ui_visibility", "important_fields", "required_fields"))
_DROPPED = (
    "id order_nr add_time update_time last_updated_by_user_id created_by_user_id active_flag "
    "add_visible_flag important_flag bulk_edit_allowed searchable_flag filtering_allowed sortable_flag "
    "mandatory_flag"
)
_OF_MOST = f"{_DROPPED} index_visible_flag details_visible_flag options_deleted is_subfield"


def _old_fields(table: Table, left: str = _OF_MOST, lacking: str = "") -> Table:
    """*table* by v1; *left* names the properties that are no columns, *lacking* more columns without one."""
    path = table.listings[0].path
    one = f"{path}/{{field_code}}"
    written = table.insert is not None
    sources = {**_SOURCES, **absent(lacking)}
    columns = tuple(old_column(c, sources.get(c.name, ""), c.name in _FIXED) for c in table.columns)
    return replace(
        table,
        columns=columns,
        listings=(replace(old_list(path, paging=OFFSET if written else NONE), key="key"),),
        get=None,  # it takes the number, which no row shows
        insert=add(path, 1) if written else None,
        update=change(one, 1, named_by="id") if written else None,
        delete=remove(one, 1, named_by="id") if written else None,
        hidden=(("is_subfield", True), ("active_flag", False)),
        left_out=dropped(left),
    )


def _old_options(what: str, fields: Table) -> Table:
    """The options of *fields*."""
    table = field_options(what, fields)
    sources = {name: f"/{_SOURCES[name]}" for name in ("field_code", "field_name", "is_custom_field")}
    columns = tuple(c._replace(source=sources.get(c.name, c.source)) for c in table.columns)
    return replace(table, columns=columns)


_FIELDS = {
    "deal": _old_fields(DEAL_FIELDS),
    "person": _old_fields(PERSON_FIELDS),
    "organization": _old_fields(ORGANIZATION_FIELDS),
    "product": _old_fields(PRODUCT_FIELDS, _DROPPED, lacking="subfields"),
    "activity": _old_fields(ACTIVITY_FIELDS),
}
V1_FIELDS = (*_FIELDS.values(), *(_old_options(what, fields) for what, fields in _FIELDS.items()))
