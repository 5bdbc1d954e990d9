"""An operation of the API, declared once: routing, checking and the OpenAPI document are all read from it.

A handler's signature is the declaration: `caller` comes first, `body`, `query` and `headers` are pydantic models,
any other parameter is a part of the path, and what it returns is what is answered.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar, get_type_hints

from aiohttp import web
from pydantic import TypeAdapter

from ari_app.domain.permissions import Action
from ari_app.errors import (
    DatabaseUnavailableError,
    InvalidInputError,
    InvalidTokenError,
    KakehashiError,
    MalformedRequestError,
    MediaTypeError,
    NotFoundError,
    NotPermittedError,
    RequestTooLargeError,
    TokenMissingError,
)
from web.api.schema import Input, Parameters, View

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[View | web.StreamResponse | None]])


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `actions`: any of them is needed; `answer` None: nothing is returned (204)."""

    method: str
    path: str
    handler: Callable[..., Awaitable[View | web.StreamResponse | None]]
    actions: tuple[Action, ...]
    status: HTTPStatus
    answer: type[View] | type[web.StreamResponse] | None
    body: type[Input] | None
    query: type[Parameters] | None
    headers: type[Parameters] | None
    path_parts: dict[str, TypeAdapter[Any]]
    refusals: tuple[type[KakehashiError], ...]
    tag: str

    @property
    def name(self) -> str:
        """The operation's id."""
        return self.handler.__name__


@dataclass(frozen=True, slots=True)
class Resource:
    """The operations on one kind of thing, below one path."""

    path: str
    tag: str
    operations: list[Operation] = field(default_factory=list)

    def operation(
        self,
        method: str,
        path: str = "",
        *,
        needs: Action | tuple[Action, ...],
        status: HTTPStatus | None = None,
        refuses: tuple[type[KakehashiError], ...] = (),
    ) -> Callable[[Handler], Handler]:
        """Declare the handler below: `needs` any of these actions, and `refuses` beyond what its inputs imply."""

        def declare(handler: Handler) -> Handler:
            hints = get_type_hints(handler, include_extras=True)
            answer = hints.pop("return")
            del hints["caller"]
            body, query, headers = (hints.pop(name, None) for name in ("body", "query", "headers"))
            parts = {name: TypeAdapter(hint) for name, hint in hints.items()}
            nothing = answer is type(None)
            self.operations.append(
                Operation(
                    method=method,
                    path=self.path + path,
                    handler=handler,
                    actions=needs if isinstance(needs, tuple) else (needs,),
                    status=status or (HTTPStatus.NO_CONTENT if nothing else HTTPStatus.OK),
                    answer=None if nothing else answer,
                    body=body,
                    query=query,
                    headers=headers,
                    path_parts=parts,
                    refusals=(*_implied(body, query or headers, parts), *refuses),
                    tag=self.tag,
                )
            )
            return handler

        return declare


def _implied(body: object, parameters: object, parts: object) -> list[type[KakehashiError]]:
    refusals: list[type[KakehashiError]] = [TokenMissingError, InvalidTokenError, NotPermittedError]
    if body:
        refusals += [MalformedRequestError, RequestTooLargeError, MediaTypeError]
    if body or parameters:
        refusals.append(InvalidInputError)
    if parts:
        refusals.append(NotFoundError)
    return [*refusals, DatabaseUnavailableError]
