"""What the administrator sets on server or table, a session makes stricter and never laxer."""

from __future__ import annotations

import psycopg
import pytest

from tests.hostile.roles.conftest import TOKEN, Ground, one
from tests.hostile.roles.traps import ATTACKER

FOLLOWERS = "SELECT count(*) FROM pipedrive.deal_followers"
STAGES = "SELECT count(*) FROM pipedrive.stages"
REQUEST = "SELECT pipedrive.request('GET', '/v2/stages')"
# Whatever a role can set by itself, before a statement or around it
WAYS = {
    "SET": ("SET pipedrive.{name} = '{value}'", "{sql}"),
    "SET LOCAL": ("BEGIN; SET LOCAL pipedrive.{name} = '{value}'", "{sql}"),
    "set_config": ("SELECT set_config('pipedrive.{name}', '{value}', false)", "{sql}"),
    "a function": (
        "EXPLAIN SELECT FROM pipedrive.stages; "  # so that the settings are known
        f"CREATE FUNCTION {ATTACKER}.f() RETURNS void LANGUAGE plpgsql SET pipedrive.{{name}} = '{{value}}' "
        "AS $$ BEGIN EXECUTE '{quoted}'; END $$",
        f"SELECT {ATTACKER}.f()",
    ),
}


@pytest.fixture
def account(installed: Ground) -> Ground:
    """A role that may read everything, with a mapping of its own."""
    installed.admin.execute(
        "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deal_followers, filters) FROM SERVER pipedrive "
        f"INTO pipedrive; GRANT USAGE ON FOREIGN SERVER pipedrive TO {ATTACKER}; "
        f"GRANT USAGE ON SCHEMA pipedrive TO {ATTACKER}; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA pipedrive TO {ATTACKER}; "
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pipedrive TO {ATTACKER}; "
        f"CREATE USER MAPPING FOR {ATTACKER} SERVER pipedrive OPTIONS (api_token '{TOKEN}')"
    )
    installed.simulator.reset()
    return installed


def asked(account: Ground, sql: str, way: str, name: str, value: str) -> tuple[str, int]:
    """The SQLSTATE of *sql* ('' where it ended well) and how many requests it sent, for an attacker who has
    set *name* to *value* by *way*."""
    before, statement = WAYS[way]
    words = {"name": name, "value": value, "sql": sql, "quoted": sql.replace("'", "''")}
    session = account.attacker()
    session.execute(before.format(**words))  # type: ignore[arg-type]
    account.simulator.reset()
    state = ""
    try:
        session.execute(statement.format(**words))  # type: ignore[arg-type]
    except psycopg.Error as error:
        state = str(error.sqlstate)
    return state, len(account.simulator.requests())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("option", "value", "sql"),
    [
        ("max_tokens_per_query '4'", "1000000000", STAGES),
        ("max_tokens_per_query '4'", "1000000000", REQUEST),
        ("reserve_tokens '1000000'", "0", STAGES),
        ("reserve_tokens '1000000'", "0", REQUEST),
    ],
    ids=["most, table", "most, function", "reserve, table", "reserve, function"],
)
def test_a_guard_of_the_server(account: Ground, way: str, option: str, value: str, sql: str) -> None:
    account.admin.execute(f"ALTER SERVER pipedrive OPTIONS (ADD {option})")  # type: ignore[arg-type]
    assert asked(account, sql, way, option.split()[0], value) == ("53400", 0)


def test_a_guard_of_the_table(account: Ground) -> None:
    account.admin.execute("ALTER FOREIGN TABLE pipedrive.stages OPTIONS (ADD max_tokens_per_query '4')")
    assert asked(account, STAGES, "SET", "max_tokens_per_query", "1000") == ("53400", 0)
    assert asked(account, REQUEST, "SET", "max_tokens_per_query", "1000") == ("", 1)


@pytest.mark.parametrize(("value", "state"), [("4999", ""), ("5000", ""), ("4", "53400")])
def test_a_session_is_as_strict_as_it_likes(account: Ground, value: str, state: str) -> None:
    """Also where the option says what holds without it."""
    account.admin.execute("ALTER SERVER pipedrive OPTIONS (ADD max_tokens_per_query '5000')")
    assert asked(account, STAGES, "SET", "max_tokens_per_query", value)[0] == state


def test_what_holds_without_an_option_is_no_ceiling_but_given_it_is_one(account: Ground) -> None:
    account.admin.execute("ALTER SERVER pipedrive OPTIONS (ADD cache_ttl '0')")
    session = account.attacker()
    session.execute("SET pipedrive.cache_ttl = 600")
    for _ in range(2):
        account.simulator.reset()
        session.execute(STAGES)
        assert len(account.simulator.requests()) == 1
    account.admin.execute("ALTER SERVER pipedrive OPTIONS (DROP cache_ttl)")
    session.execute(STAGES)
    account.simulator.reset()
    session.execute(STAGES)
    assert account.simulator.requests() == []


def test_who_owns_a_table_gives_it_options_of_its_own(account: Ground) -> None:
    """As docs/security.md says: the guards protect from accidents."""
    account.admin.execute("ALTER SERVER pipedrive OPTIONS (ADD max_tokens_per_query '4')")
    attacker = account.attacker()
    attacker.execute(
        f"CREATE FOREIGN TABLE {ATTACKER}.mine (id bigint) SERVER pipedrive "
        "OPTIONS (table 'stages', max_tokens_per_query '1000')"
    )
    assert one(attacker, f"SELECT count(*) FROM {ATTACKER}.mine") > 0
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        attacker.execute(STAGES)  # type: ignore[arg-type]


def test_extended_requests_that_are_suppressed_stay_so(account: Ground) -> None:
    account.admin.execute("ALTER SERVER pipedrive OPTIONS (ADD suppress_extended_requests 'true')")
    conditions = "SELECT count(conditions) FROM pipedrive.filters"
    session = account.attacker()
    session.execute("SET pipedrive.suppress_extended_requests = 'false'")
    assert one(session, conditions) == 0
    account.admin.execute("ALTER SERVER pipedrive OPTIONS (DROP suppress_extended_requests)")
    assert one(session, conditions) > 0
    session.execute("SET pipedrive.suppress_extended_requests = 'true'")
    assert one(session, conditions) == 0


def test_the_hint_says_that_there_is_a_ceiling(account: Ground) -> None:
    account.admin.execute("ALTER SERVER pipedrive OPTIONS (ADD max_tokens_per_query '30')")
    with pytest.raises(psycopg.Error, match="would spend more than 30 API tokens") as caught:
        account.attacker().execute(FOLLOWERS)  # type: ignore[arg-type]
    assert "a session cannot exceed it" in str(caught.value.diag.message_hint)
