"""What administrators do to a database with a copy: they rename, give away, dump and restore."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.sync.copied import Copied
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
