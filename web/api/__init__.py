"""The JSON API: every resource's handlers in one list for the assembly.

A new resource is a module with `HANDLERS` and one line here.
"""

from typing import Any

from web import errors
from web.api import asns, events, inventory, orders

HANDLERS: list[Any] = [*errors.HANDLERS, *orders.HANDLERS, *asns.HANDLERS, *inventory.HANDLERS,
                       *events.HANDLERS]  # fmt: skip
