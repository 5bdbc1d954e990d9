"""What one Asterisk instance is given: its ports, its trunk, its secrets, and its configuration files."""

import json
import os
import secrets
import shutil
import socket
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import jinja2

from ari_app.asterisk.rootfs import DOCKER_DIR, PROJECT

ETC_TEMPLATES = DOCKER_DIR / "etc" / "asterisk"
DIALPLAN = PROJECT / "dialplan"

CREDENTIALS = "credentials.json"
# lib, log, spool and run belong to Asterisk; etc it may only read.
WRITABLE = (
    "lib/keys",
    "log/cdr-csv",
    "log/cdr-custom",
    "log/cel-custom",
    "spool/recording",
    "spool/monitor",
    "run",
)


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """The SIP peer. With `username` Asterisk registers there and answers its challenges."""

    host: str = "127.0.0.1"
    port: int = 5060
    username: str | None = None
    password: str | None = None
    qualify_s: int = 0  # seconds between OPTIONS; 0: none, for a carrier that does not answer them is still dialled

    @classmethod
    def parse(cls, uri: str, *, username: str | None = None, password: str | None = None) -> Self:
        """Read `sip:HOST[:PORT]`. Raises ValueError for anything else."""
        scheme, _, address = uri.partition(":")
        parts = urlsplit(f"//{address}")
        if scheme != "sip" or not parts.hostname or parts.username or parts.path:
            raise ValueError(f"not sip:HOST:PORT: {uri}")
        return cls(host=parts.hostname, port=parts.port or 5060, username=username, password=password)

    @property
    def is_local(self) -> bool:
        """Whether the peer is this machine."""
        return self.host == "localhost" or _is_loopback(self.host)


@dataclass(frozen=True, kw_only=True)
class InstanceConfig:
    """One instance. Its directory is its identity: two instances differ in `dir` and in every port."""

    dir: Path
    sip_port: int = 5060
    http_port: int = 8088
    ami_port: int = 5038
    rtp_ports: tuple[int, int] = (10000, 10999)
    trunk: Trunk = field(default_factory=lambda: Trunk(port=5070))
    sip_bind: str | None = None  # None: loopback for a trunk on this machine, otherwise every address
    ari_app: str = "kakehashi"  # the application that takes calls which come in on the trunk
    ami_write: str = "system,call,reporting"
    templates: tuple[Path, ...] = (ETC_TEMPLATES, DIALPLAN)  # of two files of one name, the later counts

    @property
    def bind(self) -> str:
        """The address SIP listens on."""
        return self.sip_bind or ("127.0.0.1" if self.trunk.is_local else "0.0.0.0")  # noqa: S104


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How to reach an instance, and where it writes. Kept in DIR/credentials.json, mode 0600."""

    dir: str
    ari_url: str
    ari_username: str
    ari_password: str = field(repr=False)
    ami_url: str
    ami_username: str
    ami_password: str = field(repr=False)
    sip_bind: str
    sip_port: int
    http_port: int
    ami_port: int
    rtp_ports: tuple[int, int]
    trunk: str
    cel_file: str  # one JSON object a line, see cel_custom.conf
    cdr_file: str
    recordings_dir: str  # ARI's stored recordings
    monitor_dir: str  # MixMonitor's relative file names

    def public(self) -> dict[str, Any]:
        """The facts without the secrets."""
        return {key: value for key, value in asdict(self).items() if not key.endswith("_password")}


def render(config: InstanceConfig) -> Connection:
    """Write the instance's directory: etc/ from the templates, credentials.json, and the empty places.

    Secrets are made once and kept. Files in etc/ that no template makes (pjsip_local.conf) are left alone.
    """
    (config.dir / "etc").mkdir(parents=True, exist_ok=True)
    for name in WRITABLE:
        (config.dir / name).mkdir(parents=True, exist_ok=True)
    connection = _connection(config)
    write_private(config.dir / CREDENTIALS, json.dumps(asdict(connection), indent=2) + "\n")
    values = asdict(config) | asdict(connection)
    for directory in config.templates:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(directory),
            undefined=jinja2.StrictUndefined,
            finalize=_conf_value,
            trim_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,  # noqa: S701 - not HTML: _conf_value guards the values
        )
        for template in sorted(directory.glob("*.conf")):
            text = environment.get_template(template.name).render(values | {"trunk": config.trunk})
            write_private(config.dir / "etc" / template.name, text)
    write_private(config.dir / "etc" / "hosts", _hosts())
    return connection


def stored_connection(directory: Path) -> Connection | None:
    """What DIR/credentials.json says, or None where nothing was rendered yet."""
    path = directory / CREDENTIALS
    if not path.exists():
        return None
    facts = json.loads(path.read_text())
    return Connection(**facts | {"rtp_ports": tuple(facts["rtp_ports"])})


def expected_connection(config: InstanceConfig) -> Connection:
    """What `render` would write, the stored secrets included."""
    return _connection(config)


def own(directory: Path, uid: int, gid: int) -> None:
    """Give the writable places to Asterisk's user and let its group read etc/. Only root needs this."""
    (directory / "etc").chmod(0o750)
    shutil.chown(directory / "etc", 0, gid)
    for path in (directory / "etc").iterdir():
        os.chown(path, 0, gid)
        path.chmod(0o640)
    for name in ("lib", "log", "spool", "run"):
        for folder, _, files in os.walk(directory / name):
            for path in (Path(folder), *(Path(folder, file) for file in files)):
                os.chown(path, uid, gid, follow_symlinks=False)
    os.chown(directory, uid, gid)


def write_private(path: Path, text: str) -> None:
    """Write `path` whole and readable by its owner only."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def _connection(config: InstanceConfig) -> Connection:
    stored = stored_connection(config.dir)
    directory = config.dir.absolute()
    return Connection(
        dir=str(directory),
        ari_url=f"http://127.0.0.1:{config.http_port}",
        ari_username="kakehashi",
        ari_password=stored.ari_password if stored else secrets.token_urlsafe(24),
        ami_url=f"tcp://127.0.0.1:{config.ami_port}",
        ami_username="kakehashi",
        ami_password=stored.ami_password if stored else secrets.token_urlsafe(24),
        sip_bind=config.bind,
        sip_port=config.sip_port,
        http_port=config.http_port,
        ami_port=config.ami_port,
        rtp_ports=config.rtp_ports,
        trunk=f"sip:{config.trunk.host}:{config.trunk.port}",
        cel_file=str(directory / "log/cel-custom/kakehashi.json"),
        cdr_file=str(directory / "log/cdr-csv/Master.csv"),
        recordings_dir=str(directory / "spool/recording"),
        monitor_dir=str(directory / "spool/monitor"),
    )


def _hosts() -> str:
    """This machine's names, and those whose lookup would stall a call for 5 s where no DNS answers."""
    own_lines = f"127.0.0.1 localhost {socket.gethostname()}\n198.41.0.4 A.ROOT-SERVERS.NET\n"
    hosts = Path("/etc/hosts")
    return own_lines + (hosts.read_text() if hosts.exists() else "")


def _conf_value(value: object) -> object:
    """Keep a value on its line: `;` would start a comment, a line break another setting."""
    if isinstance(value, jinja2.Undefined):
        return value
    text = str(value)
    if not text.isprintable():
        raise ValueError("a setting contains a control character")
    return text.replace(";", "\\;")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
