"""Roles with user mappings of their own: none sees what was read with the token of another.

Pipedrive shows call logs and mail to their own user only, so their rows tell which token has read them.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.live import TOKEN, LiveAccount
from tools.engine import Server

TABLES = ("call_logs", "mail_threads_inbox", "mail_messages_inbox", "persons", "api_usage")
ROLES = {"role_one": ("token-of-one", 1), "role_two": ("token-of-two", 2)}
QUERIES = [
    "SELECT * FROM call_logs ORDER BY id",
    "SELECT * FROM mail_threads_inbox ORDER BY id",
    "SELECT id, body FROM mail_messages_inbox ORDER BY id",
]


@pytest.fixture(scope="module", params=[0, 600], ids=["without cache", "with cache_ttl"])
def account(server: Server, request: pytest.FixtureRequest) -> Iterator[LiveAccount]:
    options = {"cache_ttl": request.param, "max_tokens_per_query": 10**9}
    with LiveAccount(server, seed=1, deals=60, tables=TABLES, options=options) as live:
        live.simulator.configure({"users_tokens": {TOKEN: 3, **dict(ROLES.values())}})
        for role, (token, _) in ROLES.items():
            live.run(f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role}")
            live.run(f"CREATE USER MAPPING FOR {role} SERVER {live.name} OPTIONS (api_token '{token}')")
            live.run(f"GRANT USAGE, CREATE ON SCHEMA {live.name} TO {role}")
            live.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {live.name} TO {role}")
        yield live
        live.run("RESET SESSION AUTHORIZATION")
        for role in ROLES:
            live.run(f"DROP USER MAPPING FOR {role} SERVER {live.name}; DROP OWNED BY {role} CASCADE")
            live.run(f"DROP ROLE {role}")


@pytest.fixture(autouse=True)
def _session(account: LiveAccount) -> None:
    account.connect()


def logs_of(account: LiveAccount, user: int) -> list[str]:
    return sorted(str(r["id"]) for r in account.simulator.records("call_logs") if r["user_id"] == user)


def seen(account: LiveAccount, sql: str = "SELECT id FROM call_logs") -> list[str]:
    return sorted(str(row[0]) for row in account.rows(sql))


def test_the_two_have_rows_and_not_the_same(account: LiveAccount) -> None:
    one, two = (logs_of(account, user) for _, user in ROLES.values())
    assert one and two and not set(one) & set(two)


@pytest.mark.parametrize("switch", ["SET ROLE {}", "SET SESSION AUTHORIZATION {}"])
def test_a_session_that_changes_its_role_sees_that_role_s_rows(account: LiveAccount, switch: str) -> None:
    back = "RESET ROLE" if "ROLE" in switch else "RESET SESSION AUTHORIZATION"
    for _ in range(3):
        for role, (_, user) in ROLES.items():
            account.run(switch.format(role))
            assert seen(account) == logs_of(account, user)
            account.run(back)
        assert seen(account) == logs_of(account, 3)


@pytest.mark.parametrize("sql", QUERIES)
def test_one_s_rows_are_not_the_other_s_whichever_is_first(account: LiveAccount, sql: str) -> None:
    found = {}
    for _ in range(2):
        for role in ROLES:
            account.run(f"SET ROLE {role}")
            found.setdefault(role, account.rows(sql))
            assert account.rows(sql) == found[role]
            account.run("RESET ROLE")
    one, two = found.values()
    assert not {row[0] for row in one} & {row[0] for row in two}


def test_sessions_of_the_two_at_the_same_time(account: LiveAccount) -> None:
    with account.session() as one, account.session() as two:
        one.execute("SET ROLE role_one")
        two.execute("SET ROLE role_two")
        for _ in range(3):
            for session, user in ((one, 1), (two, 2)):
                rows = session.execute("SELECT id FROM call_logs").fetchall()
                assert sorted(str(row[0]) for row in rows) == logs_of(account, user)


def test_a_prepared_statement_reads_as_who_runs_it(account: LiveAccount) -> None:
    account.run("SET plan_cache_mode = force_generic_plan")
    account.run("PREPARE logs AS SELECT id FROM call_logs")
    for role, (_, user) in (*ROLES.items(), *ROLES.items()):
        account.run(f"SET ROLE {role}")
        assert seen(account, "EXECUTE logs") == logs_of(account, user)
        account.run("RESET ROLE")


def test_within_one_statement_a_function_of_another_reads_as_its_owner(account: LiveAccount) -> None:
    """The statement's memory is each credential's own."""
    for role in ROLES:
        account.run(f"SET ROLE {role}")
        account.run(
            f"CREATE OR REPLACE FUNCTION {account.name}.logs_of_{role}() RETURNS SETOF text LANGUAGE plpgsql "
            f"SECURITY DEFINER AS $$ BEGIN RETURN QUERY SELECT id::text FROM {account.name}.call_logs; END $$"
        )
        account.run("RESET ROLE")
    rows = account.rows(
        "SELECT 'one', id FROM logs_of_role_one() id UNION ALL SELECT 'two', id FROM logs_of_role_two() id "
        "UNION ALL SELECT 'three', id::text FROM call_logs UNION ALL "
        "SELECT 'one again', id FROM logs_of_role_one() id"
    )
    of = {name: sorted(key for who, key in rows if who == name) for name, _ in rows}
    wanted = {"one": 1, "two": 2, "three": 3, "one again": 1}
    assert {name: of.get(name, []) for name in wanted} == {n: logs_of(account, u) for n, u in wanted.items()}


def test_the_figures_of_a_session_are_those_of_its_credential(account: LiveAccount) -> None:
    account.run("SET ROLE role_one")
    account.rows("SELECT id FROM persons WHERE id = 1")
    account.run("SET ROLE role_two")
    assert account.rows("SELECT session_requests, session_tokens FROM api_usage") == [(0, 0)]
    account.run("RESET ROLE")


def test_a_role_without_a_mapping_sees_nothing_of_what_others_have_read(account: LiveAccount) -> None:
    account.run("SET ROLE role_one")
    account.rows("SELECT id FROM call_logs")
    account.run("RESET ROLE; DROP ROLE IF EXISTS role_none; CREATE ROLE role_none")
    account.run(f"GRANT USAGE ON SCHEMA {account.name} TO role_none")
    account.run("GRANT SELECT ON call_logs TO role_none")
    try:
        account.run("SET ROLE role_none")
        with pytest.raises(psycopg.Error, match="user mapping not found|no API token is known"):
            account.rows("SELECT id FROM call_logs")
    finally:
        account.run("RESET ROLE; DROP OWNED BY role_none; DROP ROLE role_none")


def test_a_new_token_counts_at_once(account: LiveAccount) -> None:
    account.run("SET ROLE role_one")
    assert seen(account) == logs_of(account, 1)
    account.run("RESET ROLE")
    mapping = f"ALTER USER MAPPING FOR role_one SERVER {account.name} OPTIONS (SET api_token '{{}}')"
    account.run(mapping.format("token-of-two"))
    try:
        account.run("SET ROLE role_one")
        assert seen(account) == logs_of(account, 2)
    finally:
        account.run("RESET ROLE")
        account.run(mapping.format("token-of-one"))


def test_a_view_reads_with_the_mapping_of_its_owner(account: LiveAccount) -> None:
    account.run("SET ROLE role_one")
    account.run(f"CREATE VIEW {account.name}.logs AS SELECT id FROM call_logs")
    account.run(f"GRANT SELECT ON {account.name}.logs TO role_two; RESET ROLE")
    try:
        account.run("SET ROLE role_two")
        assert seen(account, "SELECT id FROM logs") == logs_of(account, 1)
    finally:
        account.run("RESET ROLE; DROP VIEW logs")


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("OPTIONS (SET api_token 'wrong')", "It is that of the user mapping for role_one on"),
        ("OPTIONS (DROP api_token)", "User role_one needs one for"),
    ],
)
def test_an_error_names_the_user_and_the_server_whose_token_fails(
    account: LiveAccount, mapping: str, said: str
) -> None:
    altered = f"ALTER USER MAPPING FOR role_one SERVER {account.name} "
    account.run("SET ROLE role_one")
    account.run(f"CREATE VIEW {account.name}.logs AS SELECT id FROM call_logs")
    account.run(f"GRANT SELECT ON {account.name}.logs TO role_two; RESET ROLE; {altered} {mapping}")
    expected = f"{said} server {account.name}."
    try:
        for role, view in [("role_one", ""), ("role_two", " A view reads as its owner.")]:
            account.run(f"SET ROLE {role}")
            with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification) as refused:
                account.rows("SELECT id FROM logs")
            assert (refused.value.diag.message_detail or "").endswith(expected + view)
            account.run("RESET ROLE")
    finally:
        account.run("RESET ROLE; DROP VIEW logs")
        back = "ADD" if "DROP" in mapping else "SET"
        account.run(f"{altered} OPTIONS ({back} api_token '{ROLES['role_one'][0]}')")


def test_a_function_reads_with_the_mapping_of_its_owner(account: LiveAccount) -> None:
    account.run("SET ROLE role_one")
    account.run(
        f"CREATE FUNCTION {account.name}.logs() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER "
        f"SET search_path = pg_catalog AS 'SELECT id::text FROM {account.name}.call_logs'"
    )
    account.run("RESET ROLE")
    try:
        account.run("SET ROLE role_two")
        assert seen(account, "SELECT logs()") == logs_of(account, 1)
    finally:
        account.run("RESET ROLE; DROP FUNCTION logs()")


@pytest.fixture
def found_by_another(account: LiveAccount) -> Iterator[LiveAccount]:
    """A function that reads persons with the user mapping of another role."""
    account.simulator.refill()
    account.run("SET ROLE role_one")
    account.run(
        f"CREATE FUNCTION {account.name}.found(bigint) RETURNS bigint LANGUAGE plpgsql STABLE "
        "SECURITY DEFINER "
        f"AS $$ BEGIN RETURN (SELECT count(*) FROM {account.name}.persons WHERE id = $1); END $$"
    )
    account.run(
        f"CREATE FUNCTION {account.name}.name_of(bigint) RETURNS text LANGUAGE plpgsql SECURITY DEFINER "
        f"AS $$ BEGIN RETURN (SELECT name FROM {account.name}.persons WHERE id = $1); END $$"
    )
    account.run(f"CREATE VIEW {account.name}.people AS SELECT * FROM {account.name}.persons")
    account.run(f"GRANT SELECT ON {account.name}.people TO PUBLIC; RESET ROLE")
    account.simulator.reset()
    yield account
    account.run(f"DROP FUNCTION {account.name}.found(bigint), {account.name}.name_of(bigint)")
    account.run(f"DROP VIEW {account.name}.people")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE persons SET name = 'New' WHERE id IN (1, 2, 3) AND (id < 3 OR found(id) = 0)",
        "UPDATE persons SET name = 'New' WHERE id IN (1, 2) AND found(id) = 1",
        "UPDATE persons SET name = 'New' WHERE id IN (1, 2) RETURNING found(id)",
        "UPDATE persons SET name = 'New' WHERE id IN (SELECT id FROM people WHERE id < 3)",
        "UPDATE persons p SET name = 'New' FROM people o WHERE o.id = p.id AND o.id < 3",
        "DELETE FROM persons WHERE id IN (1, 2, 3) AND (id < 3 OR found(id) = 0)",
        "INSERT INTO persons (name) SELECT 'New' FROM generate_series(1, 3) n WHERE n < 3 OR found(n) = 0",
    ],
)
def test_a_statement_writes_a_table_that_is_also_read_as_another_role(
    found_by_another: LiveAccount, sql: str
) -> None:
    account = found_by_another
    assert account.connection is not None
    assert account.connection.execute(sql).rowcount == 2  # type: ignore[call-overload]
    assert [r["method"] for r in account.requests() if r["method"] != "GET"] == [
        {"U": "PATCH", "D": "DELETE", "I": "POST"}[sql[0]]
    ] * 2


@pytest.mark.parametrize(
    "write",
    [
        "UPDATE persons SET name = 'Name ' || i WHERE id = 1",
        "PERFORM pipedrive.request(method => 'PATCH', path => '/v2/persons/1', "
        "body => jsonb_build_object('name', 'Name ' || i), server => '{}')",
    ],
)
def test_what_one_role_writes_another_one_reads_in_the_same_statement(
    found_by_another: LiveAccount, write: str
) -> None:
    account = found_by_another
    account.run(
        "CREATE FUNCTION written() RETURNS text[] LANGUAGE plpgsql AS $$ DECLARE names text[]; BEGIN "
        f"FOR i IN 1..3 LOOP {write.format(account.name)}; names := names || name_of(1); END LOOP; "
        "RETURN names; END $$"
    )
    try:
        assert account.value("SELECT written()") == ["Name 1", "Name 2", "Name 3"]
    finally:
        account.run("DROP FUNCTION written()")
