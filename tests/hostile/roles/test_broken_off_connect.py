"""A connect that is broken off shows no secret: not in its error, and not in the server's log."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.hostile.roles.conftest import Ground, one
from tests.live import without_timeout

SECRET = "s3cret-that-nobody-may-see"
# The secret is a parameter of the client's statement, so that only the function's own could show it.
CONNECT = (
    "SELECT pipedrive.connect(base_url => %s, server => 'another', schema => 'another', "
    "mapping_options => jsonb_build_object('api_token', %s::text))"
)


@pytest.fixture
def slow(ground: Ground) -> Iterator[Ground]:
    """CREATE USER MAPPING takes long: an event trigger of the administrator's waits."""
    begin = ground.server.log.stat().st_size
    ground.admin.execute("CREATE EXTENSION pipedrive_fdw")
    ground.admin.execute(
        "CREATE FUNCTION public.wait() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(10); END $$; "
        "CREATE EVENT TRIGGER wait ON ddl_command_end WHEN TAG IN ('CREATE USER MAPPING') "
        "EXECUTE FUNCTION public.wait()"
    )
    yield ground
    assert SECRET not in ground.server.log_since(begin)


def said(error: psycopg.Error) -> str:
    """Every part of *error* that a client can show."""
    diag = error.diag
    parts = (diag.message_primary, diag.message_detail, diag.message_hint, diag.context, diag.internal_query)
    return "\n".join(part or "" for part in parts)


def connect(ground: Ground, session: psycopg.Connection[Any]) -> None:
    session.execute(CONNECT, (ground.simulator.url, SECRET))


def test_a_timeout(slow: Ground) -> None:
    session = slow.connect()
    session.execute("SET statement_timeout = 200")
    with pytest.raises(psycopg.errors.QueryCanceled) as caught:
        connect(slow, session)
    assert SECRET not in said(caught.value)
    assert caught.value.diag.message_primary == "canceling statement due to statement timeout"
    assert one(session, "SELECT count(*) FROM pg_foreign_server WHERE srvname = 'another'") == 0


def test_a_cancel(slow: Ground) -> None:
    session = slow.connect()
    pid = session.info.backend_pid
    waits = f"SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {pid}"

    def cancel() -> None:
        with slow.connect() as other:
            while not one(other, waits):
                pass
            other.execute(f"SELECT pg_cancel_backend({pid})")

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(psycopg.errors.QueryCanceled) as caught:
        connect(slow, session)
    canceller.join()
    assert SECRET not in said(caught.value)
    assert caught.value.diag.message_primary == "canceling statement due to user request"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("ASSERT false, 'not so'", psycopg.errors.AssertFailure),
        ("RAISE EXCEPTION 'no mapping'", psycopg.errors.RaiseException),
        ("PERFORM 1 / 0", psycopg.errors.DivisionByZero),
    ],
)
def test_an_error(slow: Ground, statement: str, kind: type[psycopg.Error]) -> None:
    slow.admin.execute(
        "CREATE OR REPLACE FUNCTION public.wait() RETURNS event_trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {statement}; END $$"  # type: ignore[arg-type]
    )
    with pytest.raises(kind) as caught:
        connect(slow, slow.admin)
    assert SECRET not in said(caught.value)


def test_a_timeout_at_any_moment(slow: Ground) -> None:
    """Twice at each millisecond, until the API has been asked and has refused the secret."""
    slow.admin.execute("DROP EVENT TRIGGER wait")
    session = slow.connect()
    broken_off = set()
    for number in range(1, 160):
        session.execute(f"SET statement_timeout = {1 + number // 2}")
        with pytest.raises(psycopg.Error) as caught:
            connect(slow, session)
        without_timeout(session)
        assert SECRET not in said(caught.value)
        broken_off.add(caught.value.sqlstate)
    assert "57014" in broken_off
