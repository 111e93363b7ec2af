"""The glue to Multicorn and to the C part (src/pipedrive_fdw.c): questions in, answers, rows and errors out.

This is the only module that imports multicorn. It decides nothing and raises nothing: an error is given to
the C part, which raises it when Python has returned. What a reading query does not need is imported when
it is first used, because each new session waits for the rest.
"""

from __future__ import annotations

import encodings.aliases
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from multicorn import ColumnDefinition, ForeignDataWrapper, TableDefinition

from pipedrive_fdw.errors import OptionError, PipedriveError, fault_of
from pipedrive_fdw.extension.dropped_mappings import DROPPED
from pipedrive_fdw.foreign_table import ForeignTable, foreign_table, writer_of
from pipedrive_fdw.monitoring.usage_log import USAGE_LOG
from pipedrive_fdw.options import (
    FDW,
    IMPORT,
    MAPPING,
    SERVER,
    SETTINGS,
    TABLE,
    check_given,
    check_server,
    check_setting,
    read_options,
    table_options,
)
from pipedrive_fdw.plan.conditions import read_join_conditions
from pipedrive_fdw.plan.explain import explain_write
from pipedrive_fdw.postgres.channel import Question, answer, fail, question, transaction_ended
from pipedrive_fdw.postgres.one_version import refuse_other_versions
from pipedrive_fdw.read import table_reader
from pipedrive_fdw.table.estimates import STARTUP_COST
from pipedrive_fdw.table.row_batches import RowBatches
from pipedrive_fdw.table.scan_request import Reads, explained_parameters, read_request
from pipedrive_fdw.write.transaction import TRANSACTION

if TYPE_CHECKING:
    from pipedrive_fdw.extension.import_schema import ImportedTable

T = TypeVar("T")
# By the numbers that the C part gives scans: the foreign table that each reads, and its rows
_tables: dict[int, ForeignTable] = {}
_rows: dict[int, RowBatches] = {}
refuse_other_versions()
# Multicorn 1.4 asks Python for a codec of PostgreSQL's name, and crashes when it shows an error without one.
encodings.aliases.aliases.setdefault("sql_ascii", "ascii")
_PLACES = {
    "pg_foreign_data_wrapper": FDW,
    "pg_foreign_server": SERVER,
    "pg_user_mapping": MAPPING,
    "pg_foreign_table": TABLE,
}
_VERBS = {"INSERT": 1 << 3, "UPDATE": 1 << 2, "DELETE": 1 << 4}  # CmdType, the same from 13 on


def without_raising(function: Callable[[], T], otherwise: T) -> T:
    """The result of *function*. An error is given to the C part, and *otherwise* returned."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - Multicorn would keep it in memory
        fail(fault_of(error))
    return otherwise


def _asked() -> Question:
    """The question of the C part. Raises OptionError where Multicorn calls without it."""
    asked = question()
    if asked is None:
        raise OptionError(
            "the server was created with FOREIGN DATA WRAPPER multicorn",
            hint="Create it again: DROP SERVER … CASCADE, CREATE SERVER … FOREIGN DATA WRAPPER "
            "pipedrive_fdw, its user mappings, and IMPORT FOREIGN SCHEMA.",
        )
    return asked


class PipedriveFdw(ForeignDataWrapper):
    """The class that Multicorn loads (option ``wrapper``): one object for each foreign table of a backend."""

    def __init__(self, options: Mapping[str, str], columns: Mapping[str, Any]) -> None:
        super().__init__(options, columns)
        self._table: ForeignTable | None = None
        self._fault: PipedriveError | None = None
        try:
            self._table = foreign_table(table_options(options, _asked().options), columns)
        except PipedriveError as error:
            self._fault = error  # Multicorn cannot do without the object

    @property
    def table(self) -> ForeignTable:
        """The foreign table. Raises the error of its options or columns."""
        if self._table is None:
            raise self._fault or OptionError("the foreign table could not be made")
        return self._table

    def get_rel_size(self, quals: Sequence[Any], columns: Sequence[str]) -> tuple[int, int]:
        """Answers the C part's question about the table; the sizes that Multicorn gets are not used."""
        asked = _asked()
        if asked.call == "updatable" and self._table is None:
            answer("0")  # else no query could look at what tables there are
        else:
            without_raising(lambda: answer(self._answer(asked)), None)
        return 1, 1

    def _answer(self, asked: Question) -> str:
        check_setting(asked["unknown_setting"])
        return _ANSWERS[asked.call](self.table, asked)

    @property
    def rowid_column(self) -> str:
        """Multicorn asks for it where it carries out a write by itself."""
        _asked()
        return "-"

    @classmethod
    def import_schema(
        cls,
        schema: str,
        srv_options: Mapping[str, str],
        options: Mapping[str, str],
        restriction_type: str | None,
        restricts: Sequence[str],
    ) -> list[TableDefinition]:
        def tables() -> list[TableDefinition]:
            from pipedrive_fdw.extension.import_schema import account_fields, import_schema

            check_setting(asked["unknown_setting"])
            check_server(read_options(srv_options, (SERVER, MAPPING)))
            read_options(options, (IMPORT,))
            merged = read_options({**srv_options, **options}, (SERVER, MAPPING, IMPORT))
            fields = account_fields(merged)
            found = import_schema(
                schema,
                restriction=restriction_type or "",
                names=restricts,
                options=merged,
                given=options,
                fields=fields,
            )
            return [_definition(table) for table in found]

        asked = _asked()
        return without_raising(tables, [])


def _type_name(name: str) -> str:
    """The type of that *name*, whatever the search_path and the temporary tables of the session are."""
    is_keyword = name.startswith(("bigint", "boolean"))
    return name if is_keyword else f"pg_catalog.{name}"


def _definition(table: ImportedTable) -> TableDefinition:
    columns = [
        ColumnDefinition(
            c.name,
            type_name=_type_name(c.type) + (" NOT NULL" if c.not_null else ""),
            options=dict(c.options),
        )
        for c in table.columns
    ]
    return TableDefinition(table.name, columns=columns, options=dict(table.options))


# ---- questions about a foreign table


def _plan(table: ForeignTable, asked: Question) -> str:
    if asked["identity"]:
        from pipedrive_fdw.write.writable import check_identity

        check_identity(asked["table"], asked["identity"])
    request = read_request(asked.members, None)
    joins = read_join_conditions(asked["joins"])
    estimates = table.estimates
    estimate = estimates.of_look_up(request, joins) if joins else estimates.of_scan(request)
    if estimate is None:
        return ""
    return f"{estimate.rows} {estimate.width} {STARTUP_COST} {estimate.cost} {estimate.ordered}"


def _begin(table: ForeignTable, asked: Question) -> str:
    table.estimates.begin(read_request(asked["plan"], None))
    _tables[asked["scan"]] = table
    return ""


def _explain(table: ForeignTable, asked: Question) -> str:
    request = read_request(asked["plan"], explained_parameters(asked["expressions"]))
    return "\n".join(table.planner.explain(request, asked["scan"], asked["rows"], asked["verbose"]))


def _plan_modify(table: ForeignTable, asked: Question) -> str:
    from pipedrive_fdw.plan.row_changes import checked_parent
    from pipedrive_fdw.write.writable import check_writable

    bound, verb = table.bound, asked["verb"]
    check_writable(bound, verb)
    parent = checked_parent(bound.table, bound.catalogue)
    return "\n".join(explain_write(bound.table, verb, None if parent is None else parent.get))


def _begin_write(table: ForeignTable, asked: Question) -> str:
    table.begin_write(asked["write"], asked["command"], asked["columns"], asked["deferred"])
    return ""


def _write(table: ForeignTable, asked: Question) -> str:
    old, new = (asked.members.get(name, "{}") for name in ("old", "new"))
    return writer_of(asked["write"]).write(asked["verb"], asked["write"], old, new)


def _flush(table: ForeignTable, asked: Question) -> str:
    writer_of(asked["write"]).flush(asked["write"])
    return ""


def _updatable(table: ForeignTable, asked: Question) -> str:
    from pipedrive_fdw.write.writable import writable_verbs

    return str(sum(_VERBS[verb] for verb in writable_verbs(table.bound)))


_ANSWERS: Mapping[str, Callable[[ForeignTable, Question], str]] = {
    "plan": _plan,
    "begin": _begin,
    "explain": _explain,
    "plan modify": _plan_modify,
    "begin write": _begin_write,
    "write": _write,
    "flush": _flush,
    "updatable": _updatable,
}


# ---- questions about none


def serve() -> None:
    """Answers a question that is about no foreign table."""
    asked = question()
    if asked is not None:
        without_raising(lambda: answer(_SERVICES[asked.call](asked)), None)


def _scan(asked: Question) -> bytes:
    scan, loop = asked["scan"], None
    table = _tables[scan]
    _close(scan)
    TRANSACTION.send_before(asked["command"])
    request, *coming = (
        read_request(asked["plan"], values)._replace(reads=Reads(asked["reads"]))
        for values in (asked["values"], *(asked["ahead"] or ()))
    )
    if asked["ahead"] is not None:
        loop = table.loop(request, scan, asked["command"], coming)
    _rows[scan] = table.scan(request, scan, asked["command"], loop)
    return _next_rows(asked)


def _next_rows(asked: Question) -> bytes:
    with TRANSACTION.reported():
        return _rows[asked["scan"]].next()


def _close(scan: int) -> None:
    rows = _rows.pop(scan, None)
    if rows is not None:
        rows.close()


def end_scan(scan: int) -> None:
    """The *scan* has ended, with the nested loop that looks rows up by it. The C part calls this by its
    name."""
    without_raising(lambda: _close(scan), None)
    _tables.pop(scan, None)
    table_reader.end_loop(scan)


def _settings(asked: Question) -> str:
    return ", ".join(SETTINGS)


def _validate(asked: Question) -> str:
    place = _PLACES.get(asked["catalog"], "")
    check_given(place, asked["given"], role=asked["role"], reads_files=asked["reads_files"])
    return ""


def _ask(asked: Question) -> str:
    from pipedrive_fdw.extension.requests import answered

    check_setting(asked["unknown_setting"])
    TRANSACTION.send_before(asked["command"])
    return answered(asked["server"], asked["mapping"], asked["request"], read_only=asked["read_only"])


def _dropped(asked: Question) -> str:
    DROPPED.add(asked["server"], asked["mapping"])
    return ""


def _pre_commit(asked: Question) -> str:
    TRANSACTION.pre_commit()
    return ""


def _pre_prepare(asked: Question) -> str:
    DROPPED.check_prepared()
    TRANSACTION.check_prepared()
    return ""


def _commit(asked: Question) -> str:
    transaction_ended()
    TRANSACTION.ended()
    DROPPED.committed()
    USAGE_LOG.transaction_ended()
    return ""


def _rollback(asked: Question) -> str:
    transaction_ended()
    DROPPED.rolled_back()
    USAGE_LOG.transaction_ended()
    return _warning(TRANSACTION.rolled_back())


def _release(asked: Question) -> str:
    TRANSACTION.savepoint_released(asked["depth"])
    DROPPED.savepoint_released(asked["depth"])
    return ""


def _rollback_to(asked: Question) -> str:
    DROPPED.savepoint_rolled_back(asked["depth"])
    return _warning(TRANSACTION.savepoint_rolled_back(asked["depth"]))


def _warning(report: str) -> str:
    return f"pipedrive write: ROLLBACK cannot take back what was sent: {report}" if report else ""


_SERVICES: Mapping[str, Callable[[Question], str | bytes]] = {
    "scan": _scan,
    "rows": _next_rows,
    "settings": _settings,
    "validate": _validate,
    "ask": _ask,
    "dropped": _dropped,
    "pre commit": _pre_commit,
    "pre prepare": _pre_prepare,
    "commit": _commit,
    "rollback": _rollback,
    "release": _release,
    "rollback to": _rollback_to,
}
