"""Definitions: columns that are dropped, options and columns that cannot be, settings that there are not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.e2e.extension import TOKEN, Extended


@pytest.fixture
def stages(extended: Extended) -> Iterator[Extended]:
    """The database with a foreign table *made.stages*."""
    extended.run(
        "CREATE SCHEMA made; CREATE FOREIGN TABLE made.stages (id bigint, name text, pipeline_id bigint, "
        "is_deleted boolean) SERVER pipedrive OPTIONS (table 'stages')"
    )
    yield extended
    extended.run("DROP SCHEMA made CASCADE")


def refusal(database: Extended, sql: str) -> str:
    """Message and hint of the error of *sql*, which the server survives."""
    pid = database.value("SELECT pg_backend_pid()")
    with pytest.raises(psycopg.Error) as caught:
        database.run(sql)
    assert database.value("SELECT pg_backend_pid()") == pid
    return f"{caught.value.diag.message_primary}\n{caught.value.diag.message_hint}"


# ---- columns that are dropped

COLUMNS = ("id", "name", "pipeline_id", "is_deleted")
CHILD = "CREATE FOREIGN TABLE made.child () INHERITS (made.parent) SERVER pipedrive OPTIONS (table 'stages')"


@pytest.mark.parametrize("kind", ["FOREIGN TABLE", "TABLE"])
@pytest.mark.parametrize("dropped", COLUMNS[1:])
def test_a_table_with_a_dropped_column_shows_the_others(stages: Extended, dropped: str, kind: str) -> None:
    """A whole row of such a table read memory that nobody had written: a crash."""
    rows = stages.rows("SELECT to_jsonb(s) FROM made.stages s ORDER BY id")
    stages.run(f"ALTER {kind} made.stages DROP COLUMN {dropped}")
    wanted = [{n: v for n, v in row.items() if n != dropped} for (row,) in rows]
    assert [row for (row,) in stages.rows("SELECT to_jsonb(s) FROM made.stages s ORDER BY s.id")] == wanted
    assert [row for (row,) in stages.rows("SELECT to_jsonb(s) FROM made.stages s ORDER BY s")] == wanted
    left = [n for n in COLUMNS if n != dropped]
    assert stages.rows("SELECT * FROM made.stages ORDER BY id") == [
        tuple(row[n] for n in left) for row in wanted
    ]
    assert stages.rows("SELECT s IS NULL, count(*) FROM made.stages s GROUP BY 1") == [(False, len(rows))]
    stages.run(f"ALTER {kind} made.stages ADD COLUMN order_nr bigint")
    numbers = {r["id"]: r["order_nr"] for r in stages.simulator.records("stages")}
    again = stages.rows("SELECT to_jsonb(s) FROM made.stages s ORDER BY id")
    assert [row for (row,) in again] == [{**row, "order_nr": numbers[row["id"]]} for row in wanted]


@pytest.mark.parametrize("dropped", ["is_deleted", "order_nr"])
def test_a_table_with_a_dropped_column_is_written(stages: Extended, dropped: str) -> None:
    stages.run("ALTER FOREIGN TABLE made.stages ADD COLUMN order_nr bigint")
    stages.run(f"ALTER FOREIGN TABLE made.stages DROP COLUMN {dropped}")
    stages.run(
        "CREATE TABLE made.log (old jsonb, new jsonb); "
        "CREATE FUNCTION made.note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO made.log VALUES (to_jsonb(OLD), to_jsonb(NEW)); RETURN NULL; END $$; "
        "CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON made.stages "
        "FOR EACH ROW EXECUTE FUNCTION made.note()"
    )
    ((made,),) = stages.rows(
        "INSERT INTO made.stages AS s (name, pipeline_id) VALUES ('Whole', 1) RETURNING to_jsonb(s)"
    )
    key = made["id"]
    stages.simulator.reset()
    ((changed,),) = stages.rows(
        f"UPDATE made.stages s SET name = 'Changed' WHERE id = {key} RETURNING to_jsonb(s)"
    )
    assert [r for r in stages.sent() if r[0] != "GET"] == [
        ("PATCH", f"/api/v2/stages/{key}", {"name": "Changed"})
    ]
    ((gone,),) = stages.rows(f"DELETE FROM made.stages s WHERE id = {key} RETURNING to_jsonb(s)")
    assert made["name"] == "Whole"
    assert changed == {**made, "name": "Changed"}
    assert gone == changed
    assert dropped not in made
    assert stages.rows("SELECT old, new FROM made.log") == [(None, made), (made, changed), (changed, None)]


def test_a_column_is_dropped_with_that_of_the_parent(stages: Extended) -> None:
    stages.run(
        f"CREATE TABLE made.parent (id bigint, is_deleted boolean, name text); {CHILD}; "
        "ALTER TABLE made.parent DROP COLUMN is_deleted"
    )
    shown = stages.rows("SELECT to_jsonb(c) FROM made.child c ORDER BY c")
    assert stages.rows("SELECT to_jsonb(p) FROM made.parent p ORDER BY p") == shown
    assert [(row["id"], row["name"]) for (row,) in shown] == stages.rows(
        "SELECT id, name FROM made.stages ORDER BY id"
    )


BARE = "CREATE FOREIGN TABLE made.bare () SERVER pipedrive OPTIONS (table 'stages')"


@pytest.mark.parametrize(
    ("before", "sql"),
    [
        ("", BARE),
        (BARE.replace("()", "(id bigint)"), "ALTER FOREIGN TABLE made.bare DROP COLUMN id"),
        (
            f"CREATE TABLE made.parent (id bigint); {BARE.replace('()', '() INHERITS (made.parent)')}",
            "ALTER TABLE made.parent DROP COLUMN id",
        ),
    ],
    ids=["made", "dropped", "dropped of the parent"],
)
def test_a_table_without_columns_is_refused(stages: Extended, before: str, sql: str) -> None:
    """Multicorn crashed the server when it was asked about one."""
    if before:
        stages.run(before)
    said = refusal(stages, sql)
    assert said.startswith("pipedrive option: bare must have a column\nIMPORT FOREIGN SCHEMA")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM made.bare",
        "SELECT b FROM made.bare b ORDER BY b",
        "EXPLAIN SELECT FROM made.bare",
        "INSERT INTO made.bare DEFAULT VALUES",
        "DELETE FROM made.bare",
        "SELECT FROM made.bare JOIN made.stages ON true",
    ],
)
@pytest.mark.parametrize("dropped", [False, True], ids=["none", "all dropped"])
def test_so_it_is_where_a_dump_has_brought_it(stages: Extended, sql: str, dropped: bool) -> None:
    """Whose tables are not looked at when they come, and which no other query minds."""
    stages.run("SET check_function_bodies = off")
    try:
        stages.run(BARE.replace("()", "(id bigint)" if dropped else "()"))
        if dropped:
            stages.run("ALTER FOREIGN TABLE made.bare DROP COLUMN id")
    finally:
        stages.run("RESET check_function_bodies")
    for _ in range(3):
        assert refusal(stages, sql).startswith("pipedrive option: bare must have a column\n")
    assert stages.value("SELECT count(*) FROM made.stages") == len(stages.simulator.records("stages"))


# ---- options that would be ignored


OURS = "FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (company_domain 'acme'"
WRITES = (
    "INSERT INTO made.stages (name, pipeline_id) VALUES ('x', 1)",
    "UPDATE made.stages SET name = 'x' WHERE id = 1",
    "DELETE FROM made.stages WHERE id = 1",
)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            f"CREATE SERVER wrong {OURS}, company_domian 'acme')",
            'there is no option "company_domian" for a server\nDid you mean "company_domain"? Valid '
            "options: api_version, archived, base_url, cache_stale, cache_ttl, company_domain,",
        ),
        (f"CREATE SERVER wrong {OURS}, usermapping 'x')", 'there is no option "usermapping" for a server'),
        (
            f"CREATE SERVER wrong {OURS}, page_size '501')",
            "option \"page_size\" cannot be '501'\npage_size: use a whole number from 1 to 500.",
        ),
        (
            f"CREATE SERVER wrong {OURS}, wrapper 'multicorn.ForeignDataWrapper')",
            "the option wrapper can only be pipedrive_fdw.PipedriveFdw\nLeave the option out",
        ),
        ("ALTER SERVER pipedrive OPTIONS (ADD narrow 'true')", 'there is no option "narrow" for a server'),
        (
            "ALTER SERVER pipedrive OPTIONS (ADD updatable 'perhaps')",
            "option \"updatable\" cannot be 'perhaps'\nupdatable: use 'true' or 'false'.",
        ),
        (
            "CREATE USER MAPPING FOR PUBLIC SERVER pipedrive OPTIONS (token 'x')",
            'there is no option "token" for a user mapping\nDid you mean "api_token"? Valid options: '
            "api_token, client_id, client_secret, refresh_token, secrets_file.",
        ),
        (
            "ALTER FOREIGN TABLE made.stages OPTIONS (ADD foo '1')",
            'there is no option "foo" for a table\nValid options: archived, cache_stale, cache_ttl',
        ),
        (
            "ALTER FOREIGN TABLE made.stages OPTIONS (ADD wrapper 'pipedrive_fdw.PipedriveFdw')",
            'there is no option "wrapper" for a table',
        ),
        (
            "CREATE FOREIGN TABLE made.two (name text) SERVER pipedrive",
            "the foreign table names no table of Pipedrive\nAdd OPTIONS (table 'deals'), or use IMPORT",
        ),
        (
            "ALTER FOREIGN TABLE made.stages OPTIONS (SET table 'stage')",
            'Pipedrive has no table stage\nDid you mean "stages"?',
        ),
        (
            "ALTER FOREIGN TABLE made.stages OPTIONS (SET table 'xyz')",
            "Pipedrive has no table xyz\nThe tables are: activities, ",
        ),
        (
            "ALTER FOREIGN TABLE made.stages OPTIONS (ADD write_mode 'comit')",
            "option \"write_mode\" cannot be 'comit'\nwrite_mode: use one of 'immediate', 'commit'.",
        ),
        (
            "CREATE FOREIGN TABLE made.two (id bigint) SERVER pipedrive OPTIONS (table 'deals', rows 'many')",
            "option \"rows\" cannot be 'many'",
        ),
    ],
)
def test_an_option_that_is_wrong_is_an_error_when_it_is_given(
    stages: Extended, command: str, words: str
) -> None:
    assert refusal(stages, command).startswith(f"pipedrive option: {words}")
    assert stages.sent() == []


def test_the_value_of_the_table_counts_before_that_of_the_server(stages: Extended) -> None:
    """Multicorn takes the server's; a session that has used the table sees each change at once."""
    limit = "SELECT count(*) FROM made.stages"
    stages.run("ALTER SERVER pipedrive OPTIONS (ADD page_size '99')")
    try:
        for command, size in (
            ("ADD page_size '90'", "90"),
            ("SET page_size '80'", "80"),
            ("SET page_size '99'", "99"),
            ("SET page_size '70', ADD updatable 'false'", "70"),
        ):
            stages.run(f"ALTER FOREIGN TABLE made.stages OPTIONS ({command})")
            stages.simulator.reset()
            stages.run(limit)
            assert [r["query"]["limit"] for r in stages.simulator.requests()] == [size]
        stages.run("ALTER SERVER pipedrive OPTIONS (SET page_size '60', ADD updatable 'true')")
        stages.simulator.reset()
        plan = stages.rows("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM made.stages")
        assert [r["query"]["limit"] for r in stages.simulator.requests()] == ["70"]
        assert any("Actual: 1 requests, 5 tokens" in line for (line,) in plan)
        assert "are forbidden here" in refusal(stages, "UPDATE made.stages SET name = 'x' WHERE id = 1")
        stages.run("ALTER FOREIGN TABLE made.stages OPTIONS (SET updatable 'true')")
        changed = "UPDATE made.stages SET name = 'Named' WHERE id = 1 RETURNING name"
        assert stages.rows(changed) == [("Named",)]
    finally:
        stages.run("ALTER SERVER pipedrive OPTIONS (DROP page_size, DROP updatable)")


def test_no_table_opens_what_its_server_closes(stages: Extended) -> None:
    stages.run("ALTER FOREIGN TABLE made.stages OPTIONS (ADD updatable 'true')")
    stages.run("ALTER SERVER pipedrive OPTIONS (ADD updatable 'false')")
    try:
        for sql in (*WRITES, "SELECT pipedrive.duplicate_deal(1)"):
            assert "forbidden here" in refusal(stages, sql)
        writable = "SELECT is_insertable_into FROM information_schema.tables WHERE table_schema = 'made'"
        assert stages.rows(writable) == [("NO",)]
    finally:
        stages.run("ALTER SERVER pipedrive OPTIONS (DROP updatable)")
    assert [method for method, _, _ in stages.sent() if method != "GET"] == []


def test_options_are_looked_at_whoever_gives_them(stages: Extended) -> None:
    stages.run(
        "CREATE ROLE giver; GRANT USAGE ON FOREIGN SERVER pipedrive TO giver; "
        "GRANT USAGE ON FOREIGN DATA WRAPPER pipedrive_fdw TO giver; "
        "GRANT CREATE, USAGE ON SCHEMA made TO giver; SET ROLE giver"
    )
    try:
        assert "cannot be '0'" in refusal(stages, f"CREATE SERVER wrong {OURS}, page_size '0')")
        stages.run(f"CREATE SERVER given {OURS}, page_size '9')")
        said = refusal(
            stages, "CREATE USER MAPPING FOR giver SERVER given OPTIONS (secrets_file '/etc/passwd')"
        )
        assert said.startswith("pipedrive option: giver may not name a secrets_file")
        stages.run(
            "CREATE FOREIGN TABLE made.given (id bigint) SERVER given OPTIONS (table 'deals', page_size '9')"
        )
    finally:
        stages.run("RESET ROLE; DROP SERVER IF EXISTS given CASCADE; DROP OWNED BY giver; DROP ROLE giver")


def test_whoever_may_make_a_table_and_not_read_it_makes_it(stages: Extended) -> None:
    stages.run(
        "CREATE ROLE giver; GRANT USAGE ON FOREIGN SERVER pipedrive TO giver; "
        "GRANT CREATE ON SCHEMA made TO giver; SET ROLE giver"
    )
    try:
        stages.run("CREATE FOREIGN TABLE made.blind (id bigint) SERVER pipedrive OPTIONS (table 'stages')")
        stages.run("RESET ROLE; GRANT USAGE ON SCHEMA made TO giver; SET ROLE giver")
        stages.run("REVOKE ALL ON made.blind FROM giver; ALTER FOREIGN TABLE made.blind ADD COLUMN name text")
        said = refusal(stages, "SELECT * FROM made.blind")
        stages.run("RESET ROLE")
        number = stages.value("SELECT count(*) FROM made.blind")
    finally:
        stages.run("RESET ROLE; DROP OWNED BY giver; DROP ROLE giver")
    assert said.startswith("permission denied for foreign table blind")
    assert number == len(stages.simulator.records("stages"))


def test_a_server_of_multicorn_is_refused_with_what_to_type(stages: Extended) -> None:
    made = "CREATE SERVER former FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper {}, company_domain 'acme')"
    for wrapper in ("'pipedrive_fdw.PipedriveFdw'", "'pipedrive_fdw.fdw.PipedriveFdw'"):
        assert refusal(stages, made.format(wrapper)) == (
            "pipedrive option: the server former was created with FOREIGN DATA WRAPPER multicorn\n"
            "Use CREATE SERVER former FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (...), without the option "
            "wrapper."
        )
    stages.run(
        "CREATE SERVER others FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'multicorn.ForeignDataWrapper')"
    )
    said = refusal(stages, "ALTER SERVER others OPTIONS (SET wrapper 'pipedrive_fdw.PipedriveFdw')")
    assert said.startswith(
        "pipedrive option: the server others was created with FOREIGN DATA WRAPPER multicorn\n"
    )
    stages.run("DROP SERVER others")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM made.former",
        "SELECT FROM made.former",
        "INSERT INTO made.former (name) VALUES ('Anna')",
        "INSERT INTO made.former (name) VALUES ('Anna') RETURNING id",
        "UPDATE made.former SET name = 'Anna'",
        "DELETE FROM made.former",
        "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals) FROM SERVER former INTO made",
    ],
)
@pytest.mark.parametrize("loaded", [False, True], ids=["alone", "beside ours"])
def test_one_that_was_there_before_says_what_to_do(stages: Extended, sql: str, loaded: bool) -> None:
    """An INSERT would have sent nothing, without a word."""
    with stages.connect() as session:
        session.execute(
            "ALTER EVENT TRIGGER pipedrive_servers DISABLE; "
            "CREATE SERVER former FOREIGN DATA WRAPPER multicorn "
            f"OPTIONS (wrapper 'pipedrive_fdw.PipedriveFdw', base_url '{stages.simulator.url}'); "  # type: ignore[arg-type]
            "ALTER EVENT TRIGGER pipedrive_servers ENABLE ALWAYS"
        )
        session.execute(
            f"CREATE USER MAPPING FOR CURRENT_USER SERVER former OPTIONS (api_token $${TOKEN}$$); "  # type: ignore[arg-type]
            "CREATE FOREIGN TABLE made.former (id bigint, name text) SERVER former OPTIONS (table 'persons')"
        )
        if loaded:
            session.execute("SELECT * FROM made.stages")
    with stages.connect() as session:
        if loaded:
            session.execute("SELECT * FROM made.stages")
        stages.simulator.reset()
        for _ in range(2):
            with pytest.raises(psycopg.Error) as caught:
                session.execute(sql)  # type: ignore[call-overload]
            said = str(caught.value)
            assert "pipedrive option: the server was created with FOREIGN DATA WRAPPER multicorn" in said
            assert "CREATE SERVER … FOREIGN DATA WRAPPER pipedrive_fdw" in said
        assert stages.sent() == []
        # Ours are read in the same session
        assert session.execute("SELECT count(*) FROM made.stages").fetchone() != (0,)
        session.execute("DROP SERVER former CASCADE")


def test_servers_of_others_take_any_option(stages: Extended) -> None:
    stages.run(
        "CREATE FOREIGN DATA WRAPPER other; "
        "CREATE SERVER others FOREIGN DATA WRAPPER other OPTIONS (any 'x'); "
        "CREATE USER MAPPING FOR CURRENT_USER SERVER others OPTIONS (token 'x'); "
        "CREATE FOREIGN TABLE made.others (a int, b int) SERVER others OPTIONS (foo '1'); "
        "ALTER FOREIGN TABLE made.others DROP COLUMN b; DROP FOREIGN DATA WRAPPER other CASCADE"
    )


# ---- settings that there are not


SETTINGS = (
    "cache_ttl",
    "extended_cache_ttl",
    "max_tokens_per_query",
    "parallel_writes",
    "reserve_tokens",
    "suppress_extended_requests",
)
USES = (
    "SELECT * FROM made.stages",
    "INSERT INTO made.stages (name, pipeline_id) VALUES ('x', 1)",
    "UPDATE made.stages SET name = 'x' WHERE id = 1",
    "SELECT pipedrive.duplicate_deal(1)",
    "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals) FROM SERVER pipedrive INTO made",
)


def unknown_setting(name: str) -> tuple[str, str, str, str]:
    """SQLSTATE, message, detail and hint of the error."""
    return (
        "42704",
        f"pipedrive option: there is no setting pipedrive.{name}",
        f"The settings are {', '.join(f'pipedrive.{known}' for known in SETTINGS)}.",
        f"RESET pipedrive.{name}. If ALTER ROLE or ALTER DATABASE has set it, RESET it there.",
    )


def said_of(session: psycopg.Connection[Any], sql: str) -> tuple[str | None, ...]:
    with pytest.raises(psycopg.Error) as caught:
        session.execute(sql)  # type: ignore[call-overload]
    diag = caught.value.diag
    return diag.sqlstate, diag.message_primary, diag.message_detail, diag.message_hint


@pytest.mark.parametrize(
    "name", ["max_token_per_query", "write_mode", "updatable", "company_domain", "api_token"]
)
@pytest.mark.parametrize("sql", USES)
@pytest.mark.parametrize("first", [True, False], ids=["before the first use", "later"])
def test_a_setting_that_there_is_not_is_an_error(stages: Extended, name: str, sql: str, first: bool) -> None:
    """Of SET itself, where PostgreSQL knows by then which there are; else of each statement until a RESET."""
    with stages.connect() as session:
        if not first:
            session.execute("SELECT FROM made.stages LIMIT 1")
        stages.simulator.reset()
        if not first and session.info.server_version >= 150000:
            with pytest.raises(psycopg.errors.InvalidName, match=f'"pipedrive.{name}"'):
                session.execute(f"SET pipedrive.{name} = 'commit'")  # type: ignore[arg-type]
        else:
            session.execute(f"SET pipedrive.{name} = 'commit'")  # type: ignore[arg-type]
            for _ in range(2):
                assert said_of(session, sql) == unknown_setting(name)
            session.execute(f"RESET pipedrive.{name}")  # type: ignore[arg-type]
        assert stages.sent() == []
        assert session.execute("SELECT count(*) FROM made.stages WHERE id = 1").fetchall() == [(1,)]


def test_a_setting_that_was_reset_before_the_first_use_is_one(stages: Extended) -> None:
    """PostgreSQL 15 removes what is no setting, with a warning, so it must know by then which there are."""
    with stages.connect() as session:
        told: list[str | None] = []
        session.add_notice_handler(lambda notice: told.append(notice.message_primary))
        session.execute("SET pipedrive.max_tokens_per_query = 4")
        session.execute("RESET pipedrive.max_tokens_per_query")
        assert session.execute("SELECT count(*) FROM made.stages WHERE id = 1").fetchall() == [(1,)]
        assert told == []


def test_a_setting_of_this_transaction_ends_with_it(stages: Extended) -> None:
    with stages.connect() as session, session.transaction():
        session.execute("SET LOCAL pipedrive.max_token_per_query = 7")
        with pytest.raises(psycopg.errors.UndefinedObject), session.transaction():
            session.execute("SELECT * FROM made.stages")
    with stages.connect() as session:
        with session.transaction(), session.transaction():
            session.execute("SET LOCAL pipedrive.max_tokens_per_query = 4")
            with pytest.raises(psycopg.errors.ConfigurationLimitExceeded), session.transaction():
                session.execute("SELECT * FROM made.stages")
        assert session.execute("SELECT count(*) FROM made.stages WHERE id = 1").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "place", ["ROLE holder", "DATABASE {database}", "ROLE holder IN DATABASE {database}"]
)
def test_a_setting_of_a_role_or_database_is_not_ignored(stages: Extended, place: str) -> None:
    """It is there before the session knows which there are."""
    stages.run(
        "CREATE ROLE holder SUPERUSER LOGIN PASSWORD 'of-a-test'; "
        f"CREATE USER MAPPING FOR holder SERVER pipedrive OPTIONS (api_token $${TOKEN}$$)"
    )
    place = place.format(database=stages.database)
    try:
        with stages.connect() as session:  # one that knows of no setting yet
            session.execute(f"ALTER {place} SET pipedrive.write_mode = 'commit'")  # type: ignore[arg-type]
        session = psycopg.connect(stages.dsn, user="holder", password="of-a-test", autocommit=True)  # noqa: S106
        with session:
            for sql in USES:
                assert said_of(session, sql) == unknown_setting("write_mode")
            session.execute("SET pipedrive.write_mode = ''")
            assert session.execute("SELECT count(*) FROM made.stages WHERE id = 1").fetchall() == [(1,)]
        with stages.connect() as session:
            session.execute(f"ALTER {place} RESET pipedrive.write_mode")  # type: ignore[arg-type]
            session.execute(f"ALTER {place} SET pipedrive.max_tokens_per_query = '4'")  # type: ignore[arg-type]
        session = psycopg.connect(stages.dsn, user="holder", password="of-a-test", autocommit=True)  # noqa: S106
        with session:
            with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
                session.execute("SELECT * FROM made.stages")
            session.execute("SET pipedrive.max_tokens_per_query = 5")
            assert session.execute("SELECT count(*) FROM made.stages WHERE id = 1").fetchall() == [(1,)]
    finally:
        stages.run(f"ALTER {place} RESET ALL")
        stages.run("DROP USER MAPPING FOR holder SERVER pipedrive; DROP ROLE holder")


# ---- columns that cannot be served


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (
            "name text OPTIONS (col 'label')",
            'column name of stages cannot have the option "col"\n'
            "The options of a column are column, or for a custom field field, type and part.",
        ),
        ("name text OPTIONS (type 'enum')", 'column name of stages cannot have the option "type"'),
        (
            "name text OPTIONS (field 'x', type 'text', column 'name')",
            'column name of stages cannot have the option "column"',
        ),
        (
            "label text",
            'table stages has no column "label"\nIts columns are: id, order_nr, name, is_deleted, '
            "deal_probability, pipeline_id, is_deal_rot_enabled, days_to_rotten, add_time, update_time, "
            "attrs. To give one another name: ALTER FOREIGN TABLE … ALTER COLUMN name OPTIONS (ADD column "
            "'name'), and then RENAME COLUMN.",
        ),
        (
            "name made.word",
            "column name of stages: type made.word is not supported\nThe types are: bigint, bigint[], "
            "boolean, bytea, date, interval, jsonb, numeric, text, text[], time, timestamptz, uuid, uuid[]. "
            "Also integer, smallint, double precision, real, varchar, char and json. Domains are not "
            "supported.",
        ),
    ],
)
def test_a_column_that_cannot_be_served_is_an_error_that_says_what_can(
    stages: Extended, column: str, words: str
) -> None:
    stages.run("CREATE DOMAIN made.word AS text")
    made = f"CREATE FOREIGN TABLE made.odd ({column}) SERVER pipedrive OPTIONS (table 'stages')"
    assert refusal(stages, made).startswith(f"pipedrive option: {words}")
    stages.run("ALTER FOREIGN TABLE made.stages DROP COLUMN name")
    for kind in ("FOREIGN TABLE", "TABLE"):
        said = refusal(stages, f"ALTER {kind} made.stages ADD COLUMN {column}")
        assert said.startswith(f"pipedrive option: {words}")
    # As a dump does, which gives a column its options later
    stages.run("SET check_function_bodies = off")
    stages.run(made)
    stages.run("RESET check_function_bodies")
    assert refusal(stages, "SELECT * FROM made.odd").startswith(f"pipedrive option: {words}")
    assert stages.value("SELECT count(*) > 99 FROM information_schema.columns")


def test_a_domain_named_like_a_type_of_postgresql_is_refused(stages: Extended) -> None:
    """Its check may read another foreign table while the rows of this one are made."""
    stages.run(
        "CREATE FUNCTION made.reads(integer) RETURNS boolean LANGUAGE sql VOLATILE AS "
        "'SELECT count(name) > 0 FROM made.stages'"
    )
    stages.run('CREATE DOMAIN made."integer" AS integer CHECK (made.reads(VALUE))')
    made = "CREATE FOREIGN TABLE made.odd (id {}, name text) SERVER pipedrive OPTIONS (table 'stages')"
    stages.run("SET search_path = made; SET check_function_bodies = off")
    try:
        stages.run(made.format('made."integer"'))
        said = refusal(stages, "SELECT count(id), count(name) FROM odd")
        assert said.startswith('pipedrive option: column id of odd: type made."integer" is not supported\n')
    finally:
        stages.run("RESET search_path; RESET check_function_bodies")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("ALTER {} RENAME COLUMN name TO label", 'table stages has no column "label"'),
        ("ALTER {} ALTER COLUMN name TYPE xml", "column name of stages: type xml is not supported"),
        ("ALTER {} ALTER COLUMN name OPTIONS (ADD column 'label')", 'table stages has no column "label"'),
        ("ALTER {} ALTER COLUMN name OPTIONS (ADD part 'x')", "column name of stages cannot have the option"),
        ("ALTER {} OPTIONS (SET table 'deals')", 'table deals has no column "name"'),
    ],
)
def test_a_change_that_would_make_every_query_fail_is_refused(
    stages: Extended, command: str, words: str
) -> None:
    kinds = ["FOREIGN TABLE"] if "OPTIONS" in command else ["FOREIGN TABLE", "TABLE"]
    for kind in kinds:
        said = refusal(stages, command.format(f"{kind} made.stages"))
        assert said.startswith(f"pipedrive option: {words}")
    assert (
        stages.value("SELECT name FROM made.stages WHERE id = 1")
        == (stages.simulator.records("stages")[0]["name"])
    )


@pytest.mark.parametrize(
    "command", ["ADD COLUMN nonsense text", "RENAME COLUMN name TO label", "ADD COLUMN order_nr inet"]
)
def test_so_it_is_where_it_comes_from_a_parent(stages: Extended, command: str) -> None:
    stages.run(
        "CREATE TABLE made.grandparent (id bigint, name text); "
        f"CREATE TABLE made.parent () INHERITS (made.grandparent); {CHILD}"
    )
    assert refusal(stages, f"ALTER TABLE made.grandparent {command}").startswith("pipedrive option: ")
    stages.run("ALTER TABLE made.grandparent ADD COLUMN order_nr bigint")
    assert stages.rows("SELECT id, order_nr FROM made.grandparent ORDER BY id") == [
        (r["id"], r["order_nr"]) for r in sorted(stages.simulator.records("stages"), key=lambda r: r["id"])
    ]


def test_a_column_is_renamed_as_the_hint_says(stages: Extended) -> None:
    wanted = stages.rows("SELECT id, name FROM made.stages ORDER BY id")
    stages.run("ALTER FOREIGN TABLE made.stages ALTER COLUMN name OPTIONS (ADD column 'name')")
    stages.run("ALTER FOREIGN TABLE made.stages RENAME COLUMN name TO label")
    assert stages.rows("SELECT id, label FROM made.stages ORDER BY id") == wanted
    stages.run("ALTER FOREIGN TABLE made.stages ADD COLUMN name bigint OPTIONS (column 'order_nr')")
    numbers = sorted((r["id"], r["order_nr"]) for r in stages.simulator.records("stages"))
    assert stages.rows("SELECT id, name FROM made.stages ORDER BY id") == numbers


# ---- two columns of one field


@pytest.fixture
def twice(stages: Extended) -> Extended:
    """A foreign table *made.twice* that shows the title, and a custom field, in two columns each."""
    options = stages.value(
        "SELECT string_agg(format('%I %L', option_name, option_value), ', ') "
        "FROM pg_attribute a, pg_options_to_table(attfdwoptions) "
        "WHERE attrelid = 'pipedrive.deals'::regclass AND attname = 'deal_text'"
    )
    stages.run(
        "CREATE FOREIGN TABLE made.twice (id bigint, a text OPTIONS (column 'title'), "
        f"b text OPTIONS (column 'title'), c text OPTIONS ({options}), d text OPTIONS ({options})) "
        "SERVER pipedrive OPTIONS (table 'deals')"
    )
    return stages


@pytest.mark.parametrize(
    ("one", "row"),
    [
        ("a = 'n1'", ("n1", "n1", "old", "old")),
        ("b = 'n2'", ("n2", "n2", "old", "old")),
        ("a = 'n3', b = 'n3'", ("n3", "n3", "old", "old")),
        ("c = 'n4'", ("old", "old", "n4", "n4")),
        ("d = 'n5'", ("old", "old", "n5", "n5")),
        ("d = NULL, a = 'n6'", ("n6", "n6", None, None)),
    ],
)
def test_a_field_of_two_columns_takes_the_one_that_is_set(
    twice: Extended, one: str, row: tuple[str | None, ...]
) -> None:
    ((key, *made),) = twice.rows("INSERT INTO made.twice (b, c) VALUES ('old', 'old') RETURNING *")
    assert made == ["old"] * 4
    assert twice.rows(f"UPDATE made.twice SET {one} WHERE id = {key} RETURNING a, b, c, d") == [row]
    assert twice.rows(f"SELECT a, b, c, d FROM made.twice WHERE id = {key}") == [row]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("INSERT INTO made.twice (a, b) VALUES ('one', 'two')", "a and b"),
        ("INSERT INTO made.twice (a, c, d) VALUES ('one', 'two', 'three')", "c and d"),
        ("UPDATE made.twice SET a = 'one', b = 'two' WHERE id = 1", "a and b"),
        ("UPDATE made.twice SET c = 'one', d = 'two' WHERE id = 1", "c and d"),
    ],
)
def test_two_values_for_one_field_are_an_error(twice: Extended, sql: str, names: str) -> None:
    said = refusal(twice, sql)
    assert said.startswith(
        f"pipedrive write: columns {names} of deals are the same field of Pipedrive\nSet one"
    )
    assert [verb for verb, _, _ in twice.sent() if verb != "GET"] == []


def test_a_server_that_was_made_without_the_event_trigger_says_what_it_lacks(stages: Extended) -> None:
    """Administrators disable event triggers, and PostgreSQL 17 has a setting for it."""
    stages.run("ALTER EVENT TRIGGER pipedrive_servers DISABLE")
    try:
        stages.run(
            'CREATE SERVER "o\'dd" FOREIGN DATA WRAPPER pipedrive_fdw '
            f"OPTIONS (base_url '{stages.simulator.url}');"
            f'CREATE USER MAPPING FOR CURRENT_USER SERVER "o\'dd" OPTIONS (api_token $${TOKEN}$$);'
            "SET check_function_bodies = off;"
            "CREATE FOREIGN TABLE made.odd (id bigint, name text) SERVER \"o'dd\" OPTIONS (table 'stages')"
        )
        for command in (
            "SELECT name FROM made.odd",
            "UPDATE made.odd SET name = 'x'",
            'IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals) FROM SERVER "o\'dd" INTO made',
        ):
            message, hint = refusal(stages, command).split("\n")
            assert message == "pipedrive option: the server o'dd lacks the option wrapper"
        shown = "SELECT is_insertable_into FROM information_schema.tables WHERE table_name = 'odd'"
        assert stages.value(shown) == "NO"
        stages.run(hint)
        assert stages.value(shown) == "YES"
        assert stages.rows("SELECT id, name FROM made.odd ORDER BY id") == stages.rows(
            "SELECT id, name FROM made.stages ORDER BY id"
        )
    finally:
        stages.run(
            "RESET check_function_bodies; ALTER EVENT TRIGGER pipedrive_servers ENABLE ALWAYS; "
            'DROP SERVER IF EXISTS "o\'dd" CASCADE'
        )
