"""The Dockerfile is built for real, without a container engine: buildah on base images made by mmdebstrap."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ari_app.asterisk.rootfs import DOCKER_DIR, PROJECT

DOCKERFILE = DOCKER_DIR / "Dockerfile"
STORAGE_DRIVER = "overlay" if "overlay" in Path("/proc/filesystems").read_text() else "vfs"

pytestmark = [
    pytest.mark.image,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed: apt-get install buildah"),
    pytest.mark.skipif(os.geteuid() != 0, reason="buildah --isolation chroot needs root here"),
]


class Buildah:
    """A private image store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *arguments: str, stdin: int | None = None) -> str:
        store = [f"--root={self.root / 'store'}", f"--runroot={self.root / 'run'}", "--storage-driver", STORAGE_DRIVER]
        ran = subprocess.run(["buildah", *store, *arguments], stdin=stdin, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
        return ran.stdout.strip()

    def base(self, name: str, suite: str) -> None:
        """Make Debian's `suite` the local image `name`, as the registry would have it."""
        tar = self.root / f"{suite}.tar"
        subprocess.run(
            ["mmdebstrap", "--variant=minbase", '--aptopt=Acquire::Check-Valid-Until "false"', suite, tar],
            check=True,
            capture_output=True,
        )
        container = self("from", "scratch")
        self("add", "--quiet", container, str(tar), "/")
        # This machine's trusted certificates too: it may reach the package indexes through a proxy of its own.
        authorities = Path("/etc/ssl/certs/ca-certificates.crt")
        if authorities.exists():
            self("add", "--quiet", container, str(authorities), "/usr/local/share/ca-certificates/host.crt")
        self("config", "--env=PIP_CERT=/etc/ssl/certs/ca-certificates.crt", container)
        # The mirror's Release file may be past its date.
        self("run", "--isolation=chroot", container, "--", "sh", "-c",
             """echo 'Acquire::Check-Valid-Until "false";' > /etc/apt/apt.conf.d/90mirror""")  # fmt: skip
        self("commit", "--quiet", "--rm", container, name)
        tar.unlink()

    def build(self, target: str) -> str:
        """Build one target of the Dockerfile; return the image's name."""
        image = f"localhost/kakehashi-{target}"
        self("bud", "--isolation=chroot", "--format=docker", "--pull=never", "--layers=false",
             f"--ignorefile={DOCKERFILE}.dockerignore", f"--file={DOCKERFILE}", f"--target={target}",
             f"--tag={image}", str(PROJECT))  # fmt: skip
        return image

    def run(self, image: str, *command: str, volume: str | None = None) -> str:
        """Run `command` as the image's user."""
        container = self("from", "--pull=never", image)
        mounts = [f"--volume={volume}"] if volume else []
        try:
            return self("run", "--isolation=chroot", *mounts, container, "--", *command)
        finally:
            self("rm", container)


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    root = tmp_path_factory.mktemp("buildah")
    yield Buildah(root)
    shutil.rmtree(root)


def test_both_images_are_built_and_work_together(buildah: Buildah, tmp_path: Path) -> None:
    """The app image renders the configuration, the Asterisk image boots on it, each as uid 10001."""
    buildah.base("docker.io/library/debian:forky", "forky")
    buildah.base("docker.io/library/debian:bookworm-slim", "bookworm")
    asterisk, app = buildah.build("asterisk"), buildah.build("app")

    for image in (asterisk, app):
        config = json.loads(buildah("inspect", "--type=image", image))["Docker"]["config"]
        assert config["User"] == "kakehashi"
        assert buildah.run(image, "id", "-u") == "10001"
    config = json.loads(buildah("inspect", "--type=image", asterisk))["Docker"]["config"]
    assert config["Healthcheck"]["Test"] == ["CMD", "asterisk", "-rx", "core waitfullybooted"]

    shared = tmp_path / "asterisk"
    shared.mkdir()
    os.chown(shared, 10001, 10001)
    volume = f"{shared}:/srv/asterisk"
    rendered = buildah.run(
        app, "kakehashi", "asterisk", "render", "--dir", "/srv/asterisk", "--sip-port", "15090",
        "--http-port", "18094", "--ami-port", "15046", "--json", volume=volume,
    )  # fmt: skip
    assert json.loads(rendered)["etc"] == "/srv/asterisk/etc"

    boot = "asterisk -f & trap 'kill $!' EXIT; until asterisk -rx 'core waitfullybooted' >/dev/null; do sleep 0.1; done"
    shown = buildah.run(asterisk, "sh", "-c", f"{boot}; asterisk -rx 'core show version'", volume=volume)
    assert "Asterisk 22." in shown
    log = (shared / "log/messages.log").read_text()
    assert "WARNING" not in log, log
    assert "ERROR" not in log, log
