"""Random changes, failures, killed and cancelled runs: in the end the copy is equal to the records.

``SYNC_RUNS`` says how many stories there are (2), ``SYNC_STEPS`` how many steps each has (6), and
``SYNC_SEED`` the seed of the first one (0).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.sync.copied import Copied
from tests.sync.story import ADDED, KINDS, TABLES, WITH_FIELDS, Story
from tools.engine import Server

RUNS = int(os.environ.get("SYNC_RUNS", "2"))
STEPS = int(os.environ.get("SYNC_STEPS", "6"))
SEED = int(os.environ.get("SYNC_SEED", "0"))
# Read by changes: a record whose update_time has moved is up to date after a run.
BY_CHANGES = ("deals", "persons", "organizations", "activities", "products", "notes", "leads", "files")


@pytest.fixture(scope="module")
def copied(server: Server) -> Iterator[Copied]:
    with Copied(server, deals=12) as made:
        made.run("ALTER SERVER pipedrive OPTIONS (ADD page_size '5')")
        # A run has hundreds of statements of its own, whose plans nobody looks at
        made.run(f"ALTER DATABASE {made.database.database} SET auto_explain.log_min_duration = -1")
        yield made


def try_to_sync(copied: Copied, story: Story) -> None:
    """A run in which anything may happen. An error is one that says so."""
    copied.simulator.faults(story.rules())
    ending = None
    if story.rng.random() < 0.3:
        pid = copied.value("SELECT pg_backend_pid()")
        how = story.rng.choice(("pg_terminate_backend", "pg_cancel_backend"))
        ending = threading.Timer(story.rng.random(), end, (copied, how, pid))
        ending.start()
    reconcile = story.rng.choice(("NULL", "NULL", "true"))
    with contextlib.suppress(psycopg.Error):
        copied.run(f"CALL pipedrive.sync(reconcile => {reconcile})")
    if ending is not None:
        ending.cancel()
        ending.join()
    copied.simulator.faults([])
    # The next run is in the same session, or in one of its own, as a scheduler makes it
    if ending is not None or story.rng.random() < 0.2:
        copied.connect_anew()


def end(copied: Copied, how: str, pid: int) -> None:
    with psycopg.connect(copied.database.dsn, autocommit=True) as connection:
        connection.execute(f"SELECT {how}({pid})")  # type: ignore[arg-type]


def invented(copied: Copied, story: Story) -> set[tuple[str, str, str]]:
    """Rows of the copy that no record ever was."""
    found = set()
    for kind in KINDS:
        if kind.text:
            key = "uuid" if kind.name == "note_comments" else "id"
            for number, text in copied.rows(f"SELECT {key}::text, {kind.text} FROM crm.{kind.name}"):
                if text not in story.versions[kind.name, number]:
                    found.add((kind.name, number, text))
    return found


def late(copied: Copied, story: Story) -> set[tuple[str, str]]:
    """Records that the copy does not show as they are, although their time tells that they changed."""
    found = set()
    for kind in KINDS:
        if kind.name in BY_CHANGES:
            rows = dict(copied.rows(f"SELECT id::text, {kind.text} FROM crm.{kind.name}"))
            records = {str(r["id"]): r[kind.text] for r in copied.simulator.records(kind.name)}
            wrong = {(kind.name, key) for key, text in records.items() if rows.get(key) != text}
            found |= wrong - story.quiet
    return found


def without_fields_of_others(copied: Copied) -> None:
    """The foreign tables without columns of fields that another story has added."""
    columns = copied.rows(
        "SELECT relation::regclass::text, quote_ident(name) FROM pipedrive_internal.columns "
        f"WHERE field LIKE '{ADDED}%'"
    )
    for table, column in columns:
        copied.run(f"ALTER FOREIGN TABLE {table} DROP COLUMN {column}")


def added_values(copied: Copied, fields: str) -> dict[tuple[str, str], str]:
    """By key of a record and of a field that the story has added: the values in Pipedrive."""
    known = [f["field_code"] for f in copied.simulator.records(fields)]
    return {
        (str(record["id"]), code): value
        for record in copied.simulator.records(WITH_FIELDS[fields])
        for code, value in (record["custom_fields"] or {}).items()
        if code.startswith(ADDED) and code in known and value is not None
    }


def copied_values(copied: Copied, fields: str) -> dict[tuple[str, str], str]:
    """The same in the copy."""
    table = WITH_FIELDS[fields]
    columns = copied.rows(
        "SELECT split_part(s.identity, ':', 1), quote_ident(s.name) FROM pipedrive_internal.copies c, "
        f"pipedrive_internal.copied_columns(c) s WHERE c.copy = 'crm.{table}'::regclass "
        f"AND s.identity LIKE '{ADDED}%'"
    )
    return {
        (number, code): value
        for code, column in columns
        for number, value in copied.rows(
            f"SELECT id::text, {column} FROM crm.{table} WHERE {column} IS NOT NULL"
        )
    }


@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
def test_the_copy_becomes_equal_to_the_records(copied: Copied, seed: int) -> None:
    copied.connect_anew()
    copied.run("DROP SCHEMA IF EXISTS crm CASCADE")
    copied.simulator.refill()
    copied.simulator.reset()
    without_fields_of_others(copied)
    story = Story(copied.simulator, seed)
    copied.mirror(TABLES)
    for _ in range(STEPS):
        copied.simulator.change(story.changes(story.rng.choice((0, 3, 10))))
        story.wait()
        try_to_sync(copied, story)
        assert invented(copied, story) == set()
        if story.rng.random() < 0.3:
            copied.sync()
            assert late(copied, story) == set()
    copied.sync(more=", reconcile => true")
    assert copied.different() == {}
    assert {r["id"]: r["title"] for r in copied.simulator.records("deals")} == dict(
        copied.rows("SELECT id, title FROM crm.deals")
    )
    for fields in WITH_FIELDS:
        assert copied_values(copied, fields) == added_values(copied, fields)
