"""No role keeps another from using and changing what is theirs."""

from __future__ import annotations

import psycopg
import pytest

from tests.engine import Server
from tests.hostile.roles.conftest import Ground, one
from tests.hostile.roles.traps import ATTACKER

IN_THE_WAY = "CREATE FOREIGN TABLE {} (id bigint) SERVER pipedrive OPTIONS (table 'deals', page_size '9')"
CHANGE = "ALTER SERVER pipedrive OPTIONS (ADD page_size '8')"


@pytest.fixture
def shared(installed: Ground) -> Ground:
    """The attacker may use the server."""
    installed.admin.execute(f"GRANT USAGE ON FOREIGN SERVER pipedrive TO {ATTACKER}")
    return installed


def test_a_temporary_table_does_not_keep_the_owner_from_changing_the_server(shared: Ground) -> None:
    """It held an option with another value, and its owner alone could drop it."""
    shared.attacker().execute(IN_THE_WAY.format("pg_temp.mine"))
    shared.admin.execute(CHANGE)


def test_a_table_of_somebody_elses_is_named_and_does_not_hinder(shared: Ground) -> None:
    shared.attacker().execute(IN_THE_WAY.format(f"{ATTACKER}.mine"))
    said: list[str] = []
    shared.admin.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
    shared.admin.execute(CHANGE)
    assert said == [
        "pipedrive option: page_size of the server pipedrive also holds for its table an_attacker.mine, "
        "which says something else"
    ]


def test_a_temporary_table_of_ones_own_is_in_the_way(shared: Ground) -> None:
    """Where the one who changes the server can see it and drop it."""
    shared.admin.execute(IN_THE_WAY.format("pg_temp.own"))
    with pytest.raises(psycopg.Error, match="page_size stands on the server pipedrive and on its table own"):
        shared.admin.execute(CHANGE)


def test_a_temporary_table_does_not_keep_the_extension_out(shared: Ground) -> None:
    """Nobody can alter a temporary table of another session, as the guards of the extension would."""
    shared.admin.execute("DROP EXTENSION pipedrive_fdw")
    holder = shared.attacker()
    holder.execute(IN_THE_WAY.format("pg_temp.mine"))
    shared.admin.execute("CREATE EXTENSION pipedrive_fdw")
    shared.admin.execute(
        "CREATE TABLE public.plain (id int); "
        "CREATE TRIGGER plain BEFORE UPDATE ON public.plain FOR EACH ROW "
        "EXECUTE FUNCTION suppress_redundant_updates_trigger(); "
        "DROP TRIGGER plain ON public.plain"
    )
    holder.execute("DROP FOREIGN TABLE pg_temp.mine")


@pytest.mark.parametrize("setting", ["standard_conforming_strings = off", "quote_all_identifiers = on"])
def test_no_setting_of_the_session_opens_the_guard(server: Server, shared: Ground, setting: str) -> None:
    """Backslashes in the guard's pattern meant something else then, and COPY crashed the server."""
    if server.engine.major >= 16:
        pytest.skip("PostgreSQL 16 and later crash in Multicorn before a guard is called")
    shared.admin.execute(f"GRANT USAGE ON SCHEMA pipedrive TO {ATTACKER}")
    shared.admin.execute(f"GRANT INSERT ON pipedrive.persons TO {ATTACKER}")
    attacker = shared.attacker()
    attacker.execute(f"SET {setting}")  # type: ignore[arg-type]
    copying = attacker.cursor().copy("COPY pipedrive.persons (name) FROM STDIN")
    with pytest.raises(psycopg.Error, match="COPY into persons is not possible"), copying as copy:
        copy.write("Anna\n")
    assert one(attacker, "SELECT 1") == 1
