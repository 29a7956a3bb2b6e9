"""Which events an endpoint hears: type patterns, owners, and a predicate without code. Pure."""

from collections.abc import Callable
from typing import Any

import msgspec

from wms.errors import Invalid
from wms.events.catalog import TYPES
from wms.events.envelope import LogRow
from wms.events.leases import EndpointRow

PATTERNS_MAX, DEPTH_MAX = 200, 8
ABOUT_OTHERS = ("delivery.exhausted", "receipt_verdict.rejected")
ENVELOPE_FIELDS = ("type", "okey", "subject", "owner", "actor", "correlation_id", "keyseq", "pos")


class BadPattern(Invalid):
    say = "{pattern!r} matches no event type: use *, a family such as order.* or a full name."


class BadPredicate(Invalid):
    say = "The filter is wrong at {where}: {reason}"


def expand_types(patterns: list[str]) -> set[str] | None:
    """The concrete types behind the patterns, or None for all. Raises BadPattern."""
    if len(patterns) > PATTERNS_MAX:
        raise BadPattern(pattern=f"{len(patterns)} patterns")
    if "*" in patterns:
        return None
    found: set[str] = set()
    for pattern in patterns:
        if pattern.endswith(".*"):
            matched = {name for name in TYPES if name.startswith(pattern[:-1])}
        else:
            matched = {pattern} & TYPES.keys()
        if not matched:
            raise BadPattern(pattern=pattern)
        found |= matched
    return found


def fold_types(types: list[str]) -> list[str]:
    """Concrete types as the shortest patterns that mean them, for people."""
    wanted, folded = set(types), list[str]()
    for name in sorted(wanted):
        family = {each for each in TYPES if each.partition(".")[0] == name.partition(".")[0]}
        pattern = f"{name.partition('.')[0]}.*" if family <= wanted and len(family) > 1 else name
        if pattern not in folded:
            folded.append(pattern)
    return ["*"] if set(TYPES) <= wanted else folded


class Subscription:
    """An endpoint's choice, compiled. `types` and `owners` are None when they do not narrow."""

    def __init__(self, endpoint: EndpointRow) -> None:
        """Raises BadPattern and BadPredicate."""
        self.types = expand_types(endpoint.types)
        self.owners = set(endpoint.owners) or None
        self.about_me = f"endpoint/{endpoint.code}"
        self._predicate = compile_predicate(endpoint.predicate) if endpoint.predicate else None

    def wants(self, row: LogRow) -> bool:
        return not self.why_not(row)

    def why_not(self, row: LogRow) -> str:
        """What keeps an event from this endpoint: type, owner, itself or filter; empty: nothing.

        One who hears certain owners hears nothing that belongs to nobody, but of itself.
        """
        if self.types is not None and row.type not in self.types:
            return "type"
        mine = row.subject == self.about_me
        if self.owners is not None and row.owner not in self.owners and not mine:
            return "owner"
        if row.type == "test.ping" and not mine:
            return "itself"
        if row.type in ABOUT_OTHERS and mine:
            return "itself"  # telling an endpoint of its own dead letters would breed more of them
        return "" if self._predicate is None or self._predicate(row) else "filter"


Test = Callable[[LogRow], bool]


def compile_predicate(tree: dict[str, Any], where: str = "filter", depth: int = 0) -> Test:
    """`{"and": […]}`, `{"or": […]}`, `{"not": …}` or `{"field": …, "<operator>": value}`.

    Fields are envelope columns, or paths into the payload such as `data.order.status`. Operators:
    eq, in, prefix, min, max, exists. Raises BadPredicate.
    """
    if depth > DEPTH_MAX:
        raise BadPredicate(where=where, reason="it is nested too deep")
    if not isinstance(tree, dict):
        raise BadPredicate(where=where, reason="an object is expected")
    for name, join in (("and", all), ("or", any)):
        if name in tree:
            parts = tree[name]
            if not isinstance(parts, list) or not parts or len(tree) > 1:
                raise BadPredicate(where=where, reason=f"{name} takes a list and nothing beside it")
            tests = [
                compile_predicate(part, f"{where}.{name}[{i}]", depth + 1)
                for i, part in enumerate(parts)
            ]
            return lambda row, tests=tests, join=join: join(test(row) for test in tests)
    if "not" in tree:
        inner = compile_predicate(tree["not"], f"{where}.not", depth + 1)
        return lambda row: not inner(row)
    return _leaf(tree, where)


def _leaf(tree: dict[str, Any], where: str) -> Test:
    field = tree.get("field")
    operators = tree.keys() - {"field"}
    if not isinstance(field, str) or len(operators) != 1:
        raise BadPredicate(where=where, reason="a field and one operator are expected")
    if field not in ENVELOPE_FIELDS and not field.startswith("data."):
        raise BadPredicate(where=where, reason=f"{field} is no envelope field and no data. path")
    operator = operators.pop()
    wanted = tree[operator]
    compare = _OPERATORS.get(operator)
    if compare is None:
        raise BadPredicate(where=where, reason=f"{operator} is not one of {sorted(_OPERATORS)}")
    if operator == "in" and not isinstance(wanted, list):
        raise BadPredicate(where=where, reason="in takes a list")
    if operator == "prefix" and not isinstance(wanted, str):
        raise BadPredicate(where=where, reason="prefix takes a text")
    return lambda row: compare(_value(row, field), wanted)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def check(value: Any, wanted: Any) -> bool:
        try:
            return value is not None and test(value, wanted)
        except TypeError:
            return False

    return check


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: value == wanted,
    "in": lambda value, wanted: value in wanted,
    "prefix": lambda value, wanted: isinstance(value, str) and value.startswith(wanted),
    "min": _ordered(lambda value, wanted: value >= wanted),
    "max": _ordered(lambda value, wanted: value <= wanted),
    "exists": lambda value, wanted: (value is not None) is bool(wanted),
}


def _value(row: LogRow, field: str) -> Any:
    if not field.startswith("data."):
        return getattr(row, field)
    value: Any = msgspec.json.decode(row.data)
    for part in field.split(".")[1:]:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
