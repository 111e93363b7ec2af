"""The embedded engine: PostgreSQL 13, Multicorn 1.4 and Python 3.9 out of Debian 11's own packages.

Debian 11 is the last Debian with a Multicorn package. Its packages run from a folder on newer Debians and
Ubuntus: nothing is installed, and nothing of the host is changed. apt-get downloads them into a private
state, so signatures are verified, and the host's proxy and mirror settings hold; dpkg-deb unpacks them.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Callable

from tools.engine.mirror import VARIABLE as MIRROR_VARIABLE
from tools.engine.mirror import find_mirror
from tools.engine.places import base, built_aside, locked
from tools.engine.process import EngineError, need, run, say

RECIPE = "3"  # part of the folder's name: raise it when what is unpacked changes
VERSION = "13"
PYTHON = "3.9"
# Debian's names of the processors for which there are packages, and wheels of all dependencies.
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_KEYRINGS = tuple(
    Path("/usr/share/keyrings") / name
    for name in ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")
)
_PACKAGES = (
    "postgresql-13",
    "postgresql-client-13",
    "postgresql-server-dev-13",
    "postgresql-13-cron",
    "postgresql-13-python3-multicorn",
    "python3-multicorn",
    "libpython3.9",
    "libpython3.9-stdlib",
    "libpython3.9-minimal",
    "python3.9-minimal",
    "libicu67",
    "libllvm11",
    "libz3-4",
    "libssl1.1",
    "libldap-2.4-2",
    "libffi7",
    "libpq5",
)
# Nearly every host has these. On one that has not, they are taken from Debian 11 too.
_ELSEWHERE = {
    "libxml2.so.2": "libxml2",
    "libgssapi_krb5.so.2": "libgssapi-krb5-2",
    "libkrb5.so.3": "libkrb5-3",
    "libk5crypto.so.3": "libk5crypto3",
    "libkrb5support.so.0": "libkrb5support0",
    "libcom_err.so.2": "libcom-err2",
    "libkeyutils.so.1": "libkeyutils1",
    "libpam.so.0": "libpam0g",
    "libaudit.so.1": "libaudit1",
    "libcap-ng.so.0": "libcap-ng0",
    "libselinux.so.1": "libselinux1",
    "libpcre2-8.so.0": "libpcre2-8-0",
    "libsystemd.so.0": "libsystemd0",
    "libgcrypt.so.20": "libgcrypt20",
    "libgpg-error.so.0": "libgpg-error0",
    "liblz4.so.1": "liblz4-1",
    "libzstd.so.1": "libzstd1",
    "liblzma.so.5": "liblzma5",
    "libreadline.so.8": "libreadline8",
    "libtinfo.so.6": "libtinfo6",
    "libsasl2.so.2": "libsasl2-2",
    "libgnutls.so.30": "libgnutls30",
    "libp11-kit.so.0": "libp11-kit0",
    "libidn2.so.0": "libidn2-0",
    "libunistring.so.2": "libunistring2",
    "libtasn1.so.6": "libtasn1-6",
    "libnettle.so.8": "libnettle8",
    "libhogweed.so.6": "libhogweed6",
    "libgmp.so.10": "libgmp10",
    "libedit.so.2": "libedit2",
    "libbsd.so.0": "libbsd0",
    "libmd.so.0": "libmd0",
    "libexpat.so.1": "libexpat1",
    "libz.so.1": "zlib1g",
    "libuuid.so.1": "libuuid1",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
    "libcrypt.so.1": "libcrypt1",
    "libmpdec.so.3": "libmpdec3",
    "libbz2.so.1.0": "libbz2-1.0",
}


def folder() -> Path:
    """Where the engine stands or will stand."""
    return base() / f"engine-{VERSION}-{_architecture()}-r{RECIPE}"


def assemble(check: Callable[[Path], None]) -> Path:
    """The engine's folder, put together when missing. *check* is given it before it counts as done."""
    target = folder()
    if target.is_dir():
        return target
    with locked(base() / "engine.lock", "puts the engine together"):
        if not target.is_dir():
            started = time.monotonic()
            say(f"putting PostgreSQL {VERSION} with Multicorn together in {target} (once per machine)")
            with built_aside(target) as aside:
                _build(aside)
                check(aside)
            say(f"the engine is ready after {time.monotonic() - started:.0f} s")
    return target


def libraries_folder(prefix: Path) -> Path:
    """Where the unpacked shared libraries lie below *prefix*."""
    return prefix / "usr/lib" / f"{platform.machine()}-linux-gnu"


def python_command(prefix: Path) -> list[str]:
    """How to run the engine's Python."""
    environment = [f"LD_LIBRARY_PATH={libraries_folder(prefix)}", f"PYTHONHOME={prefix / 'usr'}"]
    return ["env", *environment, str(prefix / f"usr/bin/python{PYTHON}")]


def _architecture() -> str:
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _MACHINES:
        known = ", ".join(_MACHINES)
        raise EngineError(
            f"The embedded engine runs on Linux on {known}; this is {sys.platform} on {machine}.\n"
            "Use a server that has Multicorn: PG_CONFIG=/path/to/pg_config make test"
        )
    return _MACHINES[machine]


def _build(prefix: Path) -> None:
    work = prefix / "packages"
    _prepare_apt(work)
    _unpack(_download(work, _PACKAGES), prefix)
    for _ in range(4):
        missing = sorted({_ELSEWHERE[name] for name in _missing(prefix) if name in _ELSEWHERE})
        if not missing:
            break
        say(f"this host lacks some libraries: adding {', '.join(missing)}")
        _unpack(_download(work, missing), prefix)
    left = [name for name in _missing(prefix, python=False) if name not in _ELSEWHERE]
    if left:
        raise EngineError(f"This host lacks libraries that the engine needs: {', '.join(left)}.")
    shutil.rmtree(work)


def _prepare_apt(work: Path) -> None:
    need("dpkg-deb", "dpkg")
    if shutil.which("apt-get") is None:
        raise EngineError(
            "apt-get was not found: the embedded engine needs Debian or Ubuntu.\n"
            "Elsewhere use a server that has Multicorn: PG_CONFIG=/path/to/pg_config make test"
        )
    keyring = next((file for file in _KEYRINGS if file.exists()), None)
    if keyring is None:
        raise EngineError(
            f"Debian's signing keys are missing ({_KEYRINGS[0]}).\n"
            "Please install them: apt-get install debian-archive-keyring"
        )
    mirror = find_mirror(os.environ)
    for name in ("lists/partial", "cache/archives/partial", "debs"):
        (work / name).mkdir(parents=True)
    (work / "status").touch()
    options = f"[arch={_architecture()} signed-by={keyring}]"
    (work / "sources.list").write_text(f"deb {options} {mirror} bullseye main\n")
    (work / "apt.conf").write_text(_APT_CONF.format(work=work))
    say(f"reading the package list of Debian 11 from {mirror}")
    _apt(work, "update", "--error-on=any")


# Read by apt after the host's own settings: the proxy and the like are wanted, the rest is switched off.
_APT_CONF = """
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages {{
    MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages"; ShortDescription "Packages";
    Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages"; Optional "false"; }};
APT::Sandbox::User "root";
APT::Default-Release "";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Etc::SourceList "{work}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "{work}/lists";
Dir::State::status "{work}/status";
Dir::State::extended_states "{work}/extended_states";
Dir::Cache "{work}/cache";
"""


def _apt(work: Path, *arguments: str, watch: Callable[[], None] | None = None) -> str:
    command: list[str | Path] = ["apt-get", "-c", work / "apt.conf", "-q", *arguments]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TMPDIR": str(work)}
    try:
        return run(
            command, f"apt-get {arguments[0]}", env=environment, cwd=work / "debs", watch=watch, timeout=1800
        )
    except EngineError as error:
        raise EngineError(
            f"{error}\nDebian 11's packages could not be fetched: is there a network, and does the mirror"
            f" still carry bullseye?\nAnother mirror can be named in {MIRROR_VARIABLE}."
        ) from None


def _download(work: Path, packages: Sequence[str]) -> list[Path]:
    folder = work / "debs"
    before = set(folder.glob("*.deb"))
    started = time.monotonic()

    def show() -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r  {_size(folder.iterdir())} ...\r")
            sys.stderr.flush()

    say(f"downloading {len(packages)} packages")
    _apt(work, "download", *packages, watch=show)
    files = sorted(set(folder.glob("*.deb")) - before)
    say(f"  {_size(files)} in {time.monotonic() - started:.0f} s")
    return files


def _unpack(packages: list[Path], prefix: Path) -> None:
    say(f"unpacking {len(packages)} packages")
    for package in packages:
        run(["dpkg-deb", "-x", package, prefix], f"dpkg-deb -x {package.name}")


def _size(files: Iterable[Path]) -> str:
    total = 0
    for file in files:
        try:
            total += file.stat().st_size
        except OSError:  # renamed by apt a moment ago
            continue
    return f"{total / 1e6:.1f} MB"


def _missing(prefix: Path, *, python: bool = True) -> list[str]:
    """The shared libraries that neither the host nor *prefix* has."""
    server = prefix / "usr/lib/postgresql" / VERSION
    files = [*(server / "bin" / name for name in ("postgres", "initdb", "psql"))]
    files += [
        server / "lib" / name for name in ("multicorn.so", "llvmjit.so", "dict_snowball.so", "plpgsql.so")
    ]
    if python:
        modules = ("_bz2", "_ctypes", "_decimal", "_hashlib", "_lzma", "_ssl")
        dynload = prefix / "usr/lib/python3.9/lib-dynload"
        files += [file for name in modules for file in dynload.glob(f"{name}.cpython-*.so")]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries_folder(prefix)), "LC_ALL": "C"}
    command = [need("ldd", "libc-bin"), *map(str, files)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)  # noqa: S603
    return sorted(set(re.findall(r"^\s*(\S+) => not found", done.stdout, re.MULTILINE)))
