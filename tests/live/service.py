"""`kakehashi serve` as a process of its own, that can be killed."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from ari_app.config import Settings

from .waiting import eventually


class Service:
    """One process, by default a telephony node; `log` is what it wrote since it was started first."""

    def __init__(self, settings: Settings, log: Path, *arguments: str) -> None:
        self._arguments = arguments or ("--role", "telephony")
        self.environment = {
            **os.environ,
            "KAKEHASHI_DATABASE_URL": settings.database_url,
            "KAKEHASHI_STATE_DIR": str(settings.state_dir),
            "KAKEHASHI_ARI_URL": settings.ari_url,
            "KAKEHASHI_ARI_USERNAME": settings.ari_username,
            "KAKEHASHI_ARI_PASSWORD": settings.ari_password.get_secret_value(),
            "KAKEHASHI_ARI_APP": settings.ari_app,
            "KAKEHASHI_CEL_FILE": str(settings.cel_file),
            "KAKEHASHI_RING_AGENT_S": str(settings.ring_agent_s),
            "KAKEHASHI_RING_CUSTOMER_S": str(settings.ring_customer_s),
            "KAKEHASHI_ACCEPT_S": str(settings.accept_s),
            "KAKEHASHI_HTTP_BIND": settings.http_bind,
            "KAKEHASHI_NODE_DEAD_S": str(settings.node_dead_s),
            "KAKEHASHI_CHANNEL_LIMIT": str(settings.channel_limit),
            "KAKEHASHI_SECRET_KEY": settings.secret_key.get_secret_value(),
        }
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Run it until it hears Asterisk's events, or serves where it runs no telephony."""
        ready = self._times_ready()
        with self.log.open("a") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ari_app", "serve", *self._arguments,
                env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        await eventually(lambda: self._times_ready() > ready, 60)

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self._process.wait()

    def _times_ready(self) -> int:
        sign = "ari_connected" if "telephony" in self._arguments else "serving"
        return self.log.read_text().count(sign) if self.log.exists() else 0
