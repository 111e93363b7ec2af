"""A real PostgreSQL with Multicorn for the tests and the demo, without installing anything.

Two engines serve: *embedded* (PostgreSQL 13, Multicorn 1.4 and Python 3.9 from Debian 11's own packages,
unpacked once per machine into a cache folder) and *installed* (the server that ``PG_CONFIG`` names, which
already has Multicorn). `Server` runs a scratch cluster on either; ``python -m tools.engine`` is the command
line.

The cache folder is ``PIPEDRIVE_FDW_CACHE``, else ``/var/cache/pipedrive-fdw`` for root and
``$XDG_CACHE_HOME/pipedrive-fdw`` for everybody else. Deleting it is always safe while no cluster runs.

    places     where things are kept, and as whom the server runs
    process    running commands, and errors that a person can read
    mirror     the Debian mirror, from the host's own apt settings
    assemble   the embedded engine
    clibrary   the C part, compiled
    libraries  the package's run-time dependencies for a given Python
    engines    the two engines as one value
    extension  the extension's files, put together
    server     a cluster
    sql        running SQL through psql
    sandbox    ``up`` and ``down``: a checkout's cluster and simulator
    demo       the tour
    install    ``make install``
"""

from __future__ import annotations

from tools.engine.engines import Engine, find_engine
from tools.engine.process import EngineError
from tools.engine.server import Server
from tools.engine.sql import Psql, SqlError

__all__ = ["Engine", "EngineError", "Psql", "Server", "SqlError", "find_engine"]
