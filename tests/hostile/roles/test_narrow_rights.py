"""Who may do one thing only, and what USAGE on a server is: what docs/security.md says."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.hostile.roles.conftest import TOKEN, Ground, one
from tests.hostile.roles.traps import ATTACKER, lay_traps

COPY = "SELECT crm.copy_deal(1) ->> 'id'"


@pytest.fixture
def clerk(installed: Ground) -> psycopg.Connection[Any]:
    """A session of the attacker, who may call one function of the administrator's and nothing else."""
    installed.admin.execute(
        "CREATE ROLE crm_writer; GRANT USAGE ON SCHEMA pipedrive TO crm_writer; "
        "GRANT USAGE ON FOREIGN SERVER pipedrive TO crm_writer; "
        "GRANT EXECUTE ON FUNCTION pipedrive.duplicate_deal TO crm_writer; "
        f"CREATE USER MAPPING FOR crm_writer SERVER pipedrive OPTIONS (api_token '{TOKEN}'); "
        "CREATE SCHEMA crm; "
        "CREATE FUNCTION crm.copy_deal(deal bigint) RETURNS jsonb LANGUAGE sql SECURITY DEFINER "
        "SET search_path = pg_catalog, pg_temp "
        "AS $$ SELECT pipedrive.duplicate_deal(deal, server => 'pipedrive') $$; "
        "ALTER FUNCTION crm.copy_deal OWNER TO crm_writer; "
        "REVOKE EXECUTE ON FUNCTION crm.copy_deal FROM PUBLIC; "
        f"GRANT USAGE ON SCHEMA crm, pipedrive TO {ATTACKER}; "
        f"GRANT EXECUTE ON FUNCTION crm.copy_deal TO {ATTACKER}"
    )
    return installed.attacker()


def test_the_one_thing_is_done(installed: Ground, clerk: psycopg.Connection[Any]) -> None:
    assert one(clerk, COPY) is not None
    assert [(r["method"], r["path"]) for r in installed.simulator.requests()] == [
        ("POST", "/api/v1/deals/1/duplicate")
    ]


ASK = (
    'SELECT pipedrive_internal.ask(oid, \'{{"method": "DELETE", "path": "/v2/deals/1"}}\') '
    "FROM pg_foreign_server WHERE srvname = '{}'"
)
ATTACKS = (
    (ASK.format("pipedrive"), "permission denied for foreign server pipedrive"),
    ("SELECT pipedrive_internal.ask(oid, '{\"forget\": true}') FROM pg_foreign_server",
     "permission denied for foreign server"),
    ("SELECT pipedrive_internal.ask(server, '{\"catalogue\": true}') FROM pipedrive_internal.servers",
     "permission denied for foreign server"),
    ("SELECT pipedrive.request('DELETE', '/v2/deals/1')", "permission denied for function request"),
    ("SELECT pipedrive_internal.send(NULL, 'DELETE', '/v2/deals/1')", "there is no server of Pipedrive"),
    ("SELECT pipedrive_internal.send('pipedrive', 'GET', '/v2/deals')", 'there is no server "pipedrive"'),
    (
        "CREATE FOREIGN TABLE pg_temp.t (id bigint) SERVER pipedrive OPTIONS (table 'deals')",
        "permission denied for foreign server",
    ),
    (
        "CREATE USER MAPPING FOR an_attacker SERVER pipedrive OPTIONS (api_token 'x')",
        "permission denied for foreign server",
    ),
    (
        "CREATE SERVER mine FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (base_url 'http://127.0.0.1:1')",
        "permission denied for foreign-data wrapper",
    ),
    (
        "IMPORT FOREIGN SCHEMA pipedrive FROM SERVER pipedrive INTO an_attacker",
        "permission denied for foreign server",
    ),
    ("ALTER SERVER pipedrive OPTIONS (SET base_url 'http://127.0.0.1:1')", "must be owner"),
    ("SET ROLE crm_writer", "permission denied to set role"),
    ("SELECT * FROM pipedrive.deals", "permission denied for foreign table"),
    ("COPY pipedrive.deals (title) FROM STDIN", "permission denied for foreign table"),
)  # fmt: skip


def test_nothing_else_is_done(installed: Ground, clerk: psycopg.Connection[Any]) -> None:
    """Also in the session in which the function has sent something, with the mapping of another."""
    clerk.execute(COPY)
    installed.simulator.reset()
    for attack, words in ATTACKS:
        with pytest.raises(psycopg.Error, match=words):
            clerk.execute(attack)  # type: ignore[arg-type]
    assert installed.simulator.requests() == []


def test_the_token_is_not_seen(clerk: psycopg.Connection[Any]) -> None:
    clerk.execute(COPY)
    assert one(clerk, "SELECT umoptions FROM pg_user_mappings WHERE usename = 'crm_writer'") is None


def test_traps_in_the_session_are_not_sprung(installed: Ground, clerk: psycopg.Connection[Any]) -> None:
    """What the clerk puts into the temporary schema, which the function could look into."""
    installed.admin.execute(f"GRANT CREATE ON SCHEMA public TO {ATTACKER}")
    installed.lay_traps("public", ATTACKER)
    session = installed.connect()
    session.execute(f"GRANT TEMPORARY ON DATABASE {installed.name} TO {ATTACKER}")
    lay_traps(session, "pg_temp")
    session.execute(f"SET SESSION AUTHORIZATION {ATTACKER}")
    session.execute(f"SET search_path = {ATTACKER}, public, pg_catalog")
    session.execute("SELECT crm.copy_deal(1)")
    assert installed.sprung() == []


def test_execute_is_no_boundary_where_the_server_may_be_used(installed: Ground) -> None:
    """Whoever has USAGE on the server and a mapping can do what its token can, with any function or none."""
    installed.admin.execute(
        f"GRANT USAGE ON FOREIGN SERVER pipedrive TO {ATTACKER}; "
        f"CREATE USER MAPPING FOR {ATTACKER} SERVER pipedrive OPTIONS (api_token '{TOKEN}')"
    )
    attacker = installed.attacker()
    attacker.execute("SELECT pipedrive_internal.send('pipedrive', 'POST', '/v1/deals/1/duplicate')")
    attacker.execute(ASK.format("pipedrive"))  # type: ignore[arg-type]
    attacker.execute(
        "CREATE FOREIGN TABLE pg_temp.mine (id bigint) SERVER pipedrive OPTIONS (table 'deals'); "
        "DELETE FROM pg_temp.mine WHERE id = 2"
    )
    assert [(r["method"], r["path"]) for r in installed.simulator.requests() if r["method"] != "GET"] == [
        ("POST", "/api/v1/deals/1/duplicate"),
        ("DELETE", "/api/v2/deals/1"),
        ("DELETE", "/api/v2/deals/2"),
    ]


def test_a_mapping_for_public_is_used_and_not_seen(installed: Ground) -> None:
    """Whoever may use the server does with its token what they like, and never learns the token."""
    installed.admin.execute(
        f"GRANT USAGE ON FOREIGN SERVER pipedrive TO {ATTACKER}; "
        f"CREATE USER MAPPING FOR PUBLIC SERVER pipedrive OPTIONS (api_token '{TOKEN}')"
    )
    attacker = installed.attacker()
    attacker.execute("SELECT pipedrive_internal.send('pipedrive', 'POST', '/v1/deals/1/duplicate')")
    assert [r["path"] for r in installed.simulator.requests()] == ["/api/v1/deals/1/duplicate"]
    assert one(attacker, "SELECT umoptions FROM pg_user_mappings WHERE usename = 'public'") is None


def test_the_servers_owner_sees_the_mapping_for_public(installed: Ground) -> None:
    installed.admin.execute(
        f"GRANT USAGE ON FOREIGN DATA WRAPPER pipedrive_fdw TO {ATTACKER}; "
        f"ALTER SERVER pipedrive OWNER TO {ATTACKER}; "
        f"CREATE USER MAPPING FOR PUBLIC SERVER pipedrive OPTIONS (api_token '{TOKEN}')"
    )
    shown = installed.attacker().execute("SELECT usename, umoptions FROM pg_user_mappings").fetchall()
    assert sorted(shown) == [("postgres", None), ("public", [f"api_token={TOKEN}"])]


def test_who_reads_all_data_reads_the_tokens(installed: Ground) -> None:
    if installed.admin.info.server_version < 140000:
        pytest.skip("pg_read_all_data came with PostgreSQL 14")
    installed.admin.execute(f"GRANT pg_read_all_data TO {ATTACKER}")
    assert one(installed.attacker(), "SELECT umoptions FROM pg_user_mapping") == [f"api_token={TOKEN}"]


def test_whoever_may_make_a_trigger_runs_as_who_writes(installed: Ground) -> None:
    """PostgreSQL's rule, which the table of rights tells."""
    installed.admin.execute(f"GRANT TRIGGER ON pipedrive.persons TO {ATTACKER}")
    installed.admin.execute(f"GRANT USAGE ON SCHEMA pipedrive TO {ATTACKER}")
    attacker = installed.attacker()
    attacker.execute(
        f"CREATE FUNCTION {ATTACKER}.seen() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN INSERT INTO {ATTACKER}.sprung VALUES (current_user, 'trigger'); RETURN NEW; END $$"  # type: ignore[arg-type]
    )
    attacker.execute(
        "CREATE TRIGGER seen BEFORE INSERT ON pipedrive.persons FOR EACH ROW "
        f"EXECUTE FUNCTION {ATTACKER}.seen()"
    )
    installed.admin.execute("INSERT INTO pipedrive.persons (name) VALUES ('Anna')")
    assert installed.sprung() == [("postgres", "trigger")]
