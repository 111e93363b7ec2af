"""The Superset dashboard is imported and drawn in a browser: over the views of an import, and over a copy."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.docs.dashboards import CHARTS, FOLDER
from tests.docs.runner import Page, open_page
from tests.simulator import Simulator
from tools.engine import Server
from tools.engine.places import ROOT

SUPERSET = ROOT / ".venv-superset" / "bin" / "superset"
BROWSER = shutil.which("chromium")
SCREENSHOT = ROOT / "build" / "superset.png"
_CONFIGURATION = """
import os
SECRET_KEY = "worth-nothing-elsewhere"
SQLALCHEMY_DATABASE_URI = "sqlite:///" + os.environ["SUPERSET_HOME"] + "/superset.db?check_same_thread=false"
TALISMAN_ENABLED = False

def FLASK_APP_MUTATOR(app):
    @app.before_request
    def sign_in():
        from flask_login import current_user, login_user
        if not current_user.is_authenticated:
            login_user(app.appbuilder.sm.find_user("admin"))
"""
_REPORTING = (
    "SELECT pipedrive.reporting('{}', target => 'bi', role => 'bi_reader', max_tokens_per_query => 20000)"
)


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    simulator = Simulator(deals=300).start()
    with open_page(server, simulator, "superset", connected=True) as opened:
        opened.psql.query("CREATE ROLE bi_reader LOGIN PASSWORD 'of-a-test'")
        try:
            opened.psql.query(_REPORTING.format("pipedrive"))
            yield opened
        finally:
            opened.psql.query("DROP OWNED BY bi_reader")
    simulator.stop()


@pytest.fixture(scope="module")
def dashboard(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the dashboard in a Superset of its own."""
    if not SUPERSET.exists() or BROWSER is None:
        pytest.skip("Superset or Chromium is not here: make examples installs the one, apt-get the other")
    home = tmp_path_factory.mktemp("superset")
    (home / "superset_config.py").write_text(_CONFIGURATION)
    environment = {
        **os.environ,
        "FLASK_APP": "superset",
        "SUPERSET_CONFIG_PATH": str(home / "superset_config.py"),
        "SUPERSET_HOME": str(home),
    }
    who = ("--username", "admin", "--firstname", "A", "--lastname", "A", "--email", "a@acme.example")
    for words in (
        ("db", "upgrade"),
        ("fab", "create-admin", *who, "--password", "admin"),
        ("init",),
        ("import-dashboards", "--path", str(archive(page, home)), "--username", "admin"),
    ):
        done = subprocess.run(  # noqa: S603
            [str(SUPERSET), *words], env=environment, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, done.stderr[-3000:]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (home / "superset.log").open("wb") as log:
        running = subprocess.Popen(  # noqa: S603
            [str(SUPERSET), "run", "--port", str(port), "--with-threads"],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        answers(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/superset/dashboard/pipedrive/?standalone=2"
    finally:
        running.terminate()
        running.wait(30)


def archive(page: Page, folder: Path) -> Path:
    """``examples/superset`` as the archive that Superset imports, with the address of the page's database."""
    known = psycopg.conninfo.conninfo_to_dict(page.psql.dsn)
    address = "postgresql+psycopg2://bi_reader:of-a-test@{host}:{port}/{dbname}".format_map(known)
    with zipfile.ZipFile(folder / "pipedrive.zip", "w") as packed:
        for file in sorted((FOLDER / "superset").rglob("*.yaml")):
            text = re.sub(r"postgresql\+psycopg2://\S+", address, file.read_text(encoding="utf-8"))
            packed.writestr(f"pipedrive/{file.relative_to(FOLDER / 'superset')}", text)
    return folder / "pipedrive.zip"


def answers(url: str) -> None:
    """Wait until *url* answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


def browse(url: str, *what: str) -> str:
    """What Chromium makes of *url*."""
    done = subprocess.run(  # noqa: S603
        [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        + ["--window-size=1400,1240", "--virtual-time-budget=120000", "--timeout=120000", *what, url],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def drawn(url: str) -> None:
    """Every chart is on the page: seven that are drawn, and a table; none shows an error."""
    shown = browse(url, "--dump-dom")
    assert [chart.title for chart in CHARTS if chart.title not in shown] == []
    assert shown.count("<canvas") == sum(1 for chart in CHARTS if chart.x)
    assert "days_in_stage" in shown
    assert "Unexpected error" not in shown


@pytest.mark.timeout(900)
def test_the_dashboard_is_drawn_over_the_views(dashboard: str) -> None:
    drawn(dashboard)
    SCREENSHOT.parent.mkdir(exist_ok=True)
    browse(dashboard, f"--screenshot={SCREENSHOT}")
    assert SCREENSHOT.stat().st_size > 50_000


def test_the_dashboard_is_drawn_over_a_copy_without_a_request(page: Page, dashboard: str) -> None:
    tables = "{users,pipelines,stages,deals,deal_products,activities,leads}"
    page.psql.query(f"SELECT pipedrive.mirror('pipedrive', target => 'crm', tables => '{tables}')")
    page.psql.query("CALL pipedrive.sync()")
    page.psql.query("DROP SCHEMA bi CASCADE")
    page.psql.query(_REPORTING.format("crm"))
    page.simulator.reset()
    drawn(dashboard)
    assert page.simulator.requests() == []
