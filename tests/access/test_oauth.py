"""Access tokens: proven by secret, assertion or certificate; short, narrow, bound, revocable."""

import base64
import time
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey
from litestar import Litestar
from sqlalchemy import text

from tests.access.conftest import PROXY, STRANGER, Agent, certificate, client_cert
from tests.world import World
from wms.access import certificates, clients, public_keys, token_keys, tokens
from wms.access.installation import pepper, sealer
from wms.access.public_keys import BadKeySet
from wms.settings import Settings

ISSUER = "https://wms.test"
ORDERS = "/v1/warehouses/W1/orders"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


async def erp(world: World, settings: Settings, **more: Any) -> str:
    async with world.db.transaction() as tx:
        return await clients.create_client(
            tx, "ERP", warehouse_ids=[world.warehouse_id], pepper=pepper(settings), **more
        )


async def ask(partner: httpx.AsyncClient, **form: str) -> httpx.Response:
    headers = form.pop("headers", {})
    form.setdefault("grant_type", "client_credentials")
    return await partner.post("/oauth/token", data=form, headers=headers)  # type: ignore[arg-type]


def bearer(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


async def test_a_secret_gets_a_token_that_anybody_can_verify(
    world: World, settings: Settings, partner: httpx.AsyncClient
) -> None:
    key = await erp(world, settings, owner_ids=[world.owners["ACME"]])
    answer = await ask(partner, client_id="ERP", client_secret=key, scope="orders:read")
    assert answer.headers["cache-control"] == "no-store"
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 600)
    assert (await partner.get(ORDERS, headers=bearer(answer))).status_code == 200
    about = (await partner.get("/.well-known/oauth-authorization-server")).json()
    keys = KeySet.import_key_set((await partner.get(about["jwks_uri"])).json())
    read = jwt.decode(answer.json()["access_token"], keys, algorithms=["Ed25519"])
    assert read.header["typ"] == "at+jwt"
    assert {name: read.claims[name] for name in ("iss", "aud", "sub", "scope", "sites", "owners")} \
        == {"iss": ISSUER, "aud": ISSUER, "sub": "ERP", "scope": "orders:read", "sites": ["W1"],
            "owners": ["ACME"]}  # fmt: skip
    basic = base64.b64encode(f"ERP:{key}".encode()).decode()
    again = await ask(partner, headers={"authorization": f"Basic {basic}"})  # type: ignore[arg-type]
    assert set(again.json()["scope"].split()) > {"orders:read"}


async def test_a_token_opens_no_more_than_it_says_and_no_more_than_its_client_may_now(
    world: World, settings: Settings, house: Litestar, partner: httpx.AsyncClient
) -> None:
    key = await erp(world, settings)
    who = {"client_id": "ERP", "client_secret": key}
    narrow = bearer(await ask(partner, **who, owners="BREW", scope="orders:read"))
    body = {"lines": [{"line_no": 1, "sku": "MUG", "qty": 1}]}
    put = await partner.put(f"{ORDERS}/ACME/1", json=body, headers=narrow)
    assert (put.status_code, put.headers["www-authenticate"]) == (
        403, 'Bearer error="insufficient_scope", scope="orders:write"',
    )  # fmt: skip
    for wrong in ({"scope": "moon:read"}, {"sites": "W9"}, {"scope": "orders:read moon:read"}):
        refused = await ask(partner, **who, **wrong)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    async with world.db.transaction() as tx:
        ids = {"warehouse_ids": [world.warehouse_id], "scopes": ["orders:read"]}
        await clients.change_client(tx, "ERP", owner_ids=[world.owners["ACME"]], **ids)
    house.state["sessions"].forget("bearer " + narrow["authorization"].split()[1])
    gone = await partner.get(ORDERS, headers=narrow)  # BREW was taken away: not "all owners"
    assert (gone.status_code, gone.json()["code"]) == (401, "TokenInvalid")
    fresh = bearer(await ask(partner, **who))
    async with world.db.transaction() as tx:
        await clients.switch_off(tx, "ERP")
    assert (await partner.get(ORDERS, headers=fresh)).status_code == 401
    assert (await ask(partner, **who)).json()["error"] == "invalid_client"


async def test_an_expired_or_forged_token_is_told_apart(
    world: World, settings: Settings, partner: httpx.AsyncClient
) -> None:
    await erp(world, settings)
    seal, at = sealer(settings, "token keys"), world.at.now(world.at.tzinfo)
    async with world.db.transaction() as tx:
        ours = await token_keys.rotate(tx, seal, at)
    base = {"iss": ISSUER, "aud": ISSUER, "sub": "ERP", "client_id": "ERP", "jti": "1",
            "iat": int(time.time()) - 5, "exp": int(time.time()) + 60, "scope": "orders:read",
            "sites": ["W1"], "owners": ["*"]}  # fmt: skip

    async def heard(key: Any = ours, alg: str = "Ed25519", typ: str = "at+jwt", **more: Any) -> Any:
        header = {"alg": alg, "typ": typ, "kid": ours.kid}
        made = jwt.encode(header, {**base, **more}, key, algorithms=[alg])
        answer = await partner.get(ORDERS, headers={"authorization": f"Bearer {made}"})
        return answer.status_code, answer.headers.get("www-authenticate", "")

    assert (await heard())[0] == 200
    status, challenge = await heard(exp=int(time.time()) - 1)
    assert (status, challenge) == (
        401, 'Bearer error="invalid_token", error_description="expired"',
    )  # fmt: skip
    public = OctKey.import_key(ours.as_dict(private=False)["x"] + "0" * 16)
    for wrong in (
        {"aud": "https://other.test"}, {"iss": "https://other.test"}, {"typ": "JWT"},
        {"iat": int(time.time()) + 3600}, {"sub": "NOBODY"}, {"scope": None},
        {"key": OKPKey.generate_key("Ed25519")}, {"key": public, "alg": "HS256"},
    ):  # fmt: skip
        status, challenge = await heard(**wrong)
        assert (status, "invalid_token" in challenge) == (401, True), wrong
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=") + ".e30."
    for token in (none, "a.b.c", "..", "x" * 9000 + ".a.b"):
        answer = await partner.get(ORDERS, headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "TokenInvalid")
    missing = await partner.get(ORDERS)
    assert (missing.status_code, missing.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("alg", ["Ed25519", "EdDSA", "ES256"])
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
async def test_a_signed_assertion_is_taken_once(
    world: World, settings: Settings, partner: httpx.AsyncClient, alg: str
) -> None:
    await erp(world, settings)
    made = ECKey.generate_key("P-256") if alg == "ES256" else OKPKey.generate_key("Ed25519")
    async with world.db.transaction() as tx:
        jwks = public_keys.read_jwks(
            httpx.Response(200, json={"keys": [made.as_dict(private=True)]}).content
        )
        assert "d" not in jwks["keys"][0]
        await clients.set_jwks(tx, "ERP", jwks)
    good = {"iss": "ERP", "sub": "ERP", "aud": f"{ISSUER}/oauth/token", "jti": "one",
            "exp": int(time.time()) + 60}  # fmt: skip

    async def heard(key: Any = made, **more: Any) -> str:
        signed = jwt.encode({"alg": alg}, {**good, **more}, key, algorithms=[alg])
        answer = await ask(partner, client_assertion=signed, client_assertion_type=ASSERTION)
        return "ok" if answer.status_code == 200 else answer.json()["error_description"]

    other = ECKey.generate_key("P-256") if alg == "ES256" else OKPKey.generate_key("Ed25519")
    for wrong, words in (
        ({"aud": "https://other.test"}, "somebody else"),
        ({"exp": int(time.time()) - 120}, "expired"),
        ({"exp": int(time.time()) + 7200}, "longer than 10 minutes"),
        ({"iss": "TMS"}, "not the client"),
        ({"sub": "NOBODY"}, "not known"),
        ({"jti": ""}, "needs a jti"),
        ({"jti": None}, "form is wrong"),
        ({"key": other}, "form is wrong"),
    ):
        assert words in await heard(**wrong), wrong
    assert await heard() == "ok"
    assert "used before" in await heard()
    assert await heard(jti="two") == "ok"


def test_a_key_set_with_a_secret_or_nonsense_is_not_registered() -> None:
    shared = OctKey.generate_key(256).as_dict(private=True)
    for wrong in (b"{", b"[]", b'{"keys": []}', b'{"keys": [{"kty": "moon"}]}', b"\xff",
                  httpx.Response(200, json={"keys": [shared]}).content):  # fmt: skip
        with pytest.raises(BadKeySet):
            public_keys.read_jwks(wrong)


async def test_a_token_got_with_a_certificate_works_only_with_it(
    world: World, settings: Settings, partner: httpx.AsyncClient, agent: Agent
) -> None:
    key = await erp(world, settings)
    mine, other, old = certificate(), certificate("TMS"), certificate(days=-1)
    async with world.db.transaction() as tx:
        prints = [certificates.read_thumbprint(der) for der in (mine, old)]
        await clients.set_certificates(tx, "ERP", prints)
    token = await partner.post(
        "/oauth/token", data={"grant_type": "client_credentials", "client_id": "ERP"},
        headers=client_cert(mine),
    )  # fmt: skip
    bound = bearer(token)
    assert (await partner.get(ORDERS, headers={**bound, **client_cert(mine)})).status_code == 200
    for headers in (bound, {**bound, **client_cert(other)}):
        answer = await partner.get(ORDERS, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "CertificateWrong")
    async with agent(STRANGER) as stranger:  # the header of somebody who is no proxy of ours
        spoofed = await stranger.get(ORDERS, headers={**bound, **client_cert(mine)})
        assert spoofed.json()["code"] == "CertificateWrong"
        form = {"grant_type": "client_credentials", "client_id": "ERP"}
        refused = await stranger.post("/oauth/token", data=form, headers=client_cert(mine))
        assert refused.json()["error"] == "invalid_client"
    for header, error in (
        (client_cert(other), "invalid_client"),
        (client_cert(old), "invalid_request"),
        ({"Client-Cert": ":nonsense:"}, "invalid_request"),
    ):
        refused = await partner.post("/oauth/token", data=form, headers=header)
        assert refused.json()["error"] == error
    also = await partner.post(
        "/oauth/token", data={**form, "client_secret": key}, headers=client_cert(mine)
    )
    assert (await partner.get(ORDERS, headers=bearer(also))).status_code == 401
    assert PROXY.startswith("10.0.0.")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_id": "ERP"}, "invalid_client"),
        ({}, "invalid_request"),
        ({"client_id": "ERP", "client_secret": "wms_nonsense"}, "invalid_client"),
        ({"client_id": "E\x00", "client_secret": "x"}, "invalid_request"),
        ({"client_secret": "x", "client_assertion": "y"}, "invalid_request"),
        ({"client_assertion": "y"}, "invalid_request"),
        ({"client_assertion": "y", "client_assertion_type": ASSERTION}, "invalid_client"),
    ],
)
async def test_what_is_wrong_with_a_token_request_is_said_as_oauth_says_it(
    partner: httpx.AsyncClient, form: dict[str, str], error: str
) -> None:
    answer = await ask(partner, **form)
    assert answer.json()["error"] == error
    assert answer.status_code == (401 if error == "invalid_client" else 400)
    for content in (b"grant_type=a&grant_type=b", b"\xff=%ff", b'{"grant_type": "x"}'):
        raw = await partner.post(
            "/oauth/token", content=content,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        assert raw.status_code == 400
    json = await partner.post("/oauth/token", json={"grant_type": "client_credentials"})
    assert json.json()["error"] == "invalid_request"


async def test_signing_keys_change_with_an_overlap_and_survive_a_lost_installation_key(
    world: World, settings: Settings
) -> None:
    seal, at = sealer(settings, "token keys"), world.at

    async def kids(when: Any) -> list[str]:
        async with world.db.reading() as tx:
            return [key["kid"] for key in (await token_keys.public_set(tx, when))["keys"]]

    async with world.db.transaction() as tx:
        first = await token_keys.rotate(tx, seal, at)
        assert (await token_keys.rotate(tx, seal, at)).kid == first.kid
        assert await token_keys.find_signing_key(tx, seal, at + token_keys.ROTATE * 1.1) is None
        later = at + token_keys.ROTATE * 1.1
        assert (await token_keys.rotate(tx, seal, later)).kid == first.kid  # the next is published
    assert len(await kids(later)) == 2
    soon = later + token_keys.AHEAD
    async with world.db.transaction() as tx:
        second = await token_keys.find_signing_key(tx, seal, soon)
        assert second is not None
        assert second.kid != first.kid
        claims = tokens.Claims(
            iss=ISSUER, aud=ISSUER, sub="ERP", client_id="ERP", jti="1", scope="", sites=[],
            owners=["*"], iat=int(soon.timestamp()), exp=int(soon.timestamp()) + 600,
        )  # fmt: skip
        keys = await token_keys.verifying_keys(tx, soon)
        assert tokens.verify(tokens.sign(claims, first), keys, ISSUER, soon) == claims
    assert await kids(soon + token_keys.OVERLAP * 2) == [second.kid]
    async with world.db.transaction() as tx:
        lost = sealer(settings, "of another installation")
        assert (await token_keys.rotate(tx, lost, soon)).kid not in (first.kid, second.kid)
        await tx.execute(text("DELETE FROM token_key"))
