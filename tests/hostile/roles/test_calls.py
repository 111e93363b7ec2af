"""Everything that the extension brings is called by a superuser, among traps of another role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from pipedrive_fdw import catalog
from tests.hostile.roles.conftest import TOKEN, Ground, one
from tests.hostile.roles.traps import ATTACKER, snare, without_types
from tests.simulator import Simulator

# Nothing in these statements is looked up by the session's own search_path.
FUNCTIONS = (
    "SELECT pipedrive.add_role_assignments(2, 3)",
    "SELECT pipedrive.delete_role_assignments(2, 3)",
    "SELECT pipedrive.add_installment_subscription(1, 'EUR', '[]', true)",
    "SELECT pipedrive.merge_deals(1, 2)",
    "SELECT pipedrive.merge_persons(1, 2)",
    "SELECT pipedrive.merge_organizations(1, 2)",
    "SELECT pipedrive.duplicate_deal(3)",
    "SELECT pipedrive.duplicate_product(1)",
    "SELECT pipedrive.convert_deal(4)",
    "SELECT pipedrive.search('a word')",
    "SELECT pipedrive.request('GET', '/v2/stages', '{}')",
    "SELECT pipedrive.describe('pipedrive')",
    "SELECT pipedrive.forget('pipedrive')",
    "SELECT * FROM pipedrive.foreign_tables()",
    "SELECT * FROM pipedrive.foreign_keys()",
)
TABLES = (
    "SELECT pipedrive.refresh_columns('pipedrive.deals', true)",
    "SELECT id FROM pipedrive.stages",
    "INSERT INTO pipedrive.persons (name) VALUES ('Anna')",
    "CREATE FOREIGN TABLE pipedrive.more (id bigint) SERVER pipedrive OPTIONS (table 'deals', rows '9')",
    "ALTER FOREIGN TABLE pipedrive.more OPTIONS (SET rows '10')",
    "ALTER FOREIGN TABLE pipedrive.more ADD COLUMN title text",
    "ALTER FOREIGN TABLE pipedrive.more DROP COLUMN title",
    "DROP FOREIGN TABLE pipedrive.more",
    "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (stages) FROM SERVER pipedrive INTO pg_temp",
    "ALTER SERVER pipedrive OPTIONS (ADD page_size '99')",
    "ALTER SERVER pipedrive OPTIONS (DROP wrapper)",
    "ALTER USER MAPPING FOR CURRENT_USER SERVER pipedrive OPTIONS (SET api_token 'another')",
    "DROP USER MAPPING FOR CURRENT_USER SERVER pipedrive",
    "DROP SERVER pipedrive CASCADE",
)
OTHER_NAMES = ("_foreign_tables", "_custom_columns", "servers", "columns", "options")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """One for each test, which merges and deletes."""
    running = Simulator(token=TOKEN, deals=40)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def prepared(installed: Ground) -> Ground:
    """The account knows subscriptions."""
    installed.simulator.configure({"subscriptions": True})
    return installed


def errors_of(connection: psycopg.Connection[Any], calls: Sequence[str]) -> list[tuple[str, str]]:
    """The *calls* that failed, with their errors: a trap that one of them springs would leave no trace."""
    failed = []
    for call in calls:
        try:
            connection.execute(call)  # type: ignore[arg-type]
        except psycopg.Error as error:
            failed.append((call, str(error)))
    return failed


@pytest.mark.parametrize("search_path", ['"$user", public', f"{ATTACKER}, public, pg_temp, pg_catalog"])
def test_no_call_springs_a_trap(prepared: Ground, search_path: str) -> None:
    prepared.admin.execute(f"GRANT CREATE ON SCHEMA public TO {ATTACKER}")
    prepared.lay_traps("public", ATTACKER, "pg_temp")
    prepared.admin.execute(f"SET search_path = {search_path}")  # type: ignore[arg-type]
    assert errors_of(prepared.admin, FUNCTIONS) == []
    for schema in ("public", ATTACKER, "pg_temp"):
        without_types(prepared.admin, schema)
    assert errors_of(prepared.admin, TABLES) == []
    assert prepared.sprung() == []
    assert not prepared.attacker_is_superuser()


def test_whoever_may_create_beside_the_functions_reaches_nothing_else(prepared: Ground) -> None:
    """Look-alikes of all that functions and triggers use; an overload of what is called is another matter."""
    prepared.admin.execute(f"GRANT USAGE, CREATE ON SCHEMA pipedrive TO {ATTACKER}")
    names = prepared.admin.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace::regnamespace::text = 'pipedrive_internal'"
    ).fetchall()
    attacker = prepared.attacker()
    body = f"LANGUAGE plpgsql AS $trap$ BEGIN {snare('look-alike')} END $trap$"
    for name in [*(name for (name,) in names), *OTHER_NAMES]:
        for arguments in ("", "aclitem", "oid", "name", "name, text", "oid, text", "text, text, integer"):
            with suppress(psycopg.errors.DuplicateFunction):
                attacker.execute(f"CREATE FUNCTION pipedrive.{name}({arguments}) RETURNS void {body}")
    attacker.execute(f"CREATE FUNCTION {ATTACKER}.sees() RETURNS boolean {body}")
    for name in OTHER_NAMES:
        with suppress(psycopg.Error):
            attacker.execute(
                f"CREATE VIEW pipedrive.{name} AS SELECT * FROM pg_class WHERE {ATTACKER}.sees(); "
                f"GRANT SELECT ON pipedrive.{name} TO PUBLIC"
            )
    assert errors_of(prepared.admin, [*FUNCTIONS, *TABLES]) == []
    attacker.execute(f"CREATE TABLE {ATTACKER}.anything (id int); DROP TABLE {ATTACKER}.anything")
    assert prepared.sprung() == []


def test_nobody_else_can_change_the_internals(installed: Ground) -> None:
    attacker = installed.attacker()
    for command in (
        "CREATE FUNCTION pipedrive_internal.send(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE pipedrive_internal.servers ()",
        "ALTER SCHEMA pipedrive_internal RENAME TO mine",
        "ALTER SCHEMA pipedrive RENAME TO mine",
        "DROP SCHEMA pipedrive_internal CASCADE",
        "ALTER FUNCTION pipedrive_internal.send OWNER TO an_attacker",
        "CREATE OR REPLACE VIEW pipedrive_internal.servers AS SELECT 1",
        "DROP EVENT TRIGGER pipedrive_servers",
        "ALTER EVENT TRIGGER pipedrive_tables DISABLE",
        "ALTER FUNCTION pipedrive_internal.check_tables() SECURITY DEFINER",
        "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION pipedrive_internal.check_tables()",
        "ALTER FOREIGN DATA WRAPPER pipedrive_fdw NO VALIDATOR",
        "ALTER FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (ADD wrapper 'x')",
        "DROP FOREIGN DATA WRAPPER pipedrive_fdw CASCADE",
        "CREATE FUNCTION an_attacker.ask(oid, jsonb) RETURNS jsonb LANGUAGE C "
        "AS '$libdir/pipedrive_fdw', 'pipedrive_fdw_ask'",
        "SELECT pipedrive_internal.handler()",
        "SELECT pipedrive_internal.validator('{}', 0)",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            attacker.execute(command)  # type: ignore[arg-type]


def test_the_functions_schema_can_be_renamed(installed: Ground) -> None:
    """Every CREATE TABLE in the database failed then, in the triggers that looked the schema up."""
    installed.admin.execute("ALTER SCHEMA pipedrive RENAME TO crm")
    installed.admin.execute("CREATE TABLE public.anything (id int); DROP TABLE public.anything")
    installed.admin.execute(
        "CREATE FOREIGN TABLE crm.more (id bigint) SERVER pipedrive OPTIONS (table 'deals')"
    )
    assert one(installed.admin, "SELECT crm.duplicate_deal(1) ->> 'id'") is not None
    assert one(installed.admin, "SELECT crm.describe('crm')") > 100
    assert one(installed.admin, "SELECT count(*) FROM crm.foreign_keys()") > 3
    assert (
        one(
            installed.admin,
            f"SELECT crm.connect(base_url => '{installed.simulator.url}', api_token => '{TOKEN}', "
            "server => 'again', schema => 'again')",
        )
        == f"{len(catalog.TABLES)} tables in schema again"
    )
