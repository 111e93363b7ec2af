"""What a role plants in the tables that keep what is known of copies, for those who run more than it may."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.hostile.roles.conftest import Ground, one
from tests.hostile.roles.traps import ATTACKER, snare

_COPY = "(copy, source, columns, key, left_out)"


@pytest.fixture
def mirrored(installed: Ground) -> Ground:
    """The administrator keeps a copy of some tables, in a schema where the attacker can create too."""
    installed.admin.execute(
        f"CREATE SCHEMA crm; GRANT USAGE, CREATE ON SCHEMA crm TO {ATTACKER}; "
        "SELECT pipedrive.mirror('pipedrive', 'crm', tables => '{deals,stages}', history => true)"
    )
    return installed


def plant(attacker: psycopg.Connection[Any], copy: str, source: int) -> None:
    """The attacker's relation *copy* passes for a copy of the foreign table *source*."""
    attacker.execute(
        f"INSERT INTO pipedrive_internal.copies {_COPY} VALUES ('{copy}', {source}, '{{}}', '{{id}}', '{{}}')"
    )


def test_what_passes_for_a_copy_is_not_read_for_a_history(mirrored: Ground) -> None:
    """A table that became a view runs its owner's functions as whoever reads it."""
    source = one(mirrored.admin, "SELECT 'pipedrive.persons'::regclass::oid")
    attacker = mirrored.attacker()
    attacker.execute(
        f"CREATE SEQUENCE {ATTACKER}.ran; CREATE FUNCTION {ATTACKER}.shown() RETURNS bigint LANGUAGE sql AS "
        f"$trap$ SELECT nextval('{ATTACKER}.ran') $trap$; CREATE TABLE crm.persons (id bigint)"
    )
    plant(attacker, "crm.persons", source)
    if mirrored.admin.info.server_version < 160000:
        attacker.execute(
            f'CREATE RULE "_RETURN" AS ON SELECT TO crm.persons DO INSTEAD SELECT {ATTACKER}.shown() AS id'
        )
    mirrored.admin.execute("RESET search_path")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="crm.persons belongs to an_attacker"):
        mirrored.admin.execute(
            "SELECT pipedrive.mirror('pipedrive', 'crm', tables => '{deals,persons}', history => true)"
        )
    assert not one(mirrored.admin, f"SELECT is_called FROM {ATTACKER}.ran")
    assert one(mirrored.admin, "SELECT to_regclass('crm_history.persons')") is None


@pytest.mark.parametrize("relation", ["pg_temp.passing", "shown", "pg_toast", "12345"])
@pytest.mark.parametrize("column", ["copy", "source", "history"])
def test_nothing_but_what_stays_is_known_of_copies(installed: Ground, column: str, relation: str) -> None:
    """A dump with the name of what is in no dump could not be restored: nobody would have copies any more."""
    attacker = installed.attacker()
    attacker.execute(
        f"SET search_path = {ATTACKER}; CREATE TEMP TABLE passing (id bigint); "
        "CREATE VIEW shown AS SELECT 1::bigint AS id; CREATE TABLE mine (id bigint, words text)"
    )
    oid = "(SELECT reltoastrelid FROM pg_class WHERE oid = 'mine'::regclass)"
    given = {"copy": "'mine'", "source": "NULL", "history": "NULL"}
    given[column] = oid if relation == "pg_toast" else f"'{relation}'::regclass"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attacker.execute(
            "INSERT INTO pipedrive_internal.copies (copy, source, history, columns, key, left_out) "
            f"VALUES ({given['copy']}, {given['source']}, {given['history']}, '{{}}', '{{id}}', '{{}}')"
        )
    if column == "copy":
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            attacker.execute(f"INSERT INTO pipedrive_internal.restored VALUES ({given[column]}, '1', '2')")  # type: ignore[arg-type]


def test_the_administrators_records_refer_to_nothing_that_another_has_planted(mirrored: Ground) -> None:
    mirrored.admin.execute("CALL pipedrive.sync()")
    attacker = mirrored.attacker()
    attacker.execute(f"CREATE TABLE {ATTACKER}.mine (id bigint)")
    plant(attacker, f"{ATTACKER}.mine", one(mirrored.admin, "SELECT 'pipedrive.stages'::regclass::oid"))
    attacker.execute(
        f"INSERT INTO pipedrive_internal.restored SELECT '{ATTACKER}.mine', g::text, '666' "
        "FROM generate_series(1, 100) g"
    )
    mirrored.simulator.change([{"method": "DELETE", "path": "deals/5"}])
    ((given,),) = mirrored.admin.execute(
        "SELECT given FROM pipedrive.restore('crm.deals', now(), ids => '{5}')"
    ).fetchall()
    assert given["stage_id"] == one(mirrored.admin, "SELECT stage_id FROM crm.deals WHERE id = 5")


def test_a_run_does_not_take_the_steps_of_another_for_its_own(mirrored: Ground) -> None:
    """The moment that a run begins can be guessed, or taken from one that waits."""
    attacker = mirrored.attacker()
    attacker.execute(f"CREATE TABLE {ATTACKER}.mine (id bigint)")
    attacker.execute(
        "INSERT INTO pipedrive_internal.sync_log (copy, run, step, tokens, state, error) "
        f"VALUES ('{ATTACKER}.mine', '2020-01-01', 'failed', 1000000, '28000', 'forged')"
    )
    admin = mirrored.admin
    admin.execute("SELECT pipedrive_internal.sync_ended('2020-01-01')")
    admin.execute("SELECT pipedrive_internal.sync_step('crm.stages', '2020-01-01', NULL, 1000, NULL)")
    assert one(admin, "SELECT count(*) FROM crm.stages") > 0


@pytest.mark.parametrize("values", ["columns = '[]'", "synced = '-infinity'", "synced = 'infinity'"])
def test_what_another_plants_does_not_hide_the_status(mirrored: Ground, values: str) -> None:
    attacker = mirrored.attacker()
    attacker.execute(f"CREATE TABLE {ATTACKER}.mine (id bigint)")
    plant(attacker, f"{ATTACKER}.mine", one(mirrored.admin, "SELECT 'pipedrive.stages'::regclass::oid"))
    with pytest.raises(psycopg.errors.CheckViolation):
        attacker.execute(f"UPDATE pipedrive_internal.copies SET {values}")  # type: ignore[arg-type]
    assert len(mirrored.admin.execute("SELECT * FROM pipedrive.sync_status").fetchall()) == 3


@pytest.mark.parametrize("table", ["copies", "turns", "pending", "sync_log", "restored"])
def test_nobody_locks_what_every_drop_needs(installed: Ground, table: str) -> None:
    attacker = installed.attacker()
    modes = ("ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE", "SHARE UPDATE EXCLUSIVE")
    for mode in modes:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), attacker.transaction():
            attacker.execute(
                f"LOCK TABLE pipedrive_internal.{table} IN {mode} MODE"  # type: ignore[arg-type]
            )


def test_nobody_else_keeps_a_run_from_its_turn(mirrored: Ground) -> None:
    attacker = mirrored.attacker()
    told: list[str] = []
    mirrored.admin.add_notice_handler(lambda d: told.append(d.message_primary or ""))
    with attacker.transaction():
        attacker.execute(
            "SELECT pg_advisory_lock(o.oid::integer, c.copy::integer), pg_advisory_lock(c.copy) "
            "FROM pg_class o, (SELECT oid::bigint AS copy FROM pg_class "
            "WHERE relnamespace = 'crm'::regnamespace AND relkind = 'r') c "
            "WHERE o.relnamespace = 'pipedrive_internal'::regnamespace"
        )
        mine = attacker.execute("SELECT FROM pipedrive_internal.turns FOR UPDATE").rowcount
        mirrored.admin.execute("CALL pipedrive.sync()")
    attacker.execute("SELECT pg_advisory_unlock_all()")
    assert mine == 0
    assert [words for words in told if "skipped" in words] == []
    assert one(mirrored.admin, "SELECT count(*) FROM crm.deals") > 0


def test_a_name_in_a_report_is_looked_up_by_nothing_of_anothers(mirrored: Ground) -> None:
    """A cast of the attacker's would run as whoever reads the report."""
    attacker = mirrored.attacker()
    attacker.execute(
        f"CREATE TYPE {ATTACKER}.label AS ENUM ('x'); "
        f"CREATE FUNCTION {ATTACKER}.told({ATTACKER}.label) RETURNS json LANGUAGE plpgsql AS "
        f"$trap$ BEGIN {snare('a cast')} RETURN '1'; END $trap$; "
        f"CREATE CAST ({ATTACKER}.label AS json) WITH FUNCTION {ATTACKER}.told({ATTACKER}.label); "
        f"CREATE TABLE crm.pipelines (id bigint, name {ATTACKER}.label); "
        f"INSERT INTO crm.pipelines SELECT g, 'x'::{ATTACKER}.label FROM generate_series(1, 9) g; "
        "GRANT SELECT ON crm.pipelines TO PUBLIC"
    )
    mirrored.admin.execute("CALL pipedrive.sync()")
    mirrored.admin.execute("SELECT pipedrive.reporting('crm', 'bi')")
    assert mirrored.admin.execute("SELECT * FROM bi.deals").fetchall()
    assert mirrored.sprung() == []
