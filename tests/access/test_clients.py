"""API keys are shown once, found by hash, renewed and switched off."""

import pytest

from tests.world import World
from wms.access import clients
from wms.access.clients import ClientExists, ScopeUnknown
from wms.access.rules import SCOPES, KeyUnknown


async def test_a_key_finds_its_partner_until_it_is_renewed_or_off(world: World) -> None:
    async with world.db.transaction() as tx:
        key = await clients.create_client(tx, "ERP", warehouse_ids=[world.warehouse_id])
        found = await clients.get_client(tx, key)
        assert (found.code, found.warehouse_ids) == ("ERP", (world.warehouse_id,))
        assert (found.owner_ids, found.scopes) == ((), tuple(SCOPES))
        renewed = await clients.renew_key(tx, "ERP")
        with pytest.raises(KeyUnknown):
            await clients.get_client(tx, key)
        await clients.get_client(tx, renewed)
        await clients.switch_off(tx, "ERP")
        with pytest.raises(KeyUnknown):
            await clients.get_client(tx, renewed)
        with pytest.raises(KeyUnknown):
            await clients.renew_key(tx, "CRM")


async def test_a_second_client_of_that_code_and_an_unknown_scope_are_refused(world: World) -> None:
    async with world.db.transaction() as tx:
        await clients.create_client(tx, "ERP", warehouse_ids=[world.warehouse_id])
        with pytest.raises(ClientExists):
            await clients.create_client(tx, "ERP", warehouse_ids=[world.warehouse_id])
        with pytest.raises(ScopeUnknown, match="moon:read"):
            await clients.create_client(tx, "TMS", warehouse_ids=[1], scopes=["moon:read"])
