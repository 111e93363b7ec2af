"""Which verbs a foreign table takes, whatever its rows are."""

from __future__ import annotations

from pipedrive_fdw.errors import IdentityError, WriteError
from pipedrive_fdw.options import Options
from pipedrive_fdw.plan.row_changes import check_possible
from pipedrive_fdw.postgres.settings import setting
from pipedrive_fdw.table.bound_table import BoundTable


def waits_for_commit(options: Options) -> bool:
    """True if COMMIT sends the writes (write_mode 'commit')."""
    return bool(options.write_mode == "commit")


def writable_verbs(bound: BoundTable) -> list[str]:
    """The verbs that the table's declaration and options allow."""
    if not bound.options.updatable:
        return []
    table = bound.table
    possible = {
        "INSERT": table.insert is not None,
        "UPDATE": table.update is not None or bool(table.instead),
        "DELETE": table.delete is not None,
    }
    return [verb for verb, can in possible.items() if can]


def check_identity(table: str, identity: str | None) -> None:
    """Raises IdentityError where a write finds rows of the foreign *table* by *identity*, a system column."""
    if identity:
        raise IdentityError(
            f"rows of {table} cannot be found by {identity}",
            detail="It has the same value in all rows of a foreign table.",
            hint="Select the rows by their key.",
        )


def check_writable(bound: BoundTable, verb: str) -> None:
    """Raises WriteError where a statement that does *verb* cannot be done, whatever its rows are."""
    table = bound.table
    if not bound.options.updatable:
        raise WriteError(
            f"writes to {table.name} are forbidden here",
            detail="The option updatable of its table or server is 'false'.",
            hint="Where it is set: ALTER FOREIGN TABLE … or ALTER SERVER … OPTIONS (SET updatable 'true').",
        )
    prepared = setting("max_prepared_transactions")
    if waits_for_commit(bound.options) and prepared not in (None, "0"):
        raise WriteError(
            "write_mode 'commit' cannot be used where max_prepared_transactions is above 0",
            detail="After PREPARE TRANSACTION, the writes that wait for COMMIT would never be sent.",
            hint="Set max_prepared_transactions to 0, or write_mode to 'immediate'.",
        )
    check_possible(table, verb)
    if verb != "INSERT" and not bound.key_columns:
        name = table.key[0] if len(table.key) == 1 else "row_id"
        raise WriteError(
            f"the foreign table of {table.name} has no column {name}, which identifies its rows",
            hint=f"ALTER FOREIGN TABLE … ADD COLUMN {name} …, or import it again.",
        )
