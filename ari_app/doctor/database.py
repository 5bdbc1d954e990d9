"""Checks of the database: reachable, of this version, and with enough in it for somebody to call."""

from ari_app.config import Settings
from ari_app.doctor.finding import Finding
from ari_app.domain.account import Account, Device
from ari_app.errors import DatabaseUnavailableError
from db import schema
from db.accounts import AccountStore
from db.engine import Database, open_database
from db.numbers import NumberStore

UPGRADE = "kakehashi db upgrade"


async def checks(settings: Settings) -> list[Finding]:
    """The database's findings; the ones that need a schema only where there is one."""
    async with open_database(settings.database_url) as database:
        kind = database.engine.dialect.name
        try:
            await database.check()
            differences = await schema.differences(database)
        except DatabaseUnavailableError as error:
            lost = error.__cause__
            cause = type(getattr(lost, "orig", None) or lost).__name__
            fix = "データベースを起動し、KAKEHASHI_DATABASE_URL を確認してください"
            return [
                Finding("database", False, "{kind} に接続できません（{cause}）", fix, {"kind": kind, "cause": cause})
            ]
        reached = Finding("database", True, "{kind} に接続できます", facts={"kind": kind})
        if differences:
            facts = {"count": len(differences), "first": differences[0]}
            return [
                reached,
                Finding("schema", False, "スキーマがこの版と違います（{count}件）: {first}", UPGRADE, facts),
            ]
        return [reached, Finding("schema", True, "スキーマは最新です"), await _callers(database)]


async def _callers(database: Database) -> Finding:
    """Somebody could place a callback."""
    name, accounts = "callers", AccountStore(database)
    if not await NumberStore(database).all():
        return Finding(name, False, "会社の電話番号がありません", "kakehashi number add TEL")
    agents = [account for account in await accounts.all() if _can_be_rung(account)]
    if not agents:
        fix = "kakehashi account add LOGIN --role user --agent --number TEL"
        return Finding(name, False, "外線番号を持つエージェントがいません", fix)
    for agent in agents:
        if await accounts.caller_ids(agent):
            return Finding(
                name, True, "発信できるエージェントがいます（外線番号を持つ {count}人）", facts={"count": len(agents)}
            )
    fix = "kakehashi callcenter add NAME --number TEL --agent LOGIN"
    return Finding(name, False, "通知番号を選べるエージェントがいません", fix)


def _can_be_rung(account: Account) -> bool:
    usable = account.agent and not account.topmost and account.disabled_at is None
    return usable and account.device is Device.EXTERNAL and account.device_number is not None
