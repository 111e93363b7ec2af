"""What administrators do to a database with a copy: they rename, give away, dump and restore."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.copied import Copied, tool
from tools.engine import Server


@pytest.fixture
def copied(server: Server) -> Iterator[Copied]:
    with Copied(server, deals=12) as made:
        yield made


def test_the_schema_of_the_functions_may_have_another_name(server: Server, copied: Copied) -> None:
    """Another role could make a schema of the former name, with functions of its own."""
    copied.mirror(["users", "organizations", "persons"])
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'crm' ORDER BY indexname"
    wanted = copied.rows(indexes)
    copied.run('DROP SCHEMA crm CASCADE; ALTER SCHEMA pipedrive RENAME TO "Pipe drive\'s"')
    copied.run("CREATE SCHEMA pipedrive")
    for name in ("foreign_keys", "foreign_tables"):
        copied.run(
            f"CREATE FUNCTION pipedrive.{name}() RETURNS SETOF pg_class LANGUAGE plpgsql "
            "AS $$ BEGIN RAISE EXCEPTION 'sprung'; END $$"
        )
    copied.run(
        "SELECT \"Pipe drive's\".mirror('Pipe drive''s', 'crm', '{users,organizations,persons}', "
        "history => true)"
    )
    assert copied.rows(indexes) == wanted
    line = copied.rows('SELECT * FROM "Pipe drive\'s".schedule()')[3][0]
    command = line.replace("*/5 * * * * psql", f"{server.engine.bindir}/psql").replace(
        "-d ", "-h 127.0.0.1 -d "
    )
    passwords = {"PGPASSFILE": str(server.folder / "pgpass"), **server.env}
    subprocess.run(["/bin/sh", "-c", command], env=passwords, check=True)  # noqa: S603 - as cron does
    moment = copied.value("SELECT clock_timestamp()")
    copied.run(
        'UPDATE "Pipe drive\'s".persons SET person_org_id = NULL, org_id = NULL WHERE id = 4;'
        'DELETE FROM "Pipe drive\'s".organizations WHERE id = (SELECT org_id FROM crm.persons WHERE id = 4)'
    )
    back = 'SELECT new_id, problem FROM "Pipe drive\'s".restore({}, {!r}, {}, dry_run => false)'
    former = copied.value("SELECT org_id FROM crm.persons WHERE id = 4")
    ((organization, problem),) = copied.rows(
        back.format("'crm.organizations'", str(moment), f"'{{{former}}}'")
    )
    assert problem is None
    copied.rows(back.format("'crm.persons'", str(moment), "'{4}'"))
    assert copied.value('SELECT org_id FROM "Pipe drive\'s".persons WHERE id = 4') == int(organization)


@pytest.mark.parametrize("target", ["crm", "sales"])  # a dump has them before and after what is known of them
def test_a_dump_is_restored_in_two_steps(server: Server, copied: Copied, tmp_path: Path, target: str) -> None:
    """First the definitions, with the triggers of the history, then the rows, each version once."""
    tables = "'{stages,deals,deal_products}'"
    copied.run(f"SELECT pipedrive.mirror('pipedrive', '{target}', {tables}, history => true)")
    copied.sync()
    copied.run("UPDATE pipedrive.deals SET title = 'Changed' WHERE id = 5")
    copied.sync()
    states = [
        f"SELECT t::text FROM {schema}.{table} t ORDER BY 1"
        for schema in (target, f"{target}_history")
        for table in ("stages", "deals", "deal_products")
    ]
    wanted = [copied.rows(state) for state in states]
    file, new = str(tmp_path / "dump"), f"{copied.database.database}_again"
    tool(server, "pg_dump", "--format=custom", f"--file={file}", copied.database.dsn)
    server.psql("template1").query(f"CREATE DATABASE {new} TEMPLATE template0")
    for step in ("--schema-only", "--data-only"):
        tool(server, "pg_restore", step, f"--dbname={server.dsn_of(new)}", file)
    copied.database.dsn = server.dsn_of(new)
    copied.connect_anew()
    assert [copied.rows(state) for state in states] == wanted
    copied.run("UPDATE pipedrive.deals SET title = 'Again' WHERE id = 5")
    copied.sync()
    titles = f"SELECT title FROM {target}_history.deals WHERE id = 5 ORDER BY valid_from"
    assert [title for (title,) in copied.rows(titles)][1:] == ["Changed", "Again"]
    # Rows that are lost later, and loaded from the dump, begin versions
    copied.run(f"DELETE FROM {target}.stages")
    tool(
        server,
        "pg_restore",
        "--data-only",
        f"--schema={target}",
        "--table=stages",
        f"--dbname={server.dsn_of(new)}",
        file,
    )
    present = f"SELECT o ->> 'id' FROM pipedrive.as_of('{target}.stages', clock_timestamp()) o"
    assert sorted(copied.rows(present)) == sorted(copied.rows(f"SELECT id::text FROM {target}.stages"))


def test_a_copy_that_was_restored_without_what_is_known_of_it_has_a_history_again(
    server: Server, copied: Copied, tmp_path: Path
) -> None:
    """A dump of its schemas has the triggers of the history."""
    copied.mirror(["stages"], ", history => true")
    copied.sync()
    copied.run("ALTER TRIGGER history_of_delete ON crm.stages RENAME TO mine")
    copied.run("DROP TRIGGER history_of_truncate ON crm.stages")
    file = str(tmp_path / "dump")
    tool(server, "pg_dump", "--schema=crm", "--schema=crm_history", f"--file={file}", copied.database.dsn)
    copied.run("DROP SCHEMA crm, crm_history CASCADE")
    tool(server, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", file, copied.database.dsn)
    copied.run(
        "SELECT pipedrive.mirror('pipedrive', target => 'again', tables => '{stages}', history => true);"
        "SELECT pipedrive.replace_copy('again.stages', 'crm.stages');"
        "UPDATE pipedrive.stages SET name = 'Changed' WHERE id = 1"
    )
    copied.sync()
    shown = "SELECT r.* FROM pipedrive.as_of('crm.stages', clock_timestamp()) o, "
    shown += "jsonb_populate_record(NULL::crm.stages, o) r ORDER BY id"
    assert copied.rows(shown) == copied.rows("SELECT * FROM crm.stages ORDER BY id")
    assert copied.value("SELECT name FROM crm.stages WHERE id = 1") == "Changed"
    triggers = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'crm.stages'::regclass AND NOT tgisinternal"
    assert sorted(copied.rows(triggers)) == [
        (f"history_of_{what}",) for what in ("delete", "insert", "truncate", "update")
    ]
    copied.run("TRUNCATE crm.stages")
    assert copied.rows(shown) == []
