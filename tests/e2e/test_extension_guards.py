"""What would crash the server, and what would be ignored without a word: refused when it is said."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.e2e.extension import Extended


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


@pytest.mark.parametrize("kind", ["FOREIGN TABLE", "TABLE"])
def test_no_column_is_dropped(stages: Extended, kind: str) -> None:
    """A whole row of a table with a dropped column read memory that nobody had written: a crash."""
    said = refusal(stages, f"ALTER {kind} made.stages DROP COLUMN is_deleted")
    assert said.startswith(
        "pipedrive option: column is_deleted of made.stages cannot be dropped\nMake the table"
    )
    stages.run("CREATE TABLE made.log (entry jsonb)")
    stages.run(
        "CREATE FUNCTION made.note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO made.log VALUES (to_jsonb(NEW)); RETURN NULL; END $$"
    )
    stages.run("CREATE TRIGGER t AFTER UPDATE ON made.stages FOR EACH ROW EXECUTE FUNCTION made.note()")
    ((shown,),) = stages.rows("UPDATE made.stages s SET name = 'Whole' WHERE id = 1 RETURNING s::text")
    assert shown == "(1,Whole,1,f)"
    assert stages.value("SELECT to_jsonb(s) FROM made.stages s WHERE id = 1") == {
        "id": 1,
        "name": "Whole",
        "pipeline_id": 1,
        "is_deleted": False,
    }
    assert stages.value("SELECT entry ->> 'name' FROM made.log") == "Whole"


def test_no_column_is_dropped_with_its_parent_or_its_type(stages: Extended) -> None:
    stages.run(
        "CREATE DOMAIN made.word AS text; CREATE TABLE made.parent (id bigint, name made.word); "
        "CREATE FOREIGN TABLE made.child () INHERITS (made.parent) SERVER pipedrive OPTIONS (table 'stages')"
    )
    assert "column name of made.child cannot be dropped" in refusal(
        stages, "ALTER TABLE made.parent DROP COLUMN name"
    )
    assert "column name of made.child cannot be dropped" in refusal(stages, "DROP DOMAIN made.word CASCADE")


def test_columns_of_other_tables_can_be_dropped(stages: Extended) -> None:
    stages.run("CREATE TABLE made.plain (a int, b int); ALTER TABLE made.plain DROP COLUMN b")
    stages.run("DROP FOREIGN TABLE made.stages")
    assert stages.rows(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'made.plain'::regclass AND attnum = 1"
    )


def test_a_table_without_columns_is_refused(stages: Extended) -> None:
    """Its EXPLAIN crashed the server."""
    said = refusal(stages, "CREATE FOREIGN TABLE made.bare () SERVER pipedrive OPTIONS (table 'deals')")
    assert said.startswith("pipedrive option: bare must have a column\nIMPORT FOREIGN SCHEMA")
    assert stages.value("SELECT to_regclass('made.bare')") is None


# ---- guards that are taken away


@pytest.mark.parametrize(
    "command",
    [
        "ALTER FOREIGN TABLE made.stages DISABLE TRIGGER ALL",
        "ALTER TABLE made.stages DISABLE TRIGGER USER",
        "ALTER FOREIGN TABLE made.stages DISABLE TRIGGER {guard}",
        "ALTER FOREIGN TABLE made.stages ENABLE REPLICA TRIGGER {guard}",
        "DROP TRIGGER {guard} ON made.stages",
        "DROP TRIGGER IF EXISTS {guard} ON made.stages CASCADE",
    ],
)
@pytest.mark.usefixtures("copy_is_caught")
def test_copy_stays_refused(stages: Extended, command: str) -> None:
    guards = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'made.stages'::regclass"
    stages.run(command.format(guard=stages.value(guards)))
    said = refusal(stages, "COPY made.stages (name) FROM PROGRAM 'echo Anna'")
    assert said.startswith("pipedrive write: COPY into stages is not possible")
    assert len(stages.rows(guards)) == 1


@pytest.mark.usefixtures("copy_is_caught")
def test_copy_stays_refused_when_the_guard_is_replaced(stages: Extended) -> None:
    if stages.connection.info.server_version < 140000:
        pytest.skip("CREATE OR REPLACE TRIGGER came with PostgreSQL 14")
    guard = stages.value("SELECT tgname FROM pg_trigger WHERE tgrelid = 'made.stages'::regclass")
    stages.run(
        "CREATE FUNCTION made.pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$; "
        f"CREATE OR REPLACE TRIGGER {guard} BEFORE INSERT ON made.stages FOR EACH ROW "
        "EXECUTE FUNCTION made.pass()"
    )
    assert "COPY into stages" in refusal(stages, "COPY made.stages (name) FROM PROGRAM 'echo Anna'")


# ---- options that would be ignored


OURS = "FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'pipedrive_fdw.PipedriveFdw', company_domain 'acme'"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            f"CREATE SERVER wrong {OURS}, company_domian 'acme')",
            'there is no option "company_domian" for a server\nValid options: api_version, archived, base',
        ),
        (f"CREATE SERVER wrong {OURS}, usermapping 'x')", 'there is no option "usermapping" for a server'),
        (
            f"CREATE SERVER wrong {OURS}, page_size '501')",
            "option \"page_size\" cannot be '501'\npage_size: use a whole number from 1 to 500.",
        ),
        ("ALTER SERVER pipedrive OPTIONS (ADD narrow 'perhaps')", "option \"narrow\" cannot be 'perhaps'"),
        (
            "CREATE USER MAPPING FOR PUBLIC SERVER pipedrive OPTIONS (token 'x')",
            'there is no option "token" for a user mapping\nValid options: api_token, client_id, '
            "client_secret, refresh_token, secrets_file.",
        ),
        (
            "ALTER FOREIGN TABLE made.stages OPTIONS (ADD foo '1')",
            'there is no option "foo" for a table\nValid options: archived, cache_ttl',
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


def test_an_option_has_one_value_on_server_and_table(stages: Extended) -> None:
    """Multicorn takes the server's, so that a table's own would be ignored."""
    stages.run("ALTER FOREIGN TABLE made.stages OPTIONS (ADD page_size '9', ADD updatable 'false')")
    stages.run("ALTER SERVER pipedrive OPTIONS (ADD page_size '9')")
    try:
        words = "stands on the server pipedrive and on its table made.stages, with different values\nGive it"
        assert f"page_size {words}" in refusal(stages, "ALTER SERVER pipedrive OPTIONS (SET page_size '8')")
        said = refusal(stages, "ALTER SERVER pipedrive OPTIONS (ADD updatable 'true')")
        assert f"updatable {words}" in said
        said = refusal(stages, "ALTER FOREIGN TABLE made.stages OPTIONS (SET page_size '8')")
        assert f"page_size {words}" in said
    finally:
        stages.run("ALTER SERVER pipedrive OPTIONS (DROP page_size)")


def test_options_are_looked_at_whoever_gives_them(stages: Extended) -> None:
    """The wrapper is asked with other rights; it is the role's own that let it name a file."""
    stages.run(
        "CREATE ROLE giver; GRANT USAGE ON FOREIGN SERVER pipedrive TO giver; "
        "GRANT USAGE ON FOREIGN DATA WRAPPER multicorn TO giver; "
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
    assert stages.value("SELECT count(*) FROM pg_class WHERE relname LIKE 'pipedrive options%'") == 0


def test_servers_of_others_take_any_option(stages: Extended) -> None:
    stages.run(
        "CREATE FOREIGN DATA WRAPPER other; "
        "CREATE SERVER others FOREIGN DATA WRAPPER other OPTIONS (any 'x'); "
        "CREATE USER MAPPING FOR CURRENT_USER SERVER others OPTIONS (token 'x'); "
        "CREATE FOREIGN TABLE made.others (a int, b int) SERVER others OPTIONS (foo '1'); "
        "ALTER FOREIGN TABLE made.others DROP COLUMN b; DROP FOREIGN DATA WRAPPER other CASCADE"
    )


@pytest.mark.parametrize("name", ["write_mode", "updatable", "page_size", "company_domain"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM made.stages",
        "INSERT INTO made.stages (name, pipeline_id) VALUES ('x', 1)",
        "UPDATE made.stages SET name = 'x' WHERE id = 1",
        "SELECT pipedrive.duplicate_deal(1)",
    ],
)
def test_a_setting_that_no_session_can_make_is_an_error(stages: Extended, name: str, sql: str) -> None:
    stages.run(f"SET pipedrive.{name} = 'commit'")
    try:
        said = refusal(stages, sql)
    finally:
        stages.run(f"RESET pipedrive.{name}")
    assert said == (
        f"pipedrive option: pipedrive.{name} cannot be SET\n"
        f"RESET pipedrive.{name}, and ALTER SERVER … OPTIONS ({name} '…')."
    )
    assert stages.sent() == []
    assert stages.value("SELECT count(*) FROM made.stages WHERE id = 1") == 1


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
            "attrs.",
        ),
        (
            "name made.word",
            "column name of stages: type made.word is not supported\nThe types are: bigint, bigint[], "
            "boolean, bytea, date, interval, jsonb, numeric, text, text[], time, timestamptz, uuid, uuid[]; "
            "a domain over one of them is not.",
        ),
    ],
)
def test_a_column_that_cannot_be_served_is_an_error_that_says_what_can(
    stages: Extended, column: str, words: str
) -> None:
    stages.run("CREATE DOMAIN made.word AS text")
    stages.run(f"CREATE FOREIGN TABLE made.odd ({column}) SERVER pipedrive OPTIONS (table 'stages')")
    assert refusal(stages, "SELECT * FROM made.odd").startswith(f"pipedrive option: {words}")


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
