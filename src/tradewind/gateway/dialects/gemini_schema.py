"""Schemas of the Gemini dialect as JSON Schema.

The dialect's own `Schema` is a part of OpenAPI 3.0's ("Structured outputs", ai.google.dev): types
in upper case, `nullable`, 64-bit bounds as strings, the order of properties in `propertyOrdering`.
Keywords beyond it are JSON Schema's already and are left as they are.
"""

from typing import Any, cast

_BOUNDS = frozenset(
    {"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"}
)
_SPELLINGS = {
    "any_of": "anyOf",
    "max_items": "maxItems",
    "max_length": "maxLength",
    "max_properties": "maxProperties",
    "min_items": "minItems",
    "min_length": "minLength",
    "min_properties": "minProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
    "ref": "$ref",
    "defs": "$defs",
}
# Said of the dialect, not of the value.
_DROPPED = frozenset({"nullable", "propertyOrdering"})
_UNSPECIFIED = "TYPE_UNSPECIFIED"


def json_schema(schema: Any) -> Any:
    """Return the same schema as JSON Schema. What is no schema is returned as it is.

    Raises RecursionError for nesting deeper than the stack.
    """
    if not isinstance(schema, dict):
        return schema
    said = {
        _SPELLINGS.get(name, name): value for name, value in cast("dict[str, Any]", schema).items()
    }
    found: dict[str, Any] = {}
    for name, value in said.items():
        match name:
            case "type":
                if value != _UNSPECIFIED:
                    found[name] = value.lower() if isinstance(value, str) else value
            case "properties" | "$defs":
                found[name] = _named(value)
            case "items" | "additionalProperties" | "not":
                found[name] = json_schema(value)
            case "anyOf" | "oneOf" | "allOf":
                found[name] = _each(value)
            case "$ref" if isinstance(value, str):
                found[name] = value.replace("#/defs/", "#/$defs/", 1)
            case "example":
                found["examples"] = [value]
            case "format" if value == "enum":
                pass  # the dialect's mark of a string with an `enum`
            case bound if bound in _BOUNDS and isinstance(value, str) and value.isdecimal():
                found[bound] = int(value[:18])
            case dropped if dropped in _DROPPED:
                pass
            case _:
                found[name] = value
    _put_in_order(found, said.get("propertyOrdering"))
    if said.get("nullable") is True:
        _add_null(found)
    return found


def _named(schemas: Any) -> Any:
    if not isinstance(schemas, dict):
        return schemas
    return {name: json_schema(each) for name, each in cast("dict[str, Any]", schemas).items()}


def _each(schemas: Any) -> Any:
    if not isinstance(schemas, list):
        return schemas
    return [json_schema(each) for each in cast("list[Any]", schemas)]


def _put_in_order(found: dict[str, Any], ordering: Any) -> None:
    """Properties are generated in the order they are written in, so that order is kept."""
    properties = found.get("properties")
    if not isinstance(properties, dict) or not isinstance(ordering, list):
        return
    named = cast("dict[str, Any]", properties)
    first = [
        name for name in cast("list[Any]", ordering) if isinstance(name, str) and name in named
    ]
    found["properties"] = {name: named[name] for name in dict.fromkeys([*first, *named])}


def _add_null(found: dict[str, Any]) -> None:
    kind = found.get("type")
    if isinstance(kind, str):
        found["type"] = [kind, "null"]
        values = found.get("enum")
        if isinstance(values, list) and None not in values:
            found["enum"] = [*cast("list[Any]", values), None]
    elif isinstance(found.get("anyOf"), list):
        found["anyOf"] = [*found["anyOf"], {"type": "null"}]
