"""Several accounts: what a function sends reaches the account that is named, whatever the names are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.hostile.roles.conftest import TOKEN, Ground, connect_role, one
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


def test_each_role_of_a_session_sends_with_its_own_mapping(
    ground: Ground, user: psycopg.Connection[Any]
) -> None:
    """As after SET ROLE behind a pooler: two roles whose names differ in their last letter."""
    role, token = LONG[:-1] + "s", "another-token"
    ground.simulator.configure({"users_tokens": {TOKEN: 1, token: 2}})
    ground.admin.execute(
        f"CREATE ROLE {role}; GRANT {LONG} TO {role}; GRANT USAGE ON FOREIGN SERVER pipedrive TO {role}; "
        f"CREATE USER MAPPING FOR {role} SERVER pipedrive OPTIONS (api_token '{token}')"
    )
    session = ground.connect()
    me = "SELECT pipedrive.request('GET', '/v1/users/me', server => 'pipedrive') ->> 'id'"
    for name, number in ((LONG, "1"), (role, "2"), (LONG, "1")):
        session.execute(f"SET ROLE {name}")  # type: ignore[arg-type]
        assert one(session, me) == number
