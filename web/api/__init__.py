"""The JSON API: every resource's handlers in one list for the assembly.

A new resource is a module with `HANDLERS` and one line here.
"""

from typing import Any

from web import errors
from web.api import adjustments, asns, cancels, events, inventory, orders, publication

HANDLERS: list[Any] = [*errors.HANDLERS, *orders.HANDLERS, *cancels.HANDLERS, *asns.HANDLERS,
                       *inventory.HANDLERS, *adjustments.HANDLERS, *events.HANDLERS,
                       *publication.HANDLERS]  # fmt: skip
