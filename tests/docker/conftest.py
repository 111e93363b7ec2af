"""A Docker engine and a base image for the container tests, where there are none.

An engine that answers is used as it is. Otherwise, as root and with dockerd installed, one is started for
the tests, with its data in a folder of its own, and ended by its process id. The base image is pulled; where
that cannot be, it is made by debootstrap under the name that the Dockerfile's FROM uses, so that the
Dockerfile under test is the one that users build.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import docker
from tools.engine.mirror import find_mirror
from tools.engine.places import ROOT, base
from tools.engine.process import EngineError

BASE = "debian:bullseye-slim"
POSTGRES, SIMULATOR = "pipedrive-fdw:debian11", "pipedrive-simulator:latest"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@pytest.fixture(scope="package")
def client() -> Iterator[Any]:
    """A client of a Docker engine. The environment names the engine for other programs too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")  # its helper image may not be to be had
        found = _answering()
        if found is not None:
            yield found
            found.close()
            gc.collect()
            return
        if os.getuid() != 0 or shutil.which("dockerd") is None:
            pytest.skip("no Docker engine answers, and none can be started (that needs root and dockerd)")
        folder = Path(tempfile.mkdtemp(prefix="docker."))
        try:
            yield from _started(folder, patch)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            gc.collect()


def _answering() -> Any:
    found = _asked()
    if found is None:
        with warnings.catch_warnings():  # the library leaves the socket open when nobody answers
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    return found


def _asked() -> Any:
    try:
        found = docker.from_env()
    except docker.errors.DockerException:
        return None
    try:
        found.ping()
    except (docker.errors.DockerException, OSError):
        found.close()
        return None
    return found


def _started(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Any]:
    address = f"unix://{folder}/docker.sock"
    options = ["--data-root", folder / "data", "--exec-root", folder / "exec", "-H", address]
    options += ["--pidfile", folder / "docker.pid"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["dockerd", *map(str, options)], stdout=log, stderr=log)  # noqa: S603, S607
    try:
        patch.setenv("DOCKER_HOST", address)
        found = None
        for _ in range(150):
            found = _answering()
            if found is not None or process.poll() is not None:
                break
            time.sleep(0.2)
        if found is None:
            log_text = (folder / "log").read_text(errors="replace")
            pytest.skip(f"dockerd does not start here: {log_text.strip().splitlines()[-1:]}")
        yield found
        found.close()
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        # The engine leaves a mount behind, and its folder cannot be removed while that exists
        left = str(folder / "exec" / "netns" / "default")
        subprocess.run(["umount", left], check=False, capture_output=True)  # noqa: S603, S607


@pytest.fixture(scope="package")
def images(client: Any) -> Iterator[Any]:
    """Both images of Debian 11, built from the checkout."""
    from testcontainers.core.image import DockerImage

    _provide_base(client)
    built = []
    for tag, target in ((SIMULATOR, "simulator"), (POSTGRES, "postgres")):
        image = DockerImage(
            ROOT,
            dockerfile_path="docker/debian11/Dockerfile",
            tag=tag,
            target=target,
            clean_up=False,
            network_mode="host",
        )
        image.build()
        built.append(image)
    yield client
    for image in built:
        image.get_docker_client().client.close()


def _provide_base(client: Any) -> None:
    try:
        client.images.get(BASE)
        return
    except docker.errors.ImageNotFound:
        pass
    try:
        client.images.pull(BASE)
    except docker.errors.DockerException as error:
        archive = base() / "debian-bullseye-slim-2.tar"
        if not archive.exists():
            _debootstrap(archive, str(error))
        name, _, tag = BASE.partition(":")
        client.api.import_image_from_file(str(archive), repository=name, tag=tag)


def _debootstrap(archive: Path, reason: str) -> None:
    """A minimal Debian 11 as a tar file, from the mirror that the host's apt uses."""
    if os.getuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip(f"{BASE} cannot be pulled ({reason}), nor made: that needs root and debootstrap")
    try:
        mirror = find_mirror(os.environ)
    except EngineError as error:
        pytest.skip(f"{BASE} cannot be made: {error}")
    with tempfile.TemporaryDirectory(prefix="bullseye.") as work:
        root, aside = Path(work) / "root", archive.with_suffix(".new")
        _run("debootstrap", "--variant=minbase", "bullseye", str(root), mirror)
        if _CERTIFICATES.exists():  # where traffic goes through a proxy of the house, pip must know it
            shutil.copyfile(_CERTIFICATES, root / "etc" / "host-certificates.pem")
            (root / "etc" / "pip.conf").write_text("[global]\ncert = /etc/host-certificates.pem\n")
        # As in the image that is pulled: packages need not survive a crash of the machine
        (root / "etc" / "dpkg" / "dpkg.cfg.d" / "speedup").write_text("force-unsafe-io\n")
        _run("tar", "-C", str(root), "-cf", str(aside), ".")
        aside.rename(archive)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)  # noqa: S603
    assert done.returncode == 0, f"{command[0]}: {(done.stdout + done.stderr)[-2000:]}"
