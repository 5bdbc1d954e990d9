"""The OpenAPI 3.1 document, made from the operations that are served."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ari_app.errors import KakehashiError
from web.api.operation import Operation
from web.api.problems import MEDIA_TYPE
from web.api.schema import Parameters, Problem, View
from web.language import Language, translate
from web.statuses import status_of

TITLE = "Kakehashi API"
DESCRIPTION = """\
Kakehashi turns any phone into a company phone: it rings an agent's own phone, then the customer, shows both a company
number and joins the two.

- Every request carries `Authorization: Bearer TOKEN`; an administrator makes tokens with POST /tokens.
- Errors are `application/problem+json`. `code` is stable; `detail` is in the language of the token's account, or of
  `Accept-Language`, Japanese otherwise; `field` names the input that is wrong.
- Lists are `{"items": […], "next": CURSOR|null}`: pass `next` as `cursor` for the page after.
- Times are ISO 8601 with an offset. Numbers are national digits.
"""
TAGS = {
    "callbacks": "Calls: place, follow, end, search",
    "records": "Call records, one row a leg",
    "channels": "The switch's channels",
    "events": "What happens, as it happens",
    "settings": "Numbers, prefixes, call centers, accounts and grants",
    "tokens": "Tokens of this API",
}
SECURITY = "token"
_REF = "#/components/schemas/{model}"
_HEADERS = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "RFC 6750"}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}},
}


def document(operations: Sequence[Operation], prefix: str) -> dict[str, Any]:
    """The document of `operations`, which are served below `prefix`."""
    requests = [model for op in operations for model in (op.body, op.query, op.headers) if model]
    answers: list[type[BaseModel]] = [op.answer for op in operations if op.answer and issubclass(op.answer, View)]
    references, schemas = models_json_schema(
        [
            *((model, "validation") for model in _once(requests)),
            *((model, "serialization") for model in _once([*answers, Problem])),
        ],
        ref_template=_REF,
    )
    definitions = schemas["$defs"]
    parameters = {
        model: definitions.pop(references[model, "validation"]["$ref"].rpartition("/")[2])
        for model in _once(model for model in requests if issubclass(model, Parameters))
    }
    paths: dict[str, Any] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op, references, parameters)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": version("kakehashi"), "description": DESCRIPTION},
        "servers": [{"url": prefix}],
        "security": [{SECURITY: []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {SECURITY: {"type": "http", "scheme": "bearer", "bearerFormat": "kks_…"}},
        },
    }


def _operation(op: Operation, references: Any, parameters: dict[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    summary, _, rest = (op.handler.__doc__ or "").strip().partition("\n")
    needs = " or ".join(f"`{action}`" for action in op.actions)
    described: dict[str, Any] = {
        "operationId": op.name,
        "tags": [op.tag],
        "summary": summary.rstrip("."),
        "description": "\n".join(line.strip() for line in rest.strip().splitlines()) + f"\n\nNeeds {needs}.",
        "responses": {str(op.status.value): _success(op, references)} | _refusals(op, references),
    }
    if placed := [*_path_parameters(op), *_placed(op, parameters)]:
        described["parameters"] = placed
    if op.body:
        described["requestBody"] = {"required": True, "content": _content(references[op.body, "validation"])}
    return described


def _path_parameters(op: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": adapter.json_schema()}
        for name, adapter in op.path_parts.items()
    ]


def _placed(op: Operation, parameters: dict[type[BaseModel], dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for place, model in (("query", op.query), ("header", op.headers)):
        if model is None:
            continue
        for name, schema in parameters[model]["properties"].items():
            schema = _without_null(schema)
            parameter = {"name": name, "in": place, "schema": schema, "required": False}
            if description := schema.pop("description", None):
                parameter["description"] = description
            found.append(parameter)
    return found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out is not null on the wire."""
    outer = {key: value for key, value in schema.items() if key not in ("anyOf", "title")}
    inner: dict[str, Any] = next((choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"), {})
    if outer.get("default", ...) is None:
        del outer["default"]
    return {**inner, **outer}


def _success(op: Operation, references: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": op.status.phrase}
    if op.answer is not None and issubclass(op.answer, View):
        answer["content"] = _content(references[op.answer, "serialization"])
    elif op.answer is not None:
        answer["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    if op.method == "POST":
        answer["headers"] = {
            "Location": {"schema": {"type": "string", "format": "uri-reference"}, "description": "what was made"}
        }
    return answer


def _refusals(op: Operation, references: Any) -> dict[str, Any]:
    by_status: dict[int, list[KakehashiError]] = {}
    for kind in op.refusals:
        error = kind()
        by_status.setdefault(status_of(error), []).append(error)
    return {
        str(status): {
            "description": "\n".join(f"- `{e.code}`: {translate(e.message, Language.EN)}" for e in refused),
            "content": {MEDIA_TYPE: {"schema": references[Problem, "serialization"]}},
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
        }
        for status, refused in sorted(by_status.items())
    }


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _once(models: Iterable[type[BaseModel]]) -> list[type[BaseModel]]:
    return list(dict.fromkeys(models))
