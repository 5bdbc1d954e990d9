"""From a request to its operation's handler and back: who asks, may they, is the input right, how it is answered."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import MultiMapping
from pydantic import BaseModel, ValidationError

from ari_app.errors import (
    KakehashiError,
    MalformedRequestError,
    MediaTypeError,
    MethodNotAllowedError,
    NoSuchPathError,
    NotFoundError,
    NotPermittedError,
    RequestTooLargeError,
)
from web.api.caller import Caller, accepted, identify
from web.api.operation import Operation
from web.api.problems import input_error, problem_response
from web.api.schema import View
from web.language import Language, preferred_language
from web.statuses import status_of

BODY_BYTES = 65_536
LANGUAGE: web.RequestKey[Language] = web.RequestKey("language", Language)

log = structlog.get_logger(__name__)


def handler_of(operation: Operation) -> Handler:
    """What serves an operation."""

    async def handle(request: web.Request) -> web.StreamResponse:
        caller = await identify(request)
        request[LANGUAGE] = caller.language
        if not any(caller.principal.may(action) for action in operation.actions):
            raise NotPermittedError
        try:
            answer = await operation.handler(caller, **await _arguments(operation, request))
        except NotFoundError as error:
            return problem_response(error, caller.language, _status(error, operation))
        return answer if isinstance(answer, web.StreamResponse) else _answered(operation, answer, caller)

    return handle


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is told as problem+json."""
    try:
        return await handler(request)
    except KakehashiError as error:
        if status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("request_failed", path=request.path, error=error.code)
        return problem_response(error, _language(request))
    except web.HTTPNotFound:
        return problem_response(NoSuchPathError(path=request.path), _language(request))
    except web.HTTPMethodNotAllowed as refused:
        allow = {str(hdrs.ALLOW): refused.headers[hdrs.ALLOW]}
        return problem_response(MethodNotAllowedError(method=request.method), _language(request), headers=allow)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("request_broken", method=request.method, path=request.path)
        return problem_response(KakehashiError(), _language(request))


async def _arguments(operation: Operation, request: web.Request) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, adapter in operation.path_parts.items():
        text = request.match_info[name]
        try:
            arguments[name] = adapter.validate_python(text)
        except ValidationError:
            raise NotFoundError(value=text) from None
    if operation.query:
        arguments["query"] = _validated(operation.query, _parameters(request.query, request.query))
    if operation.headers:
        names = [field.alias or name for name, field in operation.headers.model_fields.items()]
        arguments["headers"] = _validated(operation.headers, _parameters(request.headers, names))
    if operation.body:
        try:
            arguments["body"] = operation.body.model_validate_json(await _body(request))
        except ValidationError as error:
            raise input_error(error) from None
    return arguments


def _parameters(sent: MultiMapping[str], names: Iterable[str]) -> dict[str, Any]:
    """One value a name; a repeated name is a list, which no parameter takes."""
    found = {name: sent.getall(name) for name in names if name in sent}
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _validated(model: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise input_error(error) from None


async def _body(request: web.Request) -> bytes:
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise MediaTypeError
    body = bytearray()
    try:
        async for part in request.content.iter_any():
            body += part
            if len(body) > BODY_BYTES:
                raise RequestTooLargeError(limit=BODY_BYTES)
    except web.RequestPayloadError:
        raise MalformedRequestError from None
    return bytes(body)


def _answered(operation: Operation, answer: View | None, caller: Caller) -> web.Response:
    if answer is None:
        return web.Response(status=operation.status)
    headers = {hdrs.CONTENT_TYPE: "application/json", hdrs.CONTENT_LANGUAGE: caller.language.value}
    if operation.method == hdrs.METH_POST:
        headers[hdrs.LOCATION] = f"{caller.request.path}/{getattr(answer, 'id')}"  # noqa: B009 - every POST makes one
    return web.Response(status=operation.status, body=answer.model_dump_json(by_alias=True).encode(), headers=headers)


def _status(error: NotFoundError, operation: Operation) -> HTTPStatus:
    """What the path names and is not there is 404; what the body names is a wrong input."""
    if operation.body is not None and error.field in operation.body.model_fields:
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.NOT_FOUND


def _language(request: web.Request) -> Language:
    return request.get(LANGUAGE) or preferred_language(accept=accepted(request))
