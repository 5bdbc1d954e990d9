"""Errors as the API tells them: application/problem+json (RFC 9457), in the user's language."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ari_app import errors
from ari_app.errors import KakehashiError
from web.api.schema import Problem
from web.language import Language, error_text
from web.statuses import status_of

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5

# pydantic's words for a wrong type, as JSON calls it
_JSON_TYPES = {
    "string_type": "string",
    "string_sub_type": "string",
    "int_type": "integer",
    "int_from_float": "integer",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "datetime_type": "string",
}
_LIMITS = {
    "greater_than_equal": "≥ {ge}",
    "less_than_equal": "≤ {le}",
    "string_too_short": "≥ {min_length}",
    "string_too_long": "≤ {max_length}",
    "too_short": "≥ {min_length}",
    "too_long": "≤ {max_length}",
}


def problem_response(
    error: KakehashiError,
    language: Language,
    status: HTTPStatus | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """The answer that tells `error`."""
    status = status or status_of(error)
    problem = Problem(
        type="about:blank",
        title=status.phrase,
        status=status,
        detail=error_text(error, language),
        code=error.code,
        field=error.field,
    )
    return web.Response(
        status=status,
        body=json.dumps(problem.model_dump(exclude_none=True), ensure_ascii=False).encode(),
        headers={
            "Content-Type": MEDIA_TYPE,
            "Content-Language": language.value,
            **_told_with(error, status),
            **(headers or {}),
        },
    )


def input_error(error: ValidationError) -> KakehashiError:
    """The first thing pydantic found wrong, as an error of ours."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] in ("json_invalid", "json_type"):
        return errors.MalformedRequestError()
    return _field_error(first, str(first["loc"][0]) if first["loc"] else "body")


def _field_error(detail: ErrorDetails, field: str) -> KakehashiError:
    kind, facts = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return errors.FieldMissingError(field=field)
    if kind == "extra_forbidden":
        return errors.FieldUnknownError(field=field)
    if kind in _JSON_TYPES:
        return errors.FieldTypeError(field=field, expected=_JSON_TYPES[kind])
    if kind in _LIMITS:
        return errors.FieldRangeError(field=field, limit=_LIMITS[kind].format(**facts))
    if kind in ("enum", "literal_error"):
        return errors.FieldChoiceError(field=field, choices=facts["expected"])
    return errors.FieldFormatError(field=field)


def _told_with(error: KakehashiError, status: HTTPStatus) -> dict[str, str]:
    headers: dict[str, Any] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        # RFC 6750, 3.1: the error is named only where a token was sent
        sent = isinstance(error, errors.InvalidTokenError)
        headers["WWW-Authenticate"] = 'Bearer realm="kakehashi"' + (', error="invalid_token"' if sent else "")
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return headers
