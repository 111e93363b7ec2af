"""A database in which a role attacks, before and after the extension comes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from tests.hostile.roles.traps import ATTACKER, lay_traps, make_attacker, sprung
from tests.simulator import Simulator
from tools.engine import Server

TOKEN = "a-token-that-roles-are-after"
_numbers = itertools.count(1)


class Ground:
    """A database of its own, without the extension; ``admin`` is a superuser's session in it."""

    def __init__(self, server: Server, simulator: Simulator) -> None:
        self.server, self.simulator = server, simulator
        self.name = f"ground{next(_numbers)}"
        self._template = server.psql("template1")
        self._template.query(f"DROP DATABASE IF EXISTS {self.name}")
        self._template.query(f"CREATE DATABASE {self.name}")
        self._open = ExitStack()
        self._roles_before = self._roles()
        self.admin = self.connect()
        make_attacker(self.admin)
        self.admin.execute(f"GRANT CREATE, TEMPORARY ON DATABASE {self.name} TO {ATTACKER}")

    def connect(self, role: str = "") -> psycopg.Connection[Any]:
        """A session of the superuser, or of *role*."""
        dsn = self.server.dsn_of(self.name)
        connection = self._open.enter_context(psycopg.connect(dsn, autocommit=True))
        connection.execute("SET client_min_messages = warning")
        if role:
            connection.execute(f"SET SESSION AUTHORIZATION {role}")
        return connection

    def attacker(self) -> psycopg.Connection[Any]:
        """A session of the attacker."""
        return self.connect(ATTACKER)

    def install(self) -> None:
        """The administrator installs the extension, connects the account and imports some tables."""
        self.admin.execute("CREATE EXTENSION pipedrive_fdw")
        connect_role(self, "CURRENT_USER", "pipedrive", self.simulator)
        self.admin.execute(
            "IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals, persons, stages, pipelines) "
            "FROM SERVER pipedrive INTO pipedrive"
        )

    def sprung(self) -> list[tuple[str, str]]:
        """Who but the attacker has run the attacker's code, and by which trap."""
        with self.connect() as connection:
            return sprung(connection)

    def attacker_is_superuser(self) -> bool:
        """Whether the attack has reached its end."""
        with self.connect() as connection:
            return bool(one(connection, f"SELECT rolsuper FROM pg_roles WHERE rolname = '{ATTACKER}'"))

    def lay_traps(self, *schemas: str) -> None:
        """Have the attacker fill *schemas*."""
        for schema in schemas:
            lay_traps(self.admin, schema)

    def end(self) -> None:
        """Leave nothing: roles belong to the whole cluster."""
        self._open.close()
        self._template.query(f"DROP DATABASE {self.name} WITH (FORCE)")
        for role in self._roles() - self._roles_before:
            self._template.query(f'DROP ROLE "{role}"')

    def _roles(self) -> set[str]:
        return set(self._template.query("SELECT rolname FROM pg_roles").split())


def connect_role(ground: Ground, role: str, server: str, simulator: Simulator) -> None:
    """Make *server*, which leads to the account of *simulator*, and let *role* use it."""
    ground.admin.execute(
        f"CREATE SERVER {server} FOREIGN DATA WRAPPER pipedrive_fdw OPTIONS (base_url '{simulator.url}'); "
        f"GRANT USAGE ON FOREIGN SERVER {server} TO {role}; "
        f"CREATE USER MAPPING FOR {role} SERVER {server} OPTIONS (api_token '{TOKEN}')"
    )


def one(connection: psycopg.Connection[Any], sql: str) -> Any:
    """The one value that *sql* answers."""
    ((value,),) = connection.execute(sql).fetchall()  # type: ignore[arg-type]
    return value


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    running = Simulator(token=TOKEN, deals=40)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def ground(server: Server, simulator: Simulator) -> Iterator[Ground]:
    """A database with a role that attacks, and without the extension."""
    made = Ground(server, simulator)
    simulator.reset()
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def installed(ground: Ground) -> Ground:
    """The same with the extension, an account and all its tables."""
    ground.install()
    ground.simulator.reset()
    return ground
