"""Partners that talk to the application, and the log sealed on demand."""

from tests.api.conftest import app, erp  # fixtures
from tests.world import World
from wms.events.sealer import seal

__all__ = ["app", "erp"]


async def sealed(world: World) -> None:
    """Give every committed event its position."""
    async with world.db.transaction() as tx:
        while await seal(tx, world.warehouse_id):
            pass
