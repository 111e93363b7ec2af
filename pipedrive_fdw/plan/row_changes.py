"""A row to be written → the request that writes it, or an error that names the columns. Pure.

Rows are mappings of the catalogue's column names to canonical values (what Codec.parse gives); None is NULL.
An INSERT sends the columns that are not NULL. An UPDATE sends those that differ from the row as scanned,
compared by type, and the ones that the operation always wants. Nothing that was said is left out: a value
that cannot be sent is an error before any request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson
from urllib3.filepost import encode_multipart_formdata

from pipedrive_fdw.catalog.model import Column, Table, Write
from pipedrive_fdw.errors import WriteError, sentences
from pipedrive_fdw.plan.calls import fill
from pipedrive_fdw.values.codec import CODECS, UNREADABLE, dumped, same

Row = Mapping[str, Any]
FILE = "file"


@dataclass(frozen=True)
class Change:
    """One request that writes: the operation, its path, the properties of its body.

    content, part, file_name  the content of a part of a multipart body, the part's name, and its file name
    key                       the key columns of the row, as far as they are known before the answer
    """

    op: Write
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    part: str = FILE
    file_name: str = ""
    key: Row = field(default_factory=dict)


def check_possible(table: Table, verb: str) -> None:
    """Raises WriteError where no row of the table takes *verb*."""
    if verb == "INSERT":
        if table.insert is None:
            raise _no_operation(table, "takes no INSERT")
    elif table.update is None and table.delete is None and not table.instead:
        raise _no_operation(table, "cannot be changed", "Rows can be inserted." if table.insert else "")
    elif verb == "UPDATE":
        _check_update(table)
    elif table.delete is None:
        raise _no_operation(table, "takes no DELETE")


def _no_operation(table: Table, words: str, more: str = "") -> WriteError:
    """The error of a statement that *table* cannot take; *words* say which."""
    if table.function:
        return WriteError(f"{table.name} {words}", hint=f"Call pipedrive.{table.function}() instead.")
    return WriteError(f"{table.name} {words}", detail=sentences("Pipedrive has no operation for it", more))


def insertion(table: Table, row: Row, custom: Mapping[str, Any]) -> Change:
    """The request for INSERT; *custom* are the body's properties for custom fields.

    Raises WriteError for a table that takes none, columns that cannot be given, and missing ones.
    """
    check_possible(table, "INSERT")
    assert table.insert is not None  # noqa: S101 - just checked
    given = {name: value for name, value in row.items() if value is not None}
    settable = [c.name for c in table.columns if c.insert]
    refused = [name for name in given if name not in settable]
    if refused:
        raise WriteError(
            f"{_columns(refused)} of {table.name} cannot be set by INSERT",
            detail=_meanings(table, refused) or "Pipedrive sets them itself.",
            hint=f"Columns that can be given: {_listed(table, settable)}.",
        )
    op = _operation(table.insert, given)
    wanted = [c.name for c in table.columns if c.required and not (op.takes and c.name not in op.takes)]
    missing = [n for n in (*wanted, *op.fields, *op.placeholders) if n not in given]
    if missing:
        rest = "it" if len(set(missing)) == 1 else "them"
        raise WriteError(
            f"{_columns(dict.fromkeys(missing))} of {table.name} must be given",
            detail=f"Pipedrive does not create the record without {rest}.",
        )
    if op.takes:
        left_over = [name for name in given if name not in op.takes and name not in op.placeholders]
        if left_over or custom:
            raise WriteError(
                f"{_columns(left_over or ['custom fields'])} of {table.name} cannot be given here",
                hint=f"This way of creating it takes {', '.join(op.takes)}.",
            )
    body = {n: given[n] for n in given if n in op.fields or n not in op.placeholders}
    return _change(table, op, given, body, custom)


def difference(table: Table, old: Row, new: Row) -> dict[str, Any]:
    """The columns whose value an UPDATE changes, with the new one.

    Raises WriteError for a column that cannot be changed, a required one set to NULL, a row that is frozen.
    """
    changed = {name: value for name, value in new.items() if not same(old.get(name), value)}
    if changed:
        _check_update(table)
    fixed = [n for n in changed if not _settable(table, n)]
    if fixed:
        settable = [c.name for c in table.columns if _settable(table, c.name)]
        way_out = f"Columns that can be changed: {_listed(table, settable)}."
        meant = _meanings(table, fixed)
        raise WriteError(f"{_columns(fixed)} of {table.name} cannot be changed", meant, way_out)
    emptied = [n for n, value in changed.items() if value is None and _required(table, n)]
    if emptied:
        raise WriteError(f"{_columns(emptied)} of {table.name} cannot be NULL")
    if changed:
        check_frozen(table, old, changed)
    return changed


def _check_update(table: Table) -> None:
    if table.update is None and not table.instead:
        raise WriteError(
            f"{table.name} takes no UPDATE",
            detail="Pipedrive has no operation for it.",
            hint="Delete the row and insert another." if table.insert and table.delete else "",
        )


def check_frozen(table: Table, old: Row, changed: Row) -> None:
    """Raises WriteError for a frozen row (Table.frozen), unless *changed* gives the column another value."""
    for name, value in table.frozen:
        if old.get(name) == value and changed.get(name, value) == value:
            thaw = (
                f" Or set {name} to {_literal(not value)} in the same UPDATE."
                if _settable(table, name)
                else ""
            )
            raise WriteError(
                f"a row of {table.name} with {name} = {_literal(value)} cannot be changed",
                hint=_leave_out(name, value) + thaw,
            )


def _leave_out(name: str, value: Any) -> str:
    return f"Leave such rows out: AND {'NOT ' if value else ''}{name}."


def thawing(table: Table) -> list[tuple[str, str]]:
    """The assignments, column and value as in SQL, after which a frozen row can be changed."""
    return [(name, _literal(not value)) for name, value in table.frozen if _settable(table, name)]


def checked_parent(table: Table, catalogue: Mapping[str, Table]) -> Table | None:
    """The table of *catalogue* whose frozen rows keep those of *table* from being written until an UPDATE
    thaws them, None where there is none."""
    parent = None if table.parent is None else catalogue[table.parent.table]
    return parent if parent is not None and thawing(parent) else None


def updates(table: Table, old: Row, changed: Row, custom: Mapping[str, Any]) -> list[Change]:
    """The requests for UPDATE of a row by *changed* columns; none when nothing changes.

    *old* has at least the key and the columns that the operation always sends (``always``).
    """
    _check_update(table)
    rest = {n: v for n, v in changed.items() if n not in table.instead}
    out = []
    if rest or custom:
        if table.update is None:
            raise WriteError(f"{_columns(rest)} of {table.name} cannot be changed")
        op = _operation(table.update, rest)
        body = {**{n: {**old, **rest}.get(n) for n in op.fields}, **rest}
        missing = [n for n in op.fields if body.get(n) is None]
        if missing:
            raise WriteError(
                f"{_columns(missing)} of {table.name} must be given in an UPDATE",
                detail="Pipedrive does not change the record without it.",
            )
        out.append(_change(table, op, old, body, custom))
    for name, op in table.instead.items():
        if name in changed:
            if not changed[name]:
                raise WriteError(f"{name} of {table.name} can be set to true only")
            out.append(_change(table, op, old, {}, {}))
    return out


def deletion(table: Table, old: Row) -> Change:
    """The request for DELETE of a row."""
    check_possible(table, "DELETE")
    op = table.delete
    assert op is not None  # noqa: S101 - just checked
    for name, value in _kept_for_good(table):
        if old.get(name) == value:
            raise WriteError(
                f"a row of {table.name} with {name} = {_literal(value)} cannot be deleted",
                hint=_leave_out(name, value),
            )
    return _change(table, op, old, {n: old.get(n) for n in op.fields}, {})


def always(table: Table, verb: str) -> frozenset[str]:
    """Columns that an UPDATE or DELETE needs of the row as it was."""
    op = table.update if verb == "update" else table.delete
    fields = () if op is None else (*op.placeholders, *op.fields)
    frozen = table.frozen if verb == "update" else _kept_for_good(table)
    return frozenset((*fields, *table.key, *(name for name, _ in frozen)))


def _kept_for_good(table: Table) -> tuple[tuple[str, Any], ...]:
    """The columns of ``frozen``, with their values, that an UPDATE cannot change. Pipedrive does not delete
    such rows either."""
    return tuple((name, value) for name, value in table.frozen if not _settable(table, name))


def sent(table: Table, column: Column, value: Any) -> Any:
    """A canonical value as the API wants it (Column.sent), the bytes of a bytea. Raises WriteError where it
    cannot be sent."""
    if value is None:
        return None
    if value is UNREADABLE:
        raise WriteError(
            f"column {column.name} of {table.name} must be given too",
            detail="Pipedrive needs its value with every change, and PostgreSQL cannot hold the present one.",
            hint="Set it in the same statement.",
        )
    try:
        if column.type == "bytea":
            return CODECS["bytea"].parse(value)
        given = dumped("bigint" if column.sent == "number" else column.type, value)
        if column.sent == "flag":
            return int(given)
        if column.sent == "text":
            return str(given)
        if column.sent == "utc":
            return given.rstrip("Z").replace("T", " ")
        if column.sent == "list":
            return [given]
        if column.sent == "single":
            return _single(given)
        return given
    except (ValueError, TypeError, AttributeError) as error:
        raise WriteError(
            f"column {column.name} of {table.name} cannot be sent", detail=sentences(str(error))
        ) from None


def _single(values: list[Any]) -> Any:
    """The one element of *values*, None where there is none. Raises ValueError for several."""
    if len(values) > 1:
        raise ValueError("this version of the API accepts only one element")
    return values[0] if values else None


def encoded(change: Change) -> tuple[bytes | None, str]:
    """The body of a request and its content type; None for no body."""
    op = change.op
    if op.encoding == "":
        return None, ""
    if op.encoding == "form":
        texts = {n: form_text(v) for n, v in change.body.items()}
        return urlencode(texts).encode(), "application/x-www-form-urlencoded"
    if op.encoding == "multipart":
        return _multipart(change)
    body = [change.body] if op.batch else change.body
    return orjson.dumps(body), "application/json"


def form_text(value: Any) -> str:
    return (
        ""
        if value is None
        else orjson.dumps(value).decode()
        if isinstance(value, (bool, dict, list))
        else str(value)
    )


def _multipart(change: Change) -> tuple[bytes, str]:
    fields: list[tuple[str, Any]] = [(name, form_text(value)) for name, value in change.body.items()]
    file = (change.file_name or FILE, change.content or b"", "application/octet-stream")
    return encode_multipart_formdata([*fields, (change.part, file)])


# How a server reads these in the head of a part is not agreed upon: browsers write a quote as %22, mail
# programs put a backslash before it, and a backslash alone may part folders.
_AMBIGUOUS = re.compile(r'[\x00-\x1f\x7f"\\]')


def is_carried(name: str) -> bool:
    """True if an upload carries the file name *name* exactly."""
    return bool(name) and not _AMBIGUOUS.search(name)


def _file_name(table: Table, column: Column, name: str) -> str:
    """*name* if an upload carries it exactly. Raises WriteError otherwise."""
    if is_carried(name):
        return name
    why = "has a quote, a backslash or a control character, which uploads may change" if name else "is empty"
    raise WriteError(
        f"column {column.name} of {table.name} cannot be sent",
        detail=sentences(f"The name {name!r} {why}", "Nothing was sent"),
        hint="Insert the file under another name, then UPDATE files SET name = '…', which keeps any name.",
    )


def _change(table: Table, op: Write, row: Row, body: Row, custom: Mapping[str, Any]) -> Change:
    properties: dict[str, Any] = {}
    content, part, file_name = None, FILE, ""
    for name, value in body.items():
        column = table.column(name)
        if column is None:
            continue
        where = column.body or name
        if column.type == "bytea":
            content, part = sent(table, column, value), where
        elif where == f"{FILE}.name":
            file_name = _file_name(table, column, sent(table, column, value))
        else:
            _put(properties, where.split("."), sent(table, column, value))
    properties.update(custom)
    missing = [n for n in op.placeholders if row.get(n) is None]
    if missing:
        raise WriteError(f"{_columns(missing)} of {table.name} must be given")
    path = fill(op.path, {name: row[name] for name in op.placeholders})
    key = {name: row[name] for name in table.key if row.get(name) is not None}
    return Change(op, path, properties, content, part, file_name, key)


def _put(properties: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        properties = properties.setdefault(part, {})
    properties[path[-1]] = value


def _operation(op: Write, given: Row) -> Write:
    """The first of *op* and its ``otherwise`` that takes all columns *given* and finds its required ones
    there."""
    while op.otherwise is not None:
        fits = not op.takes or all(n in op.takes or n in op.placeholders for n in given)
        if fits and all(n in given for n in op.fields):
            return op
        op = op.otherwise
    return op


def _meanings(table: Table, names: Iterable[str]) -> str:
    """The docs of the columns *names*, for the detail of an error; some say there how they are set."""
    return sentences(*(f"{c.name}: {c.doc}" for c in table.columns if c.name in names and c.doc))


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _listed(table: Table, settable: Sequence[str]) -> str:
    return ", ".join([*settable, *(["and those of custom fields"] if table.custom_fields else [])])


def _settable(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and (column.update or name in table.instead)


def _required(table: Table, name: str) -> bool:
    column = table.column(name)
    return column is not None and column.required


def _columns(names: Iterable[str]) -> str:
    listed = list(names)
    return ("column " if len(listed) == 1 else "columns ") + ", ".join(listed)
