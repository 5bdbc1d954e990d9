"""Checks of the machine: what is kept, and room for it."""

import os
import shutil

from ari_app.config import Settings
from ari_app.doctor.finding import Finding

MIN_FREE_BYTES = 1 << 30
SECRET_FILES = ("secret_key", "asterisk.json")


def state_dir(settings: Settings) -> Finding:
    """STATE_DIR can be written, and its secrets are their owner's only."""
    name, directory = "state_dir", settings.state_dir
    if not os.access(directory, os.W_OK | os.X_OK):
        facts = {"path": directory, "user": os.getuid()}
        return Finding(name, False, "{path} に書き込めません", "chown {user} {path}", facts)
    for file in (directory / secret for secret in SECRET_FILES):
        if file.exists() and file.stat().st_mode & 0o077:
            return Finding(name, False, "{path} を他のユーザが読めます", "chmod 600 {path}", {"path": file})
    return Finding(name, True, "{path} に書き込め、秘密のファイルは保護されています", facts={"path": directory})


def disk(settings: Settings) -> Finding:
    """There is room for records and recordings."""
    directory = settings.state_dir
    free = shutil.disk_usage(directory if directory.exists() else directory.parent).free
    return Finding(
        "disk",
        free >= MIN_FREE_BYTES,
        "{path} の空き容量は {free} GB です",
        "空き容量を 1 GB 以上にしてください（古い録音を消す、STATE_DIR を移す）",
        {"path": directory, "free": f"{free / (1 << 30):.1f}"},
    )
