"""The audit of writes: a line in the server's log for each request that writes.

A table would not do: what was sent stays done in Pipedrive when the transaction is rolled back, and the row
that says so would be gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from pipedrive_fdw.masking import beginning
from pipedrive_fdw.postgres.channel import log, question

# What is known of a request that has left
DONE, REFUSED, UNKNOWN, NOT_SENT = "done", "refused", "unknown", "not sent"
_LONGEST = 2_000
_WHO = ("server", "session_user", "current_user", "mapping")


class WriteLog(NamedTuple):
    """Notes who sends what.

    caller  who it is as the C part tells: server, session_user, current_user, and mapping, the user whose
            mapping it is or PUBLIC, are noted
    table   the table of Pipedrive that is written, '' for a request of a function
    """

    caller: Mapping[str, Any]
    table: str = ""

    def note(self, request: str, outcome: str, data: Any) -> None:
        """*request* is method and path, *data* what the API answered to one that is done. Of the values that
        were sent nothing is noted."""
        who = {name: self.caller[name] for name in _WHO}
        line = {**who, "table": self.table, "request": request, "id": _ids(data), "outcome": outcome}
        kept = {name: beginning(value, _LONGEST) for name, value in line.items() if value}
        log(f"pipedrive write: {orjson.dumps(kept).decode()}")


def write_log(table: str = "") -> WriteLog | None:
    """That of whoever writes the row or calls the function that the question is about, None for another."""
    asked = question()
    caller = asked and asked.members.get("caller")
    return WriteLog(caller, table) if caller else None


def _ids(data: Any) -> str:
    """The ids of the records that a write answers, '' where it names none."""
    if isinstance(data, dict) and "id" not in data and len(data) == 1:
        (data,) = data.values()  # {"goal": {…}}
    records = data if isinstance(data, list) else [data]
    ids = [record.get("id") for record in records if isinstance(record, dict)]
    return ", ".join(str(one) for one in ids if isinstance(one, (str, int)))
