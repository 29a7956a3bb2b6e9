"""No type of the catalogue is only a promise: for each there is code that tells it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import wms
from wms.events.catalog import TYPES

ROOT = Path(wms.__file__).parent
TELLING = {"emit", "emit_many", "emit_order", "order_event", "outbox_row", "tell",
           "tell_everywhere", "tell_item"}  # fmt: skip
LISTENS = ("following.py", "levels_told.py")  # they name types that they read


def tellers() -> Iterator[ast.Module]:
    """Modules that write to the outbox, by a call or by a statement, and the tables of rules
    beside them."""
    for path in ROOT.rglob("*.py"):
        if "bench" in path.parts or path.name in ("catalog.py", *LISTENS):
            continue
        tree = ast.parse(path.read_text())
        calls = {getattr(node.func, "attr", getattr(node.func, "id", ""))
                 for node in ast.walk(tree) if isinstance(node, ast.Call)}  # fmt: skip
        sql = any("INSERT INTO outbox" in text for text in words(tree))
        if calls & TELLING or sql:
            yield tree
            if (beside := path.with_name("rules.py")).exists():
                yield ast.parse(beside.read_text())


def words(tree: ast.Module) -> set[str]:
    return {node.value for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # fmt: skip


def named_by(tree: ast.Module) -> set[str]:
    """Types that the code itself names: whole, as `order.{verb}` with the verb beside it, or in
    SQL. What only a document string or a list of what is listened to names does not count."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                first.value.value = None  # the document string
    texts = words(tree)
    for name in TYPES:
        thing, _, verb = name.partition(".")
        whole = name in texts or any(f"'{name}'" in text for text in texts)
        if whole or (f"{thing}." in texts and verb in texts):
            found.add(name)
    return found


def test_every_type_has_code_that_tells_it() -> None:
    told = {name for tree in tellers() for name in named_by(tree)}
    told.add("inventory.level_changed")  # tests/outbound/test_flow.py hears it
    assert TYPES.keys() - told == set()
