"""Every write of the office is one transaction of a person, with an entry in the audit log."""

import ast
from pathlib import Path

import httpx
import pytest

import web.office
from tests import world as w
from tests.world import World

OPEN = ("writing.py", "login.py", "oidc.py")  # the one way, and signing in
FOLDER = Path(web.office.__file__).parent


def calls(tree: ast.AST, *names: str) -> list[ast.Call]:
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in names
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_no_page_opens_a_transaction_past_the_audit_log(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if path.name not in (*OPEN, "resubmitting.py"):  # its page notes it first
        assert calls(tree, "transaction") == []
    posts = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)
             and any(calls(ast.Expr(each), "post") for each in node.decorator_list)]  # fmt: skip
    if posts and path.name not in OPEN:
        assert calls(tree, "writing"), f"{len(posts)} writes"


async def test_what_is_done_is_noted_and_what_is_refused_is_not(
    world: World, office: httpx.AsyncClient
) -> None:
    order = await w.order(world, "SO-1", ("MUG", 1))
    url = f"/office/orders/{order['id']}"
    await office.post(f"{url}/hold", data={"reason": "address"})
    await office.post(f"{url}/no-such-act")
    await office.post("/office/orders/999/hold")
    await office.post("/office/waves")  # nothing can go
    noted = await w.scalar(
        world, "SELECT string_agg(actor || ' ' || act || ' ' || subject || ' ' || why, ';')"
        " FROM audit_entry WHERE warehouse_id = :w",
    )  # fmt: skip
    assert noted == f"user:SUE order.held order/{order['id']} address"
