"""Several accounts: what a function sends reaches the account that is named, whatever the names are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.hostile.roles.conftest import TOKEN, Ground, connect_role
from tests.simulator import Simulator

LONG = "r" * 63


@pytest.fixture(scope="module")
def other() -> Iterator[Simulator]:
    """A second account."""
    running = Simulator(token=TOKEN, deals=40)
    running.start()
    yield running
    running.stop()


def merges(simulator: Simulator) -> list[str]:
    return [request["path"] for request in simulator.requests() if request["path"].endswith("/merge")]


@pytest.fixture
def user(ground: Ground, other: Simulator) -> Iterator[psycopg.Connection[Any]]:
    """A session of a role with a long name; two servers, whose names begin alike."""
    other.reset()
    ground.admin.execute("CREATE EXTENSION pipedrive_fdw")
    ground.admin.execute(
        f"CREATE ROLE {LONG}; GRANT USAGE ON SCHEMA pipedrive TO {LONG}; "
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pipedrive TO {LONG}"
    )
    connect_role(ground, LONG, "pipedrive", ground.simulator)
    connect_role(ground, LONG, "pipedrive_us", other)
    return ground.connect(LONG)


def test_the_named_server_is_reached_from_a_role_with_a_long_name(
    ground: Ground, user: psycopg.Connection[Any], other: Simulator
) -> None:
    """The session's table for requests had a name of role and server, which PostgreSQL cuts at 63 bytes."""
    user.execute("SELECT pipedrive.merge_deals(1, 2, server => 'pipedrive')")
    user.execute("SELECT pipedrive.merge_deals(3, 4, server => 'pipedrive_us')")
    user.execute("SELECT pipedrive.merge_deals(5, 6, server => 'pipedrive')")
    assert merges(ground.simulator) == ["/api/v1/deals/1/merge", "/api/v1/deals/5/merge"]
    assert merges(other) == ["/api/v1/deals/3/merge"]


def test_a_server_of_a_name_that_was_anothers_is_reached(
    ground: Ground, user: psycopg.Connection[Any], other: Simulator
) -> None:
    user.execute("SELECT pipedrive.merge_deals(1, 2, server => 'pipedrive')")
    ground.admin.execute(
        "ALTER SERVER pipedrive RENAME TO former; ALTER SERVER pipedrive_us RENAME TO pipedrive"
    )
    user.execute("SELECT pipedrive.merge_deals(3, 4, server => 'pipedrive')")
    user.execute("SELECT pipedrive.merge_deals(5, 6, server => 'former')")
    assert merges(ground.simulator) == ["/api/v1/deals/1/merge", "/api/v1/deals/5/merge"]
    assert merges(other) == ["/api/v1/deals/3/merge"]


def test_each_role_of_a_session_has_its_own_table(ground: Ground, user: psycopg.Connection[Any]) -> None:
    """As after SET ROLE behind a pooler: two roles whose names differ in their last letter."""
    role = LONG[:-1] + "s"
    ground.admin.execute(f"CREATE ROLE {role}; GRANT {LONG} TO {role}")
    ground.admin.execute(f"GRANT USAGE ON FOREIGN SERVER pipedrive TO {role}")
    ground.admin.execute(f"CREATE USER MAPPING FOR {role} SERVER pipedrive OPTIONS (api_token '{TOKEN}')")
    session = ground.connect()
    for name in (LONG, role):
        session.execute(f"SET ROLE {name}")
        session.execute("SELECT pipedrive.duplicate_deal(1, server => 'pipedrive')")
    owners = session.execute(
        "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = pg_my_temp_schema() ORDER BY 1"
    ).fetchall()
    assert owners == [(LONG,), (role,)]
