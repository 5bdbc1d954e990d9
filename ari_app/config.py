"""The settings: read once from `KAKEHASHI_*` or a TOML file named by KAKEHASHI_CONFIG, frozen, checked."""

import json
import os
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ari_app.domain.callback import Acceptance
from ari_app.domain.numbers import TollPolicy
from ari_app.errors import ConfigurationError

PROJECT_ROOT = Path(__file__).resolve().parents[1]
SECRET_KEY_BYTES = 32
NUMBER_PLACE = "{number}"


class Part(StrEnum):
    """What a process does, for `serve --role`."""

    ALL = "all"
    TELEPHONY = "telephony"
    WEB = "web"
    JOBS = "jobs"


class Settings(BaseSettings):
    """Every key of the installation. Seconds where a name ends in `_s`."""

    model_config = SettingsConfigDict(env_prefix="KAKEHASHI_", frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite under STATE_DIR")
    state_dir: Path = Field(Path("var"), description="what the installation keeps: database, secrets, recordings")
    http_bind: str = Field("127.0.0.1:8080", description="HOST:PORT of the panel and the API")
    ari_url: str = Field("", description="http://HOST:PORT of Asterisk; empty: the one `kakehashi asterisk up` started")
    ari_username: str = Field("", description="user of ari.conf")
    ari_password: SecretStr = Field(SecretStr(""), description="and its password")
    ari_app: str = Field("kakehashi", description="Stasis application name; one a telephony node")
    ami_url: str = Field("", description="tcp://HOST:PORT of Asterisk's manager interface")
    ami_username: str = Field("", description="user of manager.conf")
    ami_password: SecretStr = Field(SecretStr(""), description="and its password")
    cel_file: Path | None = Field(None, description="Asterisk's CEL file (cel_custom), read after a restart")
    cdr_export_url: str = Field("", description="PostgreSQL of yours whose table `cdr` gets the same rows; empty: none")
    agi_bind: str = Field("127.0.0.1:4573", description="HOST:PORT of FastAGI")
    trunk_endpoint: str = Field("PJSIP/{number}@trunk", description="dial string of the carrier")
    channel_limit: int = Field(100, ge=2, description="同時通話数: channels that may be in use at once")
    ring_agent_s: float = Field(30, gt=0, le=600, description="how long the agent's phone rings")
    ring_customer_s: float = Field(60, gt=0, le=600, description="how long the customer's phone rings")
    accept: Acceptance = Field(Acceptance.NONE, description="none | press1: how the agent's leg is accepted")
    accept_s: float = Field(10, gt=0, le=120, description="seconds after answering in which the key must come")
    customer_number_digits: str = Field("9-30", description="MIN-MAX digits of a customer's number")
    allowed_prefixes: Annotated[tuple[str, ...], NoDecode] = Field(
        tuple(f"0{digit}" for digit in range(1, 10)),
        description="comma-separated leading digits that may be dialled; the longest match decides, and "
        "expensive ranges (010, 0570, …) are dialled only where they are named",
    )
    smtp_url: str = Field("", description="smtp://[USER:PASSWORD@]HOST:PORT; empty: no mail")
    mail_from: str = Field("kakehashi@localhost", description="sender of our mail")
    public_url: str = Field("", description="how users reach the panel; empty: http://HTTP_BIND")
    node_dead_s: float = Field(
        60, ge=10, le=3600, description="a telephony node not heard from for so long has its calls closed by the others"
    )
    timezone: str = Field("Asia/Tokyo", description="time zone of what users read and type")
    secret_key: SecretStr = Field(SecretStr(""), description="empty: made once and kept under STATE_DIR")
    trunk_host: str = Field("", description="the carrier's SIP host, for the Asterisk templates")
    trunk_port: int = Field(5060, ge=1, le=65535, description="and its port")
    trunk_username: str = Field("", description="the trunk's account; empty: no registration, no authentication")
    trunk_password: SecretStr = Field(SecretStr(""), description="and its password")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is passed in code beats the environment, which beats the TOML file."""
        file = os.environ.get("KAKEHASHI_CONFIG")
        if not file:
            return init_settings, env_settings
        if not Path(file).is_file():
            raise ConfigurationError(field="KAKEHASHI_CONFIG", problem=f"{file}: no such file")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(file))

    @field_validator("allowed_prefixes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_prefixes")
    @classmethod
    def _digits(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [part for part in value if not (part.isascii() and part.isdigit())]:
            raise ValueError(f"not digits: {', '.join(wrong)}")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no such time zone: {value}") from None
        return value

    @field_validator("trunk_endpoint")
    @classmethod
    def _has_number(cls, value: str) -> str:
        if value.count("{") != 1 or NUMBER_PLACE not in value:
            raise ValueError("must contain {number} once")
        return value

    @field_validator("cdr_export_url")
    @classmethod
    def _postgres(cls, value: str) -> str:
        if value and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("use postgresql://")
        return value

    @field_validator("http_bind", "agi_bind")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        split_bind(value)
        return value

    @model_validator(mode="after")
    def _digits_range(self) -> Self:
        _ = self.toll_policy
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The users' time zone."""
        return ZoneInfo(self.timezone)

    @property
    def toll_policy(self) -> TollPolicy:
        """Which destinations may be dialled."""
        low, dash, high = self.customer_number_digits.partition("-")
        if not (dash and low.isdigit() and high.isdigit() and 1 <= int(low) <= int(high) <= 30):
            raise ValueError("customer_number_digits must be MIN-MAX with 1 <= MIN <= MAX <= 30")
        return TollPolicy(self.allowed_prefixes, int(low), int(high))

    @property
    def http_address(self) -> tuple[str, int]:
        """Host and port of the panel."""
        return split_bind(self.http_bind)

    @property
    def base_url(self) -> str:
        """How users reach the panel, without a trailing slash."""
        return (self.public_url or f"http://{self.http_bind}").rstrip("/")


def load_settings() -> Settings:
    """The settings in force: environment, TOML file, and what the installation keeps under STATE_DIR.

    Raises ConfigurationError naming the key.
    """
    try:
        settings = Settings()
        return settings.model_copy(update=_kept(settings))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]).upper() if first["loc"] else "CUSTOMER_NUMBER_DIGITS"
        raise ConfigurationError(field=f"KAKEHASHI_{key}", problem=first["msg"]) from error


def split_bind(value: str) -> tuple[str, int]:
    """`HOST:PORT` as a pair. Raises ValueError."""
    host, colon, port = value.rpartition(":")
    if not (colon and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"not HOST:PORT: {value}")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - ":8080" asks for every interface


def _kept(settings: Settings) -> dict[str, Any]:
    """What stands in for keys left empty: the local Asterisk's access, the database, the secret key."""
    state = settings.state_dir.expanduser().absolute()
    update: dict[str, Any] = {"state_dir": state}
    if not settings.database_url:
        update["database_url"] = f"sqlite+aiosqlite:///{state / 'kakehashi.db'}"
    if not settings.ari_url:
        update |= _local_asterisk(state)
    if not settings.secret_key.get_secret_value():
        update["secret_key"] = SecretStr(_secret_key(state))
    return update


def _local_asterisk(state: Path) -> dict[str, Any]:
    file = state / "asterisk.json"
    if not file.is_file():
        return {}
    facts = json.loads(file.read_text())
    plain = {key: facts[key] for key in ("ari_url", "ari_username", "ami_url", "ami_username") if key in facts}
    hidden = {key: SecretStr(facts[key]) for key in ("ari_password", "ami_password") if key in facts}
    cel_file = {"cel_file": Path(facts["cel_file"])} if "cel_file" in facts else {}
    return plain | hidden | cel_file


def _secret_key(state: Path) -> str:
    file = state / "secret_key"
    if not file.exists():
        state.mkdir(parents=True, exist_ok=True, mode=0o750)
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(secrets.token_hex(SECRET_KEY_BYTES))
        except FileExistsError:
            pass  # another process of this installation made it first
    return file.read_text().strip()
