"""A copy and what stands beside it: pg_cron runs it, a logical subscriber carries it on."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.live import connection_parameters
from tests.sync.copied import Copied, tool
from tools.engine import Server

_SECONDS = 60


def until(done: Callable[[], Any]) -> None:
    """Returns when *done* is true, which another process brings about."""
    end = time.monotonic() + _SECONDS
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def subscribed(
    copied: Copied, published: str, dumped: tuple[str, ...], file: Path
) -> Iterator[psycopg.Connection[Any]]:
    """A session on a database that subscribes to what is *published*, with the schema that pg_dump made of
    what the options *dumped* say."""
    server, far = copied.server, f"{copied.database.database}_far"
    copied.run(f"CREATE PUBLICATION copy {published}")
    copied.rows("SELECT pg_create_logical_replication_slot('copy', 'pgoutput')")
    copied.run(f"CREATE DATABASE {far}")
    tool(server, "pg_dump", *dumped, f"--file={file}", "--schema-only", copied.database.dsn)
    tool(server, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(file), server.dsn_of(far))
    password = connection_parameters(server)["password"]
    link = psycopg.conninfo.make_conninfo(copied.database.dsn, password=password, passfile=None)
    with psycopg.connect(server.dsn_of(far), autocommit=True) as subscriber:
        create = "CREATE SUBSCRIPTION copy CONNECTION '{}' PUBLICATION copy WITH (create_slot = false)"
        subscriber.execute(create.format(link))  # type: ignore[arg-type]
        try:
            yield subscriber
        finally:
            # Without its slot: older minor releases of PostgreSQL drop that by a connection to the server
            # while they hold a lock for which it may wait, and then all later connections wait too.
            subscriber.execute("ALTER SUBSCRIPTION copy DISABLE")
            subscriber.execute("ALTER SUBSCRIPTION copy SET (slot_name = NONE)")
            subscriber.execute("DROP SUBSCRIPTION copy")
    until(lambda: copied.rows("SELECT FROM pg_replication_slots WHERE slot_name = 'copy' AND NOT active"))
    copied.rows("SELECT pg_drop_replication_slot('copy')")
    copied.run(f"DROP DATABASE {far}")


def equal(copied: Copied, subscriber: psycopg.Connection[Any], tables: Iterable[str]) -> bool:
    """Whether the subscriber has the rows of *tables*, and no others."""
    return all(
        Counter(row for (row,) in subscriber.execute(f"SELECT t::text FROM {table} t"))  # type: ignore[arg-type]
        == Counter(row for (row,) in copied.rows(f"SELECT t::text FROM {table} t"))
        for table in tables
    )


def test_a_logical_subscriber_equals_the_copy(server: Server, tmp_path: Path) -> None:
    names = ("deals", "persons", "person_emails", "stages")
    tables = [f"crm.{name}" for name in names]
    with Copied(server, deals=20) as copied:
        copied.mirror(names)
        copied.sync()
        published = f"FOR TABLE {', '.join(tables)}"
        with subscribed(copied, published, ("--schema=crm",), tmp_path / "schema.sql") as subscriber:
            until(lambda: equal(copied, subscriber, tables))
            changed = {"title": "changed", "update_time": "2026-09-01T12:00:00Z"}
            emails = {"emails": [], "update_time": "2026-09-01T12:00:00Z"}
            copied.simulator.change(
                [
                    {"method": "PATCH", "path": "deals/5", "body": changed},
                    {"method": "DELETE", "path": "deals/6"},
                    {"method": "PATCH", "path": "persons/3", "body": emails},
                ]
            )
            copied.sync(more=", reconcile => true")
            assert copied.different() == {}
            until(lambda: equal(copied, subscriber, tables))
            assert copied.value("SELECT title FROM crm.deals WHERE id = 5") == "changed"


def test_a_subscriber_to_all_tables_has_each_version_once_and_goes_on(server: Server, tmp_path: Path) -> None:
    """As a server is moved to a new version of PostgreSQL: what the history has comes by its own table."""
    tables = ("crm.deals", "crm.stages", "crm_history.deals", "crm_history.stages")
    change = "UPDATE pipedrive.deals SET title = '{}' WHERE id IN (5, 6)"
    with Copied(server, deals=20) as copied:
        copied.mirror(["deals", "stages"], ", history => true")
        copied.sync()
        with subscribed(copied, "FOR ALL TABLES", (), tmp_path / "schema.sql") as subscriber:
            until(
                lambda: (
                    subscriber.execute(
                        "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel"
                    ).fetchone()
                    == (True,)
                )
            )
            copied.run(change.format("before"))
            copied.sync()
            copied.run("TRUNCATE crm.stages")
            copied.sync()
            until(lambda: equal(copied, subscriber, tables))
            subscriber.execute("ALTER SUBSCRIPTION copy DISABLE")
            copied.run(change.format("after"))
            subscriber.execute("CALL pipedrive.sync()")
            now = "pipedrive.as_of('crm.deals', now())"
            shown = subscriber.execute(f"SELECT o ->> 'title' FROM {now} o WHERE o ->> 'id' IN ('5', '6')")
            assert shown.fetchall() == [("after",), ("after",)]


def test_a_schedule_is_made_of_single_lines(server: Server) -> None:
    """psql shows a row of several lines with a plus sign after each, which nobody wants in a file."""
    with Copied(server, deals=5) as copied:
        lines = [line for (line,) in copied.rows("SELECT * FROM pipedrive.schedule('15 minutes')")]
        database, role, port = copied.rows(
            "SELECT current_database()::text, current_user::text, inet_server_port()::text"
        )[0]
    command = f"psql -X -q -p {port} -d {database} -U {role} -c 'CALL pipedrive.sync()'"
    assert lines == [
        "-- With pg_cron:",
        f"SELECT cron.schedule('pipedrive {database}', '*/15 * * * *', 'CALL pipedrive.sync()');",
        "# Or a line of crontab:",
        f"*/15 * * * * {command}",
        "# Or a timer of systemd, pipedrive-sync.timer:",
        "[Timer]",
        "OnUnitActiveSec=15min",
        "OnBootSec=15min",
        "[Install]",
        "WantedBy=timers.target",
        "# and pipedrive-sync.service:",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={command}",
    ]


def test_an_interval_that_cron_cannot_keep_is_refused(server: Server) -> None:
    with Copied(server, deals=5) as copied:
        for every in ("30 seconds", "90 seconds", "7 minutes", "0", "-1 hour", "2000000 years"):
            with pytest.raises(psycopg.errors.InvalidParameterValue, match="cron has no schedule for"):
                copied.rows(f"SELECT pipedrive.schedule('{every}')")


@pytest.mark.parametrize("name", ["It's 50% of $HOME", "host=no where", "a\"b\\'c", "ünï"])
def test_a_schedule_may_be_of_a_database_and_a_role_of_any_name(
    server: Server, name: str, tmp_path: Path
) -> None:
    """The words that psql gets from cron and its shell, and from systemd."""
    quoted = '"' + name.replace('"', '""') + '"'
    psql = tmp_path / "psql"
    psql.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" > {tmp_path}/words\n")
    psql.chmod(0o755)
    with psycopg.connect(server.dsn_of("template1"), autocommit=True) as first:
        try:
            first.execute(f"CREATE ROLE {quoted} SUPERUSER")  # type: ignore[arg-type]
            first.execute(f"CREATE DATABASE {quoted}")  # type: ignore[arg-type]
            with psycopg.connect(server.dsn_of("template1"), dbname=name, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION pipedrive_fdw CASCADE")
                connection.execute(f"SET ROLE {quoted}")  # type: ignore[arg-type]
                connection.execute("SET standard_conforming_strings = off")
                lines = [line for (line,) in connection.execute("SELECT pipedrive.schedule('1 hour')")]
        finally:
            first.execute(f"DROP DATABASE IF EXISTS {quoted}")  # type: ignore[arg-type]
            first.execute(f"DROP ROLE {quoted}")  # type: ignore[arg-type]
    for words in (by_cron(lines, tmp_path), by_systemd(lines)):
        port = psycopg.conninfo.conninfo_to_dict(server.dsn)["port"]
        assert words[:5] == ["-X", "-q", "-p", port, "-d"]
        assert words[6:] == ["-U", name, "-c", "CALL pipedrive.sync()"]
        assert psycopg.conninfo.conninfo_to_dict(words[5]) == {"dbname": name}


def by_cron(lines: list[str], path: Path) -> list[str]:
    """What the shell passes to a program psql in *path*."""
    (line,) = [line for line in lines if line.startswith("0 * * * * ")]
    command = line[len("0 * * * * ") :]
    assert not re.search(r"(?<!\\)%", command)
    environment = {"PATH": f"{path}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", command.replace("\\%", "%")], env=environment, check=True)  # noqa: S603, S607
    return (path / "words").read_text().split("\0")[:-1]


def by_systemd(lines: list[str]) -> list[str]:
    """What systemd.service(5) and systemd.syntax(7) say of a line that has words in single quotes."""
    (line,) = [line for line in lines if line.startswith("ExecStart=psql ")]
    words = [
        re.sub(r"\\(.)", r"\1", whole[1:-1] if whole.startswith("'") else whole)
        for whole in re.findall(r"'(?:[^'\\]|\\.)*'|\S+", line[len("ExecStart=psql ") :])
    ]
    for word in words:
        assert not re.search(r"[%$]", word.replace("%%", "").replace("$$", ""))
    return [word.replace("%%", "%").replace("$$", "$") for word in words]


def test_pg_cron_runs_it(server: Server) -> None:
    if not server.psql().query("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_cron'"):
        pytest.skip("this server has no pg_cron")
    with Server() as own, Copied(own, deals=5) as copied:
        copied.mirror(["stages", "deals"])
        own.settings.update(
            {
                "shared_preload_libraries": "pg_cron",
                "cron.database_name": copied.database.database,
                "cron.use_background_workers": "on",
            }
        )
        own.restart()
        copied.connect_anew()
        copied.run("CREATE EXTENSION pg_cron")
        lines = [line for (line,) in copied.rows("SELECT * FROM pipedrive.schedule('15 minutes')")]
        (command,) = [line for line in lines if line.startswith("SELECT cron.schedule(")]
        copied.run(command)
        job = copied.rows("SELECT schedule, command, active FROM cron.job")
        assert job == [("*/15 * * * *", "CALL pipedrive.sync()", True)]
        # It begins with the server, for nobody waits for a quarter of an hour.
        copied.run("UPDATE cron.job SET schedule = '@reboot'")
        own.restart()
        copied.connect_anew()
        ended = "SELECT status, return_message FROM cron.job_run_details WHERE end_time IS NOT NULL"
        until(lambda: copied.rows(ended))
        assert [status for status, _ in copied.rows(ended)] == ["succeeded"], copied.rows(ended)
        assert copied.different() == {}
        assert copied.value("SELECT count(*) FROM crm.deals") == len(copied.simulator.records("deals"))


def test_where_all_tables_are_published_runs_and_drops_go_on(server: Server) -> None:
    """What has no key could not be changed there otherwise: the versions of rows, and the log of runs."""
    with Copied(server, deals=20) as copied:
        copied.mirror(["deals", "stages"], ", history => true")
        copied.sync()
        copied.run("CREATE PUBLICATION everything FOR ALL TABLES")
        changed = {"title": "changed", "update_time": "2026-09-01T12:00:00Z"}
        copied.simulator.change([{"method": "PATCH", "path": "deals/5", "body": changed}])
        copied.sync()
        versions = copied.rows("SELECT valid_to IS NULL FROM crm_history.deals WHERE id = 5 ORDER BY 1")
        assert versions == [(False,), (True,)]
        copied.run("DROP TABLE crm.stages")
        assert copied.tables() == ["deals"]
