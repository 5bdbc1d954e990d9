"""What the company owns and grants: numbers, prefixes, call centers."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Number:
    """電話番号: a DID of the company, in national digits."""

    id: int
    tel: str
    name: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """プレフィックス番号: `digits` dialled before a number show `tel` to the customer."""

    id: int
    digits: str
    tel: str


@dataclass(frozen=True, slots=True)
class CallCenter:
    """コールセンター: its ダイヤルイン番号 and its 所属エージェント (logins)."""

    id: int
    name: str
    numbers: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)


class ResourceKind(StrEnum):
    """What a supervisor can be granted."""

    NUMBER = "number"
    CALL_CENTER = "callcenter"
    CAMPAIGN = "campaign"


class Level(StrEnum):
    """How far a grant goes: each includes the ones before it."""

    VIEW = "view"
    EDIT = "edit"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Grant:
    """One granted resource of an account; `resource` is the number's digits or the name."""

    id: int
    login: str
    kind: ResourceKind
    resource: str
    level: Level
