"""Who sees what others spend: PostgreSQL runs functions of a table's owner within commands of others."""

from __future__ import annotations

import psycopg
import pytest

from tests.hostile.roles.conftest import Ground, one
from tests.hostile.roles.traps import ATTACKER


@pytest.mark.parametrize("command", ["ANALYZE {0}.mine", "REINDEX TABLE {0}.mine", "SELECT {0}.looked(1)"])
def test_a_function_of_ones_own_shows_nothing_of_who_runs_it(installed: Ground, command: str) -> None:
    """ANALYZE calls the function of an index as the table's owner; autovacuum is a superuser's session."""
    installed.admin.execute(
        "ALTER SERVER pipedrive OPTIONS (ADD log_usage 'true'); GRANT USAGE ON SCHEMA pipedrive TO PUBLIC; "
        "SELECT count(*) FROM pipedrive.stages"
    )
    assert one(installed.admin, "SELECT count(*) FROM pipedrive.usage_log WHERE role = 'postgres'") > 0
    attacker = installed.attacker()
    attacker.execute(
        f"CREATE TABLE {ATTACKER}.seen (role text); CREATE TABLE {ATTACKER}.mine (id int); "
        f"CREATE FUNCTION {ATTACKER}.look(int) RETURNS int SECURITY DEFINER LANGUAGE plpgsql AS "
        f"$$ BEGIN INSERT INTO {ATTACKER}.seen SELECT role FROM pipedrive.usage_log; "
        f"INSERT INTO {ATTACKER}.seen SELECT role FROM pipedrive_internal.usage_lines(); RETURN $1; END $$; "
        f"CREATE FUNCTION {ATTACKER}.looked(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
        f"$$ BEGIN RETURN {ATTACKER}.look($1); END $$; "
        f"CREATE INDEX ON {ATTACKER}.mine ({ATTACKER}.looked(id)); INSERT INTO {ATTACKER}.mine VALUES (1)"
    )
    installed.admin.execute(command.format(ATTACKER))  # type: ignore[arg-type]
    assert installed.admin.execute(f"SELECT DISTINCT role FROM {ATTACKER}.seen").fetchall() == []


@pytest.mark.parametrize(
    "command",
    [
        "SELECT pipedrive_internal.usage_of('postgres')",
        "SELECT pipedrive_internal.progress_of('postgres')",
        "CREATE AGGREGATE {0}.mine(*) (SFUNC = pipedrive_internal.calling_role, STYPE = name, "
        "FINALFUNC = pipedrive_internal.usage_of, INITCOND = 'postgres')",
    ],
)
def test_nobody_says_who_calls(installed: Ground, command: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        installed.attacker().execute(command.format(ATTACKER))  # type: ignore[arg-type]
