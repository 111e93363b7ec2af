"""The glue to Multicorn and to the C part (src/pipedrive_fdw.c): questions in, answers, rows and errors out.

This is the only module that imports multicorn. It decides nothing and raises nothing: an error is given to
the C part, which raises it when Python has returned. What a reading query does not need is imported when
it is first used, because each new session waits for the rest.
"""

from __future__ import annotations

import encodings.aliases
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from multicorn import ColumnDefinition, ForeignDataWrapper, TableDefinition

from pipedrive_fdw.errors import OptionError, PipedriveError, fault_of
from pipedrive_fdw.extension.dropped_mappings import DROPPED
from pipedrive_fdw.foreign_table import ForeignTable
from pipedrive_fdw.options import (
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
from pipedrive_fdw.postgres.usage_log import USAGE_LOG
from pipedrive_fdw.read import table_reader
from pipedrive_fdw.table.records import Row
from pipedrive_fdw.table.scan_request import Reads, explained_parameters, read_request
from pipedrive_fdw.write.transaction import TRANSACTION

if TYPE_CHECKING:
    from pipedrive_fdw.extension.import_schema import ImportedTable

T = TypeVar("T")
# Multicorn 1.4 asks Python for a codec of PostgreSQL's name, and crashes when it shows an error without one.
encodings.aliases.aliases.setdefault("sql_ascii", "ascii")
_STARTUP_COST = 20
_PLACES = {"pg_foreign_server": SERVER, "pg_user_mapping": MAPPING, "pg_foreign_table": TABLE}
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
            self._table = ForeignTable(table_options(options, _asked().options), columns)
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

    def execute(self, quals: Sequence[Any], columns: Sequence[str], **more: Any) -> Iterator[Any]:
        asked = _asked()
        return _rows(without_raising(lambda: _scan(self.table, asked), iter(())))

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
        from pipedrive_fdw.extension.import_schema import account_fields, import_schema

        def tables() -> list[TableDefinition]:
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


def _definition(table: ImportedTable) -> TableDefinition:
    columns = [
        ColumnDefinition(
            c.name, type_name=f"{c.type} NOT NULL" if c.not_null else c.type, options=dict(c.options)
        )
        for c in table.columns
    ]
    return TableDefinition(table.name, columns=columns, options=dict(table.options))


def _rows(rows: Iterator[Any]) -> Iterator[Any]:
    """*rows*; an error ends them and is given to the C part."""
    try:
        yield from rows
    except Exception as error:  # noqa: BLE001 - as in without_raising()
        fail(fault_of(error))


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
    rows, width, ordered = estimate
    return f"{rows} {width} {_STARTUP_COST} {max(_STARTUP_COST, rows * width)} {ordered}"


def _begin(table: ForeignTable, asked: Question) -> str:
    table.estimates.note(read_request(asked["plan"], None))
    return ""


def _explain(table: ForeignTable, asked: Question) -> str:
    request = read_request(asked["plan"], explained_parameters(asked["expressions"]))
    return "\n".join(table.planner.explain(request, asked["scan"], asked["verbose"]))


def _plan_modify(table: ForeignTable, asked: Question) -> str:
    from pipedrive_fdw.write.writable import check_writable

    check_writable(table.bound, asked["verb"])
    return "\n".join(explain_write(table.bound.table, asked["verb"]))


def _begin_write(table: ForeignTable, asked: Question) -> str:
    table.writer.begin(asked["write"], asked["command"], asked["columns"], asked["deferred"])
    return ""


def _write(table: ForeignTable, asked: Question) -> str:
    old, new = (asked.members.get(name, "{}") for name in ("old", "new"))
    return table.writer.write(asked["verb"], asked["write"], old, new)


def _flush(table: ForeignTable, asked: Question) -> str:
    table.writer.flush(asked["write"])
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


def _scan(table: ForeignTable, asked: Question) -> Iterator[Any]:
    reads, loop = Reads(asked["reads"]), None
    TRANSACTION.send_before(asked["command"])
    request, *coming = (
        replace(read_request(asked["plan"], values), reads=reads)
        for values in (asked["values"], *(asked["ahead"] or ()))
    )
    if asked["ahead"] is not None:
        loop = table.loop(request, asked["scan"], asked["command"], coming)
        answer(str(loop.width if loop else 0))
    rows = table.scan(request, asked["scan"], asked["command"], loop)
    places = table.bound.bytea_places
    return map(partial(_with_bytes, places), rows) if places else rows


def _with_bytes(places: Collection[int], row: Row) -> Row:
    """*row* with bytes at *places*: Multicorn hands a bytea over as it is, past the type's input function."""
    return [bytes.fromhex(v[2:]) if n in places and v is not None else v for n, v in enumerate(row)]


def end_loop(scan: int) -> None:
    """The nested loop that looks rows up by *scan* has ended. The C part calls this by its name."""
    table_reader.end_loop(scan)


# ---- questions about none


def serve() -> None:
    """Answers a question that is about no foreign table."""
    asked = question()
    if asked is not None:
        without_raising(lambda: answer(_SERVICES[asked.call](asked)), None)


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
    return _pre_commit(asked)


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


_SERVICES: Mapping[str, Callable[[Question], str]] = {
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
