"""What the ARI client asks and reads, held against the API documents the running Asterisk serves."""

import inspect
from typing import Any

import pytest

from ari_app.ari import resources
from ari_app.ari.events import READ, parse
from ari_app.ari.resources import Resource
from ari_app.asterisk.instance import ari_get

from .exchange import Exchange

pytestmark = pytest.mark.live

RESOURCES = [
    resource
    for _, resource in inspect.getmembers(resources, inspect.isclass)
    if issubclass(resource, Resource) and resource is not Resource
]
OPERATIONS = [
    (resource, name)
    for resource in RESOURCES
    for name, _ in inspect.getmembers(resource, inspect.isfunction)
    if not name.startswith("_")
]
SAMPLES = {"str": "x", "int": 1, "Mapping[str, str]": {"a": "b"}, "Sequence[str]": ["x"]}


class Recorder:
    """A client that keeps the request instead of sending it."""

    asked: tuple[str, str, dict[str, str], dict[str, Any]]

    async def request(
        self, method: str, path: str, query: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> None:
        self.asked = method, path, query or {}, body or {}

    async def fetch(self, path: str) -> None:
        self.asked = "GET", path, {}, {}


class Documented(dict[str, Any]):
    """A message with every documented field; reading another one fails, whether it must be there or not."""

    def __getitem__(self, field: str) -> Any:
        assert field in self, f"{field} is not documented"
        return super().__getitem__(field)

    def get(self, field: str, default: Any = None) -> Any:
        return self[field]


@pytest.fixture(scope="module")
def documents(exchange: Exchange) -> dict[str, Any]:
    """The API documents, by resource."""
    listed = ari_get(exchange.connection, "/api-docs/resources.json")["apis"]
    names = [entry["path"].split("/")[-1].split(".")[0] for entry in listed]
    return {name: ari_get(exchange.connection, f"/api-docs/{name}.json") for name in names}


@pytest.mark.parametrize(("resource", "name"), OPERATIONS)
async def test_an_operation_is_documented(resource: type[Resource], name: str, documents: dict[str, Any]) -> None:
    """Method, path, every parameter given; and every parameter required is given."""
    client = Recorder()
    operation = getattr(resource(client), name)
    given = [SAMPLES[_word(parameter.annotation)] for parameter in inspect.signature(operation).parameters.values()]
    await operation(*given)
    method, path, query, body = client.asked

    parameters = _documented(documents, method, path)
    by_kind = {kind: {p["name"] for p in parameters if p["paramType"] == kind} for kind in ("query", "body")}
    required = {p["name"] for p in parameters if p.get("required") and p["paramType"] == "query"}
    assert required <= set(query) <= by_kind["query"]
    # A body is the one parameter itself (eventFilter) or holds it under its name (variables).
    assert not body or by_kind["body"]
    assert set(body) <= by_kind["body"] or by_kind["body"] == {"filter"}


@pytest.mark.parametrize("event", READ, ids=lambda event: event.type)
def test_an_event_and_its_fields_are_documented(event: Any, documents: dict[str, Any]) -> None:
    """The event exists, and `parse` reads only what its model has."""
    models = {name: model for document in documents.values() for name, model in document["models"].items()}
    parsed = parse(_sample(models, event.type))
    assert type(parsed) is event


def test_every_class_of_events_is_read() -> None:
    """An event class that is added must be added to READ, or it is filtered out."""
    from ari_app.ari import events

    defined = {
        event
        for _, event in inspect.getmembers(events, inspect.isclass)
        if issubclass(event, events.AriEvent) and event is not events.AriEvent
    }
    assert defined == set(READ)


def _word(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).rpartition("abc.")[2]


def _documented(documents: dict[str, Any], method: str, path: str) -> list[dict[str, Any]]:
    """The parameters of an operation; a path that is spelled out beats one with a place in it."""
    segments = path.split("/")
    found = [
        (api["path"].count("{"), operation.get("parameters", []))
        for document in documents.values()
        for api in document["apis"]
        for operation in api["operations"]
        if operation["httpMethod"] == method and _matches(api["path"].strip("/").split("/"), segments)
    ]
    assert found, f"{method} /{path} is not documented"
    return min(found, key=lambda entry: entry[0])[1]


def _matches(template: list[str], segments: list[str]) -> bool:
    return len(template) == len(segments) and all(
        place.startswith("{") or place == segment for place, segment in zip(template, segments, strict=True)
    )


def _sample(models: dict[str, Any], name: str) -> Documented:
    properties: dict[str, Any] = {}
    for model in [name, *(parent for parent, model in models.items() if name in model.get("subTypes", []))]:
        properties |= models[model]["properties"]
    simple = {"string": "x", "int": 1, "long": 1, "boolean": True, "Date": "2026-11-21T10:45:02.123+0900"}
    values = Documented({"type": name})
    for field, described in properties.items():
        kind = described["type"]
        values.setdefault(field, simple[kind] if kind in simple else _sample(models, kind) if kind in models else None)
    return values
