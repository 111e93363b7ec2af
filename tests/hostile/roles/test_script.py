"""CREATE EXTENSION and ALTER EXTENSION UPDATE run as a superuser, among what others have prepared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.hostile.roles.conftest import Ground, one
from tests.hostile.roles.traps import ATTACKER, snare
from tools.engine import Server, overlay
from tools.engine.extension import write_extension
from tools.engine.places import ROOT

TRAP = f"RETURNS boolean LANGUAGE plpgsql AS $trap$ BEGIN {snare('left there')} RETURN true; END $trap$"


@pytest.mark.parametrize(
    "search_path",
    ['"$user", public', f"{ATTACKER}, public, pg_catalog", f"public, pg_temp, pg_catalog, {ATTACKER}"],
)
def test_the_installation_springs_no_trap(ground: Ground, search_path: str) -> None:
    """Multicorn stands in public, as it does where nobody says otherwise; there everybody could create."""
    ground.admin.execute(f"GRANT CREATE ON SCHEMA public TO {ATTACKER}")
    ground.lay_traps("public", ATTACKER, "pg_temp")
    ground.admin.execute(f"SET search_path = {search_path}")
    ground.admin.execute("CREATE EXTENSION pipedrive_fdw")
    assert ground.sprung() == []
    assert not ground.attacker_is_superuser()


def test_whoever_made_the_schema_first_does_not_become_superuser(ground: Ground) -> None:
    """What runs with more rights than its caller was looked up there, and its owner could rename it."""
    attacker = ground.attacker()
    attacker.execute("CREATE SCHEMA pipedrive")
    with suppress(psycopg.Error):
        ground.install()
    for step in (
        "ALTER SCHEMA pipedrive RENAME TO taken",
        "CREATE SCHEMA pipedrive",
        f"CREATE FUNCTION pipedrive.trap() {TRAP}",
        "CREATE VIEW pipedrive._foreign_tables AS SELECT c.oid AS relation, c.relname AS table_schema, "
        "c.relname AS table_name, ''::text AS source, c.relname AS server FROM pg_class c "
        "WHERE NOT pipedrive.trap()",
        f"CREATE TABLE {ATTACKER}.anything ()",
    ):
        with suppress(psycopg.Error):
            attacker.execute(step)
    assert ground.sprung() == []
    assert not ground.attacker_is_superuser()


PREPARED = {
    "owns pipedrive": ("CREATE SCHEMA {schema} AUTHORIZATION {attacker}", "pipedrive", "owns the schema."),
    "owns pipedrive_internal": (
        "CREATE SCHEMA {schema} AUTHORIZATION {attacker}",
        "pipedrive_internal",
        "owns the schema.",
    ),
    "may create": (
        "CREATE SCHEMA {schema}; GRANT CREATE ON SCHEMA {schema} TO {attacker}",
        "pipedrive",
        "can create in the schema.",
    ),
    "everybody may create": (
        "CREATE SCHEMA {schema}; GRANT CREATE ON SCHEMA {schema} TO PUBLIC",
        "pipedrive",
        "can create in the schema.",
    ),
    "left a function": (
        "CREATE FUNCTION {schema}.merge_deals(id integer, other integer) {trap}",
        "pipedrive",
        "owns function pipedrive.merge_deals(integer,integer).",
    ),
    "left an operator": (
        "CREATE FUNCTION {attacker}.trap(integer, integer) {trap}; "
        "CREATE OPERATOR {schema}.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = {attacker}.trap)",
        "pipedrive",
        "owns operator pipedrive.=(integer,integer).",
    ),
    "left a type": (
        "CREATE FUNCTION {attacker}.trap() {trap}; "
        "CREATE DOMAIN {schema}.search AS text CHECK ({attacker}.trap())",
        "pipedrive",
        "owns type pipedrive.search.",
    ),
    "left a table": ("CREATE TABLE {schema}.deals ()", "pipedrive", "owns table pipedrive.deals."),
}


@pytest.mark.parametrize(("command", "schema", "detail"), PREPARED.values(), ids=PREPARED)
def test_a_schema_of_others_is_refused(ground: Ground, command: str, schema: str, detail: str) -> None:
    command = command.format(schema=schema, attacker=ATTACKER, trap=TRAP)
    if "CREATE SCHEMA" not in command:  # it could create there once, and cannot any more
        command = (
            f"CREATE SCHEMA {schema}; GRANT USAGE, CREATE ON SCHEMA {schema} TO {ATTACKER}; "
            f"SET ROLE {ATTACKER}; {command}; RESET ROLE; REVOKE CREATE ON SCHEMA {schema} FROM {ATTACKER}"
        )
    ground.admin.execute(command)  # type: ignore[arg-type]
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        ground.admin.execute("CREATE EXTENSION pipedrive_fdw")
    said = caught.value.diag
    assert said.message_primary == f"pipedrive access: the schema {schema} is not safe for the extension"
    who = "PUBLIC" if "TO PUBLIC" in command else ATTACKER
    assert said.message_detail is not None
    assert said.message_detail.startswith(f"{who} {detail} What others put there")
    assert said.message_hint is not None
    assert ("REVOKE CREATE" in said.message_hint) == ("can create" in detail)


def test_a_schema_of_the_administrators_is_taken(ground: Ground) -> None:
    """As in a dump that is restored, or when the extension comes again."""
    ground.admin.execute(
        f"CREATE SCHEMA pipedrive; GRANT USAGE ON SCHEMA pipedrive TO {ATTACKER}; "
        "CREATE TABLE pipedrive.before ()"
    )
    ground.install()
    assert one(ground.admin, "SELECT count(*) FROM pipedrive.stages") > 0


@pytest.mark.parametrize("objects", ["FUNCTIONS", "TABLES", "SCHEMAS"])
def test_default_privileges_give_nobody_more(ground: Ground, objects: str) -> None:
    """A schema that was there is left as it is; all that the script makes is everybody's or the owner's."""
    ground.admin.execute("CREATE SCHEMA pipedrive")
    ground.admin.execute(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {objects} TO {ATTACKER}")  # type: ignore[arg-type]
    ground.admin.execute("CREATE EXTENSION pipedrive_fdw")
    given = ground.admin.execute(
        "SELECT p.proname, 'EXECUTE' FROM pg_proc p WHERE p.pronamespace = 'pipedrive'::regnamespace "
        f"AND has_function_privilege('{ATTACKER}', p.oid, 'EXECUTE') "
        "AND p.proname NOT IN ('foreign_keys', 'foreign_tables') UNION ALL "  # what all may look at
        "SELECT c.relname, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a "
        "WHERE c.relnamespace IN ('pipedrive'::regnamespace, 'pipedrive_internal'::regnamespace) "
        "AND a.grantee NOT IN (c.relowner, 0) UNION ALL "
        "SELECT nspname, 'CREATE' FROM pg_namespace "
        f"WHERE nspname LIKE 'pipedrive%' AND has_schema_privilege('{ATTACKER}', oid, 'CREATE')"
    ).fetchall()
    assert given == []


def test_what_everybody_may_execute_runs_as_its_caller(installed: Ground) -> None:
    """All can call the helpers, since the functions run as their callers; so they must be harmless."""
    functions = installed.admin.execute(
        "SELECT proname, prosecdef, has_function_privilege('public', oid, 'EXECUTE') FROM pg_proc "
        "WHERE pronamespace = 'pipedrive_internal'::regnamespace ORDER BY proname"
    ).fetchall()
    assert [name for name, definer, everybody in functions if everybody] == [
        "archived_of", "ask", "await_conversion", "begin_history", "calling_role", "can_be_copy",
        "check_wanted", "columns_of_schema", "comment_on_tables", "compare_fields", "compare_versions",
        "copied_columns", "declared_copies", "drop_columns_gone", "end_history", "end_versions", "file_part",
        "follow_columns", "free_name", "has_rows", "history_columns", "history_of", "is_due", "is_own",
        "keep_versions", "keeps", "make_copy", "make_history", "moment", "next_moment", "note_reading",
        "progress_lines", "progress_of_caller", "rename_copied", "renewed", "renewed_value", "report_columns",
        "report_view", "require", "require_all_rows", "restore_row", "restored_references", "send",
        "server_named", "sync_action", "sync_analyze", "sync_beside", "sync_changes", "sync_compares",
        "sync_definitions", "sync_done", "sync_ended", "sync_failed", "sync_is_over", "sync_keys",
        "sync_known", "sync_log_step", "sync_newest", "sync_order", "sync_orphans", "sync_parents",
        "sync_passed_over", "sync_price", "sync_read", "sync_replace", "sync_result", "sync_step",
        "sync_store", "sync_usage", "sync_watermark", "sync_whole", "sync_witnesses", "usage_lines",
        "usage_of_caller",
    ]  # fmt: skip
    assert [name for name, definer, everybody in functions if definer and everybody] == []


# ---- updates


@pytest.fixture
def update(server: Server, tmp_path: Path) -> Iterator[Ground]:
    """The next version of the extension lies in the server's folder."""
    shutil.copytree(ROOT / "sql", tmp_path / "sql")
    shutil.copy(ROOT / "pipedrive_fdw.control", tmp_path)
    (tmp_path / "sql" / "updates").mkdir()
    (tmp_path / "sql" / "updates" / "1.0--1.999.sql").write_text(
        "CREATE VIEW pipedrive.next_version AS SELECT count(*) AS number FROM pg_class "
        "WHERE relnamespace = 'pipedrive'::regnamespace;\n"
        "SELECT * FROM pipedrive.next_version;\n"
    )
    folder = overlay.extension_folder(server.engine, server.folder / "engine")
    write_extension(folder, tmp_path)
    yield
    (folder / "pipedrive_fdw--1.0--1.999.sql").unlink()


@pytest.mark.usefixtures("update")
def test_an_update_springs_no_trap(installed: Ground) -> None:
    installed.admin.execute(f"GRANT CREATE ON SCHEMA public TO {ATTACKER}")
    installed.lay_traps("public", ATTACKER, "pg_temp")
    installed.admin.execute(f"SET search_path = {ATTACKER}, public, pg_catalog")
    installed.admin.execute("ALTER EXTENSION pipedrive_fdw UPDATE TO '1.999'")
    assert installed.sprung() == []


@pytest.mark.usefixtures("update")
@pytest.mark.parametrize("schema", ["pipedrive", "pipedrive_internal"])
def test_an_update_is_refused_where_others_can_write(installed: Ground, schema: str) -> None:
    installed.admin.execute(f"GRANT CREATE ON SCHEMA {schema} TO {ATTACKER}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"the schema {schema} is not safe"):
        installed.admin.execute("ALTER EXTENSION pipedrive_fdw UPDATE TO '1.999'")
    installed.admin.execute(f"REVOKE CREATE ON SCHEMA {schema} FROM {ATTACKER}")
    installed.admin.execute("ALTER EXTENSION pipedrive_fdw UPDATE TO '1.999'")
    assert one(installed.admin, "SELECT number FROM pipedrive.next_version") > 3
