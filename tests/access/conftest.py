"""A partner with certificates and keys, and the application behind a trusted proxy."""

import base64
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from litestar import Litestar

from tests.world import World
from web.app import create_app
from wms.settings import Settings

PROXY, STRANGER = "10.0.0.7", "203.0.113.9"
Agent = Callable[[str], httpx.AsyncClient]


@pytest.fixture
def settings(world: World, tmp_path: Path) -> Settings:
    return Settings(
        database_url=world.db.url, pool_size=4, data_dir=tmp_path,
        public_url="https://wms.test", trusted_proxies="10.0.0.0/24",
    )  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def house(settings: Settings) -> AsyncIterator[Litestar]:
    made = create_app(settings, background=False)
    yield made
    await made.state.db.close()


@pytest.fixture
def agent(house: Litestar) -> Agent:
    """An HTTP client that comes from an address."""

    def made(address: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(
            app=house, raise_app_exceptions=False, client=(address, 4711)
        )
        return httpx.AsyncClient(transport=transport, base_url="https://wms.test")

    return made


@pytest_asyncio.fixture(loop_scope="session")
async def partner(agent: Agent) -> AsyncIterator[httpx.AsyncClient]:
    async with agent(PROXY) as client:
        yield client


def certificate(name: str = "ERP", days: int = 30) -> bytes:
    """A self-signed client certificate in DER."""
    key = Ed25519PrivateKey.generate()
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    at = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(who).issuer_name(who).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=60)).not_valid_after(at + timedelta(days=days))
    )  # fmt: skip
    return built.sign(key, None).public_bytes(Encoding.DER)


def client_cert(der: bytes) -> dict[str, str]:
    return {"Client-Cert": f":{base64.b64encode(der).decode()}:"}
