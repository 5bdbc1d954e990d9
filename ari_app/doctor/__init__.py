"""The doctor: looks at the whole installation, and says of each failure what mends it."""

from ari_app.config import Settings
from ari_app.doctor import ami, asterisk, database, machine
from ari_app.doctor.finding import Finding

__all__ = ["Finding", "examine"]


async def examine(settings: Settings) -> list[Finding]:
    """Every check of an installation whose settings could be read, in the order in which to mend."""
    return [
        Finding("settings", True, "設定は正しい形式です"),
        machine.state_dir(settings),
        machine.disk(settings),
        *await database.checks(settings),
        *await asterisk.checks(settings),
        *await ami.checks(settings),
    ]
