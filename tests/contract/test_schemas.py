"""Event schemas: samples fit them in every mask profile, and no release breaks a reader."""

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema_rs import Draft202012Validator

from tests.contract.golden import breaks, current, released
from wms.events.catalog import TYPES
from wms.events.compatibility import breaking
from wms.events.masks import PROFILES
from wms.events.samples import sample_data, sample_event
from wms.events.schemas import schema_of


@pytest.mark.parametrize("name", TYPES)
def test_samples_of_a_type_fit_its_schema_and_re_encode_byte_for_byte(name: str):
    schema = schema_of(name)
    schema.pop("$id")  # relative to where it is served
    validator = Draft202012Validator(schema, validate_formats=True)
    struct = TYPES[name].struct
    for full in (True, False):
        data = sample_data(name, full)
        assert msgspec.json.encode(msgspec.json.decode(data, type=struct)) == data
        for profile in PROFILES:
            event = msgspec.json.decode(sample_event(name, profile, full=full))
            validator.validate(event["data"])
        parsed = JSONFormat().read(CloudEvent, sample_event(name, full=full))
        assert (parsed.get_type(), parsed.get_data()) == (name, msgspec.json.decode(data))


def test_released_schemas_break_for_nobody_and_additions_are_written_down():
    assert breaks() == []
    assert released() == current(), "run: python -m tests.contract.golden"


OLD: dict[str, Any] = {
    "$ref": "#/$defs/Told",
    "$defs": {
        "Told": {
            "type": "object",
            "properties": {
                "sku": {"type": "string"},
                "at": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
                "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
            },
            "required": ["sku"],
        },
        "Line": {"type": "object", "properties": {"qty": {"type": "integer"}}, "required": []},
    },
}


def changed(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> list[str]:
    new = copy.deepcopy(OLD)
    change(new["$defs"]["Told"], new["$defs"]["Line"])
    return breaking(OLD, new)


def test_additions_pass():
    assert changed(lambda told, line: None) == []
    assert changed(lambda told, line: told["properties"].update(lot={"type": "string"})) == []
    assert changed(lambda told, line: line.update(description="Other words.")) == []


def test_every_break_is_named_with_its_place():
    def rename(told: dict[str, Any], line: dict[str, Any]) -> None:
        line["properties"] = {"quantity": {"type": "integer"}}

    def require(told: dict[str, Any], line: dict[str, Any]) -> None:
        line["properties"]["unit"] = {"type": "string"}
        line["required"] = ["unit"]

    assert changed(rename) == ["/lines/*/qty is gone"]
    assert changed(require) == ["/lines/*/unit is newly required"]
    assert changed(lambda told, line: told.update(required=[])) == ["/sku may be missing now"]
    assert changed(lambda told, line: line["properties"]["qty"].update(type="string")) == [
        "/lines/*/qty was integer and is string"
    ]
    assert changed(lambda told, line: told["properties"]["sku"].update(maxLength=9)) == [
        "/sku has another maxLength"
    ]
    only_null = [{"type": "null"}]
    assert changed(lambda told, line: told["properties"]["at"].update(anyOf=only_null)) == [
        "/at was one of string, null and is one of null"
    ]
