"""Shapes that every API answer shares, and JSON Schemas of any msgspec type as named components."""

from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import Any

import msgspec

from wms.documents import DocumentError

COMPONENTS = "#/components/schemas/"


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A problem document (RFC 9457). `type` is of the closed list at /problems; `code` names the
    case and never changes its meaning; the facts of the case travel as further members."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    tone: str
    instance: str = ""
    correlation_id: str = ""
    errors: Sequence[DocumentError] = ()


class EventTypeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One event type as the catalogue tells it."""

    type: str
    text: str
    volume: str
    ordering_key: str
    conflatable: bool
    major: int


class AmbiguousShape(Exception):
    """Two types of one name in two modules of one name."""


def components(shapes: Sequence[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The schema of each shape, and the named schemas they refer to.

    A type whose name is used twice gets the name of its module in front.
    """
    schemas, known = msgspec.json.schema_components(shapes, ref_template=COMPONENTS + "{name}")
    names = {name: _short(name) for name in known}
    if len(set(names.values())) < len(names):
        raise AmbiguousShape(sorted(names))
    renamed = {names[name]: _renamed(schema, names) for name, schema in known.items()}
    return [_renamed(schema, names) for schema in schemas], dict(sorted(renamed.items()))


def _short(name: str) -> str:
    """`wms.outbound.order_documents.LineDoc` is `OrderDocumentsLineDoc`."""
    *_, module, last = ("", *name.replace("wms_", "wms.").split("."))
    return "".join(part.capitalize() for part in module.split("_")) + last


def _renamed(tree: Any, names: Mapping[str, str]) -> Any:
    if isinstance(tree, dict):
        made = {key: _renamed(value, names) for key, value in tree.items()}
        if isinstance(made.get("$ref"), str):
            made["$ref"] = COMPONENTS + names[made["$ref"].removeprefix(COMPONENTS)]
        if isinstance(made.get("description"), str):
            made["description"] = cleandoc(made["description"])
        return made
    if isinstance(tree, list):
        return [_renamed(each, names) for each in tree]
    return tree
