"""API keys are shown once, found by their id, expire, rotate two at a time, and are revoked."""

import pytest
from sqlalchemy import text

from tests.world import World, scalar
from wms.access import api_keys, clients
from wms.access.api_keys import BadLifetime, NoSuchKey, TooManyKeys
from wms.access.clients import BadClientCode, ClientExists, ScopeUnknown
from wms.access.hashing import secret_hash
from wms.access.rules import USUAL, KeyExpired, KeyUnknown

PEPPER = b"of this installation"


def kid_of(key: str) -> str:
    return key.split("_")[1]


async def test_a_key_finds_its_partner_until_it_is_renewed_or_off(world: World) -> None:
    async with world.db.transaction() as tx:
        key = await clients.create_client(tx, "ERP", warehouse_ids=[world.warehouse_id])
        found = await clients.get_client(tx, key)
        assert (found.code, found.warehouse_ids) == ("ERP", (world.warehouse_id,))
        assert (found.owner_ids, found.scopes) == ((), USUAL)
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
        with pytest.raises(BadClientCode):
            await clients.create_client(tx, "a client/", warehouse_ids=[1])
        for days in (0, 366, 10**12):
            with pytest.raises(BadLifetime):
                await clients.create_client(tx, f"D{days}", warehouse_ids=[1], days=days)


async def test_two_keys_overlap_while_a_partner_moves_over(world: World) -> None:
    async with world.db.transaction() as tx:
        first = await clients.create_client(tx, "ERP", warehouse_ids=[1], pepper=PEPPER)
        second = await api_keys.make_key(tx, "ERP", pepper=PEPPER, days=30)
        for key in (first, second):
            assert (await clients.get_client(tx, key, PEPPER)).code == "ERP"
        with pytest.raises(TooManyKeys):
            await api_keys.make_key(tx, "ERP", pepper=PEPPER)
        await api_keys.revoke_key(tx, "ERP", kid_of(first))
        with pytest.raises(KeyUnknown):
            await clients.get_client(tx, first, PEPPER)
        with pytest.raises(NoSuchKey):
            await api_keys.revoke_key(tx, "ERP", kid_of(first))
        with pytest.raises(NoSuchKey):
            await api_keys.revoke_key(tx, "ERP", "")
        await api_keys.make_key(tx, "ERP", pepper=PEPPER)
        assert [key.live for key in await api_keys.list_keys(tx, "ERP")] == [True, True, False]


async def test_the_database_alone_opens_nothing(world: World) -> None:
    """Neither a secret under another id, nor a hash of another pepper, nor of none."""
    async with world.db.transaction() as tx:
        erp = await clients.create_client(tx, "ERP", warehouse_ids=[1], pepper=PEPPER)
        tms = await clients.create_client(tx, "TMS", warehouse_ids=[1], pepper=PEPPER)
        swapped = f"wms_{kid_of(erp)}_{tms.split('_', 2)[2]}"
        for key, salt in ((swapped, PEPPER), (erp, b"another"), (erp, b""), (erp[:-1], PEPPER)):
            with pytest.raises(KeyUnknown):
                await clients.get_client(tx, key, salt)
    stored = await scalar(world, "SELECT string_agg(k::text, '') FROM api_key k WHERE :w > 0")
    assert erp.split("_", 2)[2] not in stored


async def test_a_key_ends_within_a_year_and_says_when(world: World) -> None:
    async with world.db.transaction() as tx:
        key = await clients.create_client(tx, "ERP", warehouse_ids=[1], days=365)
        await tx.execute(text("UPDATE api_key SET expires_at = now() - interval '1 minute'"))
        with pytest.raises(KeyExpired, match="API key expired at 20"):
            await clients.get_client(tx, key)
        assert await api_keys.make_key(tx, "ERP")  # an expired one does not count as live


async def test_use_is_noted_once_a_minute(world: World) -> None:
    async with world.db.transaction() as tx:
        key = await clients.create_client(tx, "ERP", warehouse_ids=[1])
        _, first = await api_keys.find_client(tx, key)
        assert first is not None
        await api_keys.note_use(tx, first)
        assert (await api_keys.find_client(tx, key))[1] is None
        await tx.execute(text("UPDATE api_key SET used_at = now() - interval '61 seconds'"))
        assert (await api_keys.find_client(tx, key))[1] == first


async def test_a_key_of_before_goes_on_working(world: World) -> None:
    old = "wms_" + "x" * 43
    async with world.db.transaction() as tx:
        await clients.create_client(tx, "ERP", warehouse_ids=[1])
        await tx.execute(
            text("UPDATE api_key SET kid = 'first-1', peppered = false, key_hash = :hash"),
            {"hash": secret_hash(old)},
        )
        assert (await clients.get_client(tx, old, PEPPER)).code == "ERP"
