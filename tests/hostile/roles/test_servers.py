"""No role keeps another from using and changing what is theirs, or gets more of a server than it offers."""

from __future__ import annotations

import psycopg
import pytest

from tests.hostile.roles.conftest import TOKEN, Ground, one
from tests.hostile.roles.traps import ATTACKER

IN_THE_WAY = "CREATE FOREIGN TABLE {} (id bigint) SERVER pipedrive OPTIONS (table 'stages', page_size '90')"
CHANGE = "ALTER SERVER pipedrive OPTIONS (ADD page_size '80')"
OURS = "pipedrive_fdw.PipedriveFdw"


@pytest.fixture
def shared(installed: Ground) -> Ground:
    """The attacker may use the server."""
    installed.admin.execute(
        f"GRANT USAGE ON FOREIGN SERVER pipedrive TO {ATTACKER}; "
        f"CREATE USER MAPPING FOR {ATTACKER} SERVER pipedrive OPTIONS (api_token '{TOKEN}')"
    )
    return installed


@pytest.fixture
def owned(shared: Ground) -> Ground:
    """The attacker has the server *own*, and no right to any other wrapper."""
    shared.admin.execute(f"GRANT USAGE ON FOREIGN DATA WRAPPER pipedrive_fdw TO {ATTACKER}")
    shared.attacker().execute(
        f"CREATE SERVER own FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (base_url '{shared.simulator.url}')"
    )
    return shared


def limits(ground: Ground, session: psycopg.Connection[object], table: str) -> list[str]:
    """The page sizes that reading *table* asks for."""
    ground.simulator.reset()
    session.execute(f"SELECT * FROM {table}")  # type: ignore[arg-type]
    return [request["query"]["limit"] for request in ground.simulator.requests()]


# ---- tables in the way


@pytest.mark.parametrize("table", ["pg_temp.mine", f"{ATTACKER}.mine"])
def test_a_table_of_another_does_not_keep_the_owner_from_changing_the_server(
    shared: Ground, table: str
) -> None:
    """It has the option with another value, and its owner alone could drop it: that holds for it alone."""
    attacker = shared.attacker()
    attacker.execute(IN_THE_WAY.format(table))  # type: ignore[arg-type]
    said: list[str] = []
    shared.admin.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
    shared.admin.execute(CHANGE)
    assert said == []
    assert limits(shared, attacker, table) == ["90"]
    assert limits(shared, shared.admin, "pipedrive.stages") == ["80"]


def test_a_temporary_table_does_not_keep_the_extension_from_going_and_coming(shared: Ground) -> None:
    holder = shared.attacker()
    holder.execute(IN_THE_WAY.format("pg_temp.mine"))
    shared.admin.execute("DROP EXTENSION pipedrive_fdw CASCADE")
    assert one(holder, "SELECT to_regclass('pg_temp.mine')") is None
    shared.admin.execute("CREATE EXTENSION pipedrive_fdw; CREATE TABLE public.plain (id int)")
    holder.execute("CREATE TEMP TABLE mine (id int); ALTER TABLE mine ADD COLUMN b int; DROP TABLE mine")


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {}.parent ADD COLUMN nonsense int",
        "ALTER TABLE {}.parent RENAME COLUMN id TO nonsense",
    ],
)
def test_a_table_of_another_does_not_keep_one_from_changing_ones_own(shared: Ground, change: str) -> None:
    """It cannot inherit from a table of somebody else's, so that its check is none of their business."""
    shared.admin.execute("CREATE TABLE public.parent (id bigint)")
    shared.admin.execute(f"GRANT ALL ON public.parent TO {ATTACKER}")
    attacker = shared.attacker()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="must be owner of table parent"):
        attacker.execute(
            f"CREATE FOREIGN TABLE {ATTACKER}.child () INHERITS (public.parent) SERVER pipedrive "
            "OPTIONS (table 'stages')"
        )
    shared.admin.execute(change.format("public"))  # type: ignore[arg-type]


# What a role can make of a table of its own that no query can read.
BROKEN = {
    "columns": "SET check_function_bodies = off; "
    "CREATE FOREIGN TABLE an_attacker.broken (nonsense int) SERVER pipedrive OPTIONS (table 'deals')",
    "options": "SET check_function_bodies = off; "
    "CREATE FOREIGN TABLE an_attacker.broken (id int) SERVER pipedrive",
    "server": "CREATE FOREIGN TABLE an_attacker.broken (id int) SERVER own OPTIONS (table 'deals'); "
    "ALTER SERVER own OPTIONS (DROP base_url)",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_table_that_cannot_be_read_hinders_nobody_else(owned: Ground, how: str) -> None:
    """Everybody's look at what tables there are failed at one that is broken."""
    owned.attacker().execute(BROKEN[how])  # type: ignore[arg-type]
    owned.attacker().execute(f"GRANT ALL ON {ATTACKER}.broken TO PUBLIC")
    with pytest.raises(psycopg.Error, match="pipedrive option: "):
        owned.admin.execute(f"SELECT * FROM {ATTACKER}.broken")
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_name IN ('broken', 'deals')"
    assert one(owned.admin, tables) == 2
    assert one(owned.admin, "SELECT count(*) FROM information_schema.columns") > 99
    owned.admin.execute("SELECT * FROM pipedrive.foreign_tables(); SELECT * FROM pipedrive.foreign_keys()")
    owned.admin.execute("CREATE TABLE public.plain (id int); ALTER TABLE public.plain ADD COLUMN b int")
    assert one(owned.admin, "SELECT count(*) FROM pipedrive.stages") > 0


# ---- COPY


@pytest.mark.parametrize(
    "setting",
    ["standard_conforming_strings = off", "quote_all_identifiers = on", "check_function_bodies = off"],
)
def test_no_setting_of_the_session_lets_copy_in(shared: Ground, setting: str) -> None:
    """Backslashes in a pattern meant something else then, and COPY crashed the server."""
    shared.admin.execute(f"GRANT USAGE ON SCHEMA pipedrive TO {ATTACKER}")
    shared.admin.execute(f"GRANT INSERT ON pipedrive.persons TO {ATTACKER}")
    attacker = shared.attacker()
    attacker.execute(f"SET {setting}")  # type: ignore[arg-type]
    copying = attacker.cursor().copy("COPY pipedrive.persons (name) FROM STDIN")
    with (
        pytest.raises(psycopg.errors.FeatureNotSupported, match="COPY into persons is not possible"),
        copying as copy,
    ):
        copy.write("Anna\n")
    assert one(attacker, "SELECT 1") == 1


# ---- which class serves a server


@pytest.mark.parametrize(
    "change",
    [
        "SET wrapper 'x'",
        "SET wrapper 'os.system'",
        "SET wrapper 'pipedrive_fdw.fdw.PipedriveFdw'",
        "SET wrapper 'multicorn.fsfdw.FilesystemFdw', ADD root_dir '/'",
        "SET wrapper ''",
    ],
)
def test_the_owner_of_a_server_chooses_no_class(owned: Ground, change: str) -> None:
    """Any class of Python could be loaded by it, as the operating system user of the server."""
    attacker = owned.attacker()
    with pytest.raises(psycopg.errors.FdwInvalidOptionName, match=f"the option wrapper can only be {OURS}"):
        attacker.execute(f"ALTER SERVER own OPTIONS ({change})")  # type: ignore[arg-type]
    option = change.replace("SET ", "").replace("ADD ", "")
    with pytest.raises(psycopg.errors.FdwInvalidOptionName, match=f"the option wrapper can only be {OURS}"):
        attacker.execute(
            f"CREATE SERVER more FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS ({option})"  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(
    "change", ["DROP wrapper", "DROP wrapper, ADD page_size '7'", f"SET wrapper '{OURS}'"]
)
def test_the_class_stays_when_it_is_dropped(owned: Ground, change: str) -> None:
    attacker = owned.attacker()
    attacker.execute(f"ALTER SERVER own OPTIONS ({change})")  # type: ignore[arg-type]
    attacker.execute("ALTER SERVER own RENAME TO renamed; ALTER SERVER renamed RENAME TO own")
    options = one(attacker, "SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'own'")
    assert f"wrapper={OURS}" in options
    attacker.execute(
        f"CREATE USER MAPPING FOR {ATTACKER} SERVER own OPTIONS (api_token '{TOKEN}'); "
        f"CREATE FOREIGN TABLE {ATTACKER}.stages (id bigint) SERVER own OPTIONS (table 'stages')"
    )
    assert one(attacker, f"SELECT count(*) FROM {ATTACKER}.stages") > 0


@pytest.mark.parametrize("wrapper", [OURS, "pipedrive_fdw.fdw.PipedriveFdw"])
def test_nobody_comes_to_the_class_past_the_checks(owned: Ground, wrapper: str) -> None:
    """By Multicorn itself secrets could stand on a server, and files be read by naming them."""
    attacker = owned.attacker()
    made = (
        f"CREATE SERVER past FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper '{wrapper}', "
        "secrets_file '/etc/passwd')"
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="foreign-data wrapper multicorn"):
        attacker.execute(made)  # type: ignore[arg-type]
    owned.admin.execute(f"GRANT USAGE ON FOREIGN DATA WRAPPER multicorn TO {ATTACKER}")
    for session in (attacker, owned.admin):
        with pytest.raises(
            psycopg.errors.FdwInvalidOptionName, match="created with FOREIGN DATA WRAPPER multicorn"
        ):
            session.execute(made)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "command",
    [
        "ALTER FOREIGN TABLE an_attacker.mine OPTIONS (ADD wrapper 'x')",
        "ALTER USER MAPPING FOR an_attacker SERVER pipedrive OPTIONS (ADD wrapper 'x')",
        "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals) FROM SERVER pipedrive INTO an_attacker "
        "OPTIONS (wrapper 'x')",
    ],
)
def test_the_class_is_named_in_no_other_place(shared: Ground, command: str) -> None:
    attacker = shared.attacker()
    attacker.execute(IN_THE_WAY.format(f"{ATTACKER}.mine"))
    with pytest.raises(psycopg.errors.FdwInvalidOptionName, match='there is no option "wrapper" for '):
        attacker.execute(command)  # type: ignore[arg-type]


# ---- the function that sends everything


ASK = 'SELECT pipedrive_internal.ask({}, \'{{"method": "GET", "path": "/v2/stages"}}\')'


def oid_of(ground: Ground, server: str) -> str:
    return str(one(ground.admin, f"SELECT oid FROM pg_foreign_server WHERE srvname = '{server}'"))


def test_it_sends_no_secret_of_another_wrapper(owned: Ground) -> None:
    """Whose options have the same names, and whose USAGE and mapping the attacker has for something else."""
    owned.admin.execute(
        "CREATE FOREIGN DATA WRAPPER others; "
        "CREATE SERVER others FOREIGN DATA WRAPPER others "
        f"OPTIONS (base_url '{owned.simulator.url}'); "
        f"CREATE USER MAPPING FOR {ATTACKER} SERVER others OPTIONS (api_token '{TOKEN}'); "
        f"GRANT USAGE ON FOREIGN SERVER others TO {ATTACKER}; "
        "CREATE SERVER another FOREIGN DATA WRAPPER multicorn "
        f"OPTIONS (base_url '{owned.simulator.url}', wrapper 'multicorn.ForeignDataWrapper'); "
        f"CREATE USER MAPPING FOR {ATTACKER} SERVER another OPTIONS (api_token '{TOKEN}'); "
        f"GRANT USAGE ON FOREIGN SERVER another TO {ATTACKER}"
    )
    attacker = owned.attacker()
    with pytest.raises(psycopg.Error, match='foreign-data wrapper "others" has no handler'):
        attacker.execute(ASK.format(oid_of(owned, "others")))  # type: ignore[arg-type]
    with pytest.raises(psycopg.errors.WrongObjectType, match="another is no server of Pipedrive"):
        attacker.execute(ASK.format(oid_of(owned, "another")))  # type: ignore[arg-type]
    assert owned.simulator.requests() == []


def test_it_sends_with_the_mapping_of_its_caller(owned: Ground) -> None:
    attacker = owned.attacker()
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="no API token is known"):
        attacker.execute(ASK.format(oid_of(owned, "own")))  # type: ignore[arg-type]
    attacker.execute(f"CREATE USER MAPPING FOR {ATTACKER} SERVER own OPTIONS (api_token '{TOKEN}')")
    assert len(one(attacker, ASK.format(oid_of(owned, "own")))) > 0
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="no API token is known"):
        owned.admin.execute(ASK.format(oid_of(owned, "own")))  # type: ignore[arg-type]


@pytest.mark.parametrize("number", ["0", "1", "pg_my_temp_schema()", "4294967295"])
def test_a_number_that_is_no_server_is_an_error(shared: Ground, number: str) -> None:
    with pytest.raises(psycopg.Error, match="cache lookup failed for foreign server"):
        shared.attacker().execute(ASK.format(number))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("'null'", "a request must be a jsonb object, and is null"),
        ("'[]'", "a request must be a jsonb object"),
        ("'\"DELETE\"'", "a request must be a jsonb object"),
        ("'{}'", "None is not a method"),
        ("'{\"method\": [\"GET\"]}'", "is not a method"),
        ("'{\"method\": \"GET\"}'", "'None' is not a path"),
        ("'{\"method\": \"GET\", \"path\": {\"a\": 1}}'", "is not a path"),
        ("'{\"method\": \"GET\", \"path\": \"/v1/../../oauth\"}'", "is not a path"),
        ("'{\"method\": \"GET\", \"path\": \"/v2/deals#\"}'", "is not a path"),
        ("'{\"method\": \"GET\", \"path\": \"/v2/deals\\\\r\\\\nx: y\"}'", "is not a path"),
        ("'{\"method\": \"GET\", \"path\": \"//elsewhere.example/v2/deals\"}'", "is not a path"),
        ("'{\"method\": \"GET\\\\r\\\\nx: y\", \"path\": \"/v2/deals\"}'", "is not a method"),
        ("jsonb_build_object('method', repeat('9', 9999)::numeric)", "is not a method"),
        ("jsonb_build_object('method', 'GET', 'path', '/v2/deals', 'query', repeat('9', 9999)::numeric)",
         "query cannot be sent"),
        ("jsonb_build_object('method', 'POST', 'path', '/v2/deals', 'body', "
         "(repeat('[', 400) || repeat(']', 400))::jsonb)", "the request cannot be read"),
        ("(repeat('[', 3000) || repeat(']', 3000))::jsonb", "pipedrive write: "),
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_an_error_and_nothing_is_sent(
    shared: Ground, request_: str, words: str
) -> None:
    attacker = shared.attacker()
    with pytest.raises(psycopg.Error, match=words) as caught:
        attacker.execute(
            f"SELECT pipedrive_internal.ask({oid_of(shared, 'pipedrive')}, {request_})"  # type: ignore[arg-type]
        )
    assert caught.value.sqlstate == "22000"
    assert shared.simulator.requests() == []
    assert one(attacker, ASK.format(oid_of(shared, "pipedrive")))


@pytest.mark.parametrize("name", ['"nothing"', "null", '["deals"]', '{"deals": 1}', "7"])
def test_the_fields_of_what_is_no_table_are_an_error(shared: Ground, name: str) -> None:
    with pytest.raises(psycopg.Error, match="pipedrive option: Pipedrive has no table"):
        shared.attacker().execute(
            f"SELECT pipedrive_internal.ask({oid_of(shared, 'pipedrive')}, '{{\"fields\": {name}}}')"  # type: ignore[arg-type]
        )
    assert shared.simulator.requests() == []


def test_it_spends_no_more_than_the_server_allows(shared: Ground) -> None:
    """The price of a request is not what its sender says."""
    shared.admin.execute("ALTER SERVER pipedrive OPTIONS (ADD max_tokens_per_query '39')")
    attacker = shared.attacker()
    for path in ("/v1/deals/1/merge", "/v1/persons/1/merge"):
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="more than 39 API tokens"):
            attacker.execute(
                f"SELECT pipedrive_internal.ask({oid_of(shared, 'pipedrive')}, jsonb_build_object("
                f"'method', 'PUT', 'path', '{path}', 'tokens', 0, 'body', "  # type: ignore[arg-type]
                "jsonb_build_object('merge_with_id', 2)))"
            )
    assert shared.simulator.requests() == []


# ---- what the server closes


def test_a_server_that_is_closed_for_writing_stays_so(shared: Ground) -> None:
    shared.admin.execute("ALTER SERVER pipedrive OPTIONS (ADD updatable 'false')")
    attacker = shared.attacker()
    attacker.execute(
        f"CREATE FOREIGN TABLE {ATTACKER}.persons (id bigint, name text) SERVER pipedrive "
        "OPTIONS (table 'persons', updatable 'true')"
    )
    with pytest.raises(psycopg.Error, match="setting pipedrive.updatable|reserved prefix"):
        attacker.execute("SET pipedrive.updatable = 'true'")
        attacker.execute(f"INSERT INTO {ATTACKER}.persons (name) VALUES ('x')")
    attacker = shared.attacker()
    for sql in (
        f"INSERT INTO {ATTACKER}.persons (name) VALUES ('x')",
        f"UPDATE {ATTACKER}.persons SET name = 'x'",
        f"DELETE FROM {ATTACKER}.persons",
        "SELECT pipedrive_internal.send('pipedrive', 'POST', '/v1/deals/1/duplicate')",
    ):
        with pytest.raises(psycopg.Error, match="forbidden here"):
            attacker.execute(sql)  # type: ignore[arg-type]
    assert [r["path"] for r in shared.simulator.requests() if r["method"] != "GET"] == []
