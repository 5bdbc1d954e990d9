"""AMI by panoramisk, behind a guard: nothing is sent before the login, twice, or with a line break in it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from panoramisk import Manager

from ari_app.config import Settings
from ari_app.errors import AmiUnavailableError

ANSWER_S = 5
DEFAULT_PORT = 5038


class AmiClient:
    """One connection, kept up until the end of `open_ami`'s block."""

    def __init__(self, manager: "_Manager", url: str) -> None:
        self._manager = manager
        self._url = url

    async def action(self, name: str, *, as_list: bool = False, **fields: str) -> list[dict[str, str]]:
        """Send an action once logged in; returns the answer, with `as_list` each event of the answer.

        Raises AmiUnavailableError when it is refused or unanswered; ValueError for a line break in a value.
        """
        message = {"Action": name, **fields}
        if any(character in text for pair in message.items() for text in pair for character in "\r\n\0"):
            raise ValueError(f"{name}: a line break would begin another header or action")
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._manager.logged_in()
                answer = await self._manager.send_action(message, as_list=as_list)
        except PermissionError:
            raise AmiUnavailableError(url=self._url, reason="login refused") from None
        except TimeoutError:
            raise AmiUnavailableError(url=self._url, reason=f"{name}: no answer") from None
        first, *events = answer if isinstance(answer, list) else [answer]
        if not first.success:
            raise AmiUnavailableError(url=self._url, reason=f"{name}: {first.message}")
        return [dict(message) for message in (events[:-1] if as_list else [first])]

    def on_event(self, pattern: str, take: Callable[[], None]) -> None:
        """Call `take`, which never waits, at each event whose name matches."""
        self._manager.register_event(pattern, lambda _manager, _event: take())


@asynccontextmanager
async def open_ami(settings: Settings, *, events: bool = False) -> AsyncIterator[AmiClient]:
    """A client that connects in the background and stays connected until the end of the block.

    Raises AmiUnavailableError where no AMI_URL is set.
    """
    if not settings.ami_url:
        raise AmiUnavailableError(url="KAKEHASHI_AMI_URL", reason="not set")
    address = urlsplit(settings.ami_url)
    manager = _Manager(
        loop=asyncio.get_running_loop(),
        host=address.hostname or "127.0.0.1",
        port=address.port or DEFAULT_PORT,
        username=settings.ami_username,
        secret=settings.ami_password.get_secret_value(),
        events="on" if events else "off",
        forgetable_actions=_Everything(),
    )
    manager.connect()
    try:
        yield AmiClient(manager, settings.ami_url)
    finally:
        manager.close()


class _Everything:
    """Panoramisk would send an unanswered action again after a reconnect: a second call, a second reload."""

    def __contains__(self, action: object) -> bool:
        return True


class _Manager(Manager):  # type: ignore[misc]
    """Panoramisk's, which says when it is logged in, and stays closed when it was closed or refused."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self._ended = False
        self._refused = False
        self._told = asyncio.Event()
        self._attempt: asyncio.Task[Any] | None = None

    async def logged_in(self) -> None:
        """Return once actions may be sent. Raises PermissionError when the login was refused."""
        await self._told.wait()
        if self._refused:
            raise PermissionError

    def connect(self, *_: object, **__: object) -> None:
        """Begin to connect; not once it is over."""
        if not self._ended:
            self._attempt = super().connect()

    def login(self, future: "asyncio.Future[Any]") -> bool:
        """The answer to the login. A refused one is not tried again: it would fill Asterisk's security log."""
        good = bool(super().login(future))
        self._refused = not good
        self._told.set()
        if not good:
            self.close()
        return good

    def connection_lost(self, error: Exception | None) -> None:
        """Until the next login nothing may be sent."""
        self._told.clear()
        super().connection_lost(error)

    def close(self) -> None:
        """Close, for good."""
        self._ended = True
        if self._attempt is not None:
            self._attempt.cancel()
        super().close()
