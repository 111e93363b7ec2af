"""Check that an engine works: a query through a Multicorn wrapper of a few lines, on a cluster of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tools.engine.engines import Engine
from tools.engine.places import base, usual_umask
from tools.engine.process import EngineError
from tools.engine.server import Server

_WRAPPER = """
import cachetools, orjson, requests
from multicorn import ForeignDataWrapper

class Wrapper(ForeignDataWrapper):
    def execute(self, quals, columns):
        yield {"answer": orjson.dumps({"libraries": all((cachetools.TTLCache, requests.Session))}).decode()}
"""
_SQL = """
CREATE SERVER trial FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'trial.Wrapper');
CREATE FOREIGN TABLE trial (answer text) SERVER trial;
SELECT answer FROM trial;
"""


def verify(engine: Engine) -> None:
    """Raise when a query through Multicorn does not answer as it must."""
    with usual_umask(), tempfile.TemporaryDirectory(prefix="verify.", dir=base()) as name:
        package = Path(name) / "trial"
        package.mkdir()
        (package / "__init__.py").write_text(_WRAPPER)
        server = Server(engine=engine, package=package, extension=package)
        try:
            server.start()
            answer = server.psql().query(_SQL)
        finally:
            server.stop()
    if answer != '{"libraries":true}':
        raise EngineError(f"The engine does not work: a query through Multicorn answered {answer!r}.")
