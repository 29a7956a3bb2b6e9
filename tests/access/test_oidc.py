"""The office through an identity provider: a real one on a socket, and all the ways it may lie."""

import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest_asyncio
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OKPKey
from sqlalchemy import text

from tests.world import PIN, World, badge, scalar
from web.app import create_app
from wms.settings import Settings

SECRET = "of the office"


class Provider:
    """One code for each sign-in; `says` overrides claims, `answers` the discovery document."""

    def __init__(self) -> None:
        self.key = self.signs = OKPKey.generate_key("Ed25519", auto_kid=True)
        self.says: dict[str, Any] = {}
        self.answers: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.issuer = ""

    async def start(self) -> None:
        app = web.Application()
        app.add_routes([
            web.get("/.well-known/openid-configuration", self.about),
            web.get("/keys", self.keys), web.post("/token", self.token),
        ])  # fmt: skip
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.issuer = f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def about(self, _request: web.Request) -> web.Response:
        said = {"issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/ask",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys"}  # fmt: skip
        return web.json_response({**said, **self.answers})

    async def keys(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    def approve(self, url: str) -> str:
        """What the person's click at the provider gives: a code for what was asked."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return code

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self.codes.pop(str(form["code"]), None)
        given = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        digest = sha256(str(form["code_verifier"]).encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None or proof != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
            or given != f"wms:{SECRET.replace(' ', '+')}"
        ):  # fmt: skip
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = {"iss": self.issuer, "aud": "wms", "sub": "4711", "nonce": asked["nonce"],
                  "iat": int(time.time()), "exp": int(time.time()) + 60, "email": "Sue@House.test",
                  "email_verified": True, **self.says}  # fmt: skip
        header = {"alg": "Ed25519", "kid": self.key.kid}
        signed = jwt.encode(header, claims, self.signs, algorithms=["Ed25519"])
        return web.json_response({"id_token": signed, "access_token": "x", "token_type": "Bearer"})


@pytest_asyncio.fixture(loop_scope="session")
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    await made.start()
    yield made
    await made.runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(
    world: World, settings: Settings, provider: Provider
) -> AsyncIterator[httpx.AsyncClient]:
    async with world.db.transaction() as tx:
        await tx.execute(text("UPDATE app_user SET email = 'sue@house.test' WHERE code = 'SUE'"))
    async with office(settings, provider) as client:
        yield client


@asynccontextmanager
async def office(
    settings: Settings, provider: Provider, claim: str = "email"
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at an office that asks this provider."""
    ours = msgspec.structs.replace(
        settings, oidc_issuer=provider.issuer, oidc_client_id="wms", oidc_client_secret=SECRET,
        oidc_claim=claim,
    )  # fmt: skip
    app = create_app(ours, background=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"accept": "text/html"}
    async with httpx.AsyncClient(
        transport=transport, base_url="https://wms.test", headers=headers
    ) as client:
        yield client
    await app.state.db.close()


async def begin(browser: httpx.AsyncClient, provider: Provider) -> dict[str, str]:
    """Off to the provider and its answer, not yet handed in."""
    away = await browser.get("/office/oidc?warehouse=W1")
    assert away.status_code == 303, away.text
    assert away.headers["location"].startswith(f"{provider.issuer}/ask?")
    url = away.headers["location"]
    return {"code": provider.approve(url), "state": parse_qs(urlsplit(url).query)["state"][0]}


async def finish(browser: httpx.AsyncClient, answer: dict[str, str]) -> httpx.Response:
    return await browser.get("/office/oidc/back", params=answer)


async def test_the_company_account_opens_the_office_with_the_roles_of_the_badge(
    world: World, browser: httpx.AsyncClient, provider: Provider
) -> None:
    assert "company account" in (await browser.get("/office/login")).text
    answer = await begin(browser, provider)
    came = await finish(browser, answer)
    assert (came.status_code, came.headers["location"]) == (303, "/office")
    cookie = next(c for c in came.headers.get_list("set-cookie") if c.startswith("session="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" in cookie  # the public address is https
    assert (await browser.get("/office/access")).status_code == 200
    assert (await browser.get("/office/access/clients")).status_code == 403
    assert await scalar(
        world, "SELECT actor FROM audit_entry WHERE act = 'signin.oidc' AND :w > 0"
    ) == "user:SUE"  # fmt: skip
    again = await finish(browser, answer)  # the code and the cookie are spent
    assert again.status_code == 401


async def test_an_admin_enters_whose_company_account_it_is(
    world: World, browser: httpx.AsyncClient, provider: Provider
) -> None:
    form = {"badge": badge("ADA"), "pin": PIN}
    assert (await browser.post("/office/login", data=form)).status_code == 303
    page = await browser.get("/office/access")
    assert 'value="sue@house.test"' in page.text
    for code, email in (("SUE", ""), ("ADA", "sue@house.test"), ("PIA", "SUE@house.test")):
        await browser.post(f"/office/access/people/{code}/email", data={"email": email})
    page = await browser.get("/office/access")
    assert page.text.count("sue@house.test") == 1  # one address, one person
    provider.says = {"email": "sue@house.test"}
    await finish(browser, await begin(browser, provider))
    assert (await browser.get("/office/access/clients")).status_code == 200  # it is ADA now


async def test_a_claim_that_holds_our_code_is_never_taken_for_an_address(
    browser: httpx.AsyncClient, settings: Settings, provider: Provider
) -> None:
    """A name that people choose at the provider must not be somebody's address here."""
    async with office(settings, provider, claim="preferred_username") as other:
        for name, words in (("sue@house.test", "nobody here"), ("sue", "nobody here")):
            provider.says = {"preferred_username": name, "email": "sue@house.test"}
            came = await finish(other, await begin(other, provider))
            assert (came.status_code, words in came.text) == (401, True), name
        provider.says = {"preferred_username": "SUE", "email": "x@house.test"}
        came = await finish(other, await begin(other, provider))
        assert (came.status_code, came.headers["location"]) == (303, "/office")


async def test_every_way_the_answer_may_be_wrong_leaves_nobody_signed_in(
    browser: httpx.AsyncClient, provider: Provider
) -> None:
    for says, words in (
        ({"nonce": "another"}, "another sign-in"),
        ({"aud": "shop"}, "somebody else"),
        ({"aud": ["wms", "shop"]}, "somebody else"),
        ({"iss": "https://evil.test"}, "another issuer"),
        ({"exp": int(time.time()) - 600}, "expired"),
        ({"email_verified": False}, "not verified"),
        ({"email": "nobody@house.test"}, "nobody here"),
        ({"email": ""}, "has no email"),
        ({"sub": None}, "lacks what it must say"),
    ):
        provider.says = says
        came = await finish(browser, await begin(browser, provider))
        assert (came.status_code, words in came.text) == (401, True), (says, came.text)
    provider.says = {}
    provider.signs = OKPKey.generate_key("Ed25519")
    came = await finish(browser, await begin(browser, provider))
    assert "signature is wrong" in came.text
    provider.signs = provider.key
    answer = await begin(browser, provider)
    for wrong, words in (
        ({"state": "another"}, "another sign-in"), ({"state": ""}, "another sign-in"),
        ({"code": ""}, "refused"), ({"error": "access_denied"}, "refused"),
        ({"iss": "https://evil.test"}, "another provider"), ({"code": "guess"}, "it answered 400"),
    ):  # fmt: skip
        answer = await begin(browser, provider)
        came = await finish(browser, {**answer, **wrong})
        assert (came.status_code, words in came.text) == (401, True), (wrong, came.text)
    answer = await begin(browser, provider)
    browser.cookies.delete("oidc")
    assert "began elsewhere" in (await finish(browser, answer)).text
    assert "session" not in browser.cookies


async def test_a_provider_that_is_not_itself_or_not_encrypted_or_away_is_not_asked(
    browser: httpx.AsyncClient, provider: Provider
) -> None:
    for answers, words in (
        ({"issuer": "https://evil.test"}, "another issuer"),
        ({"token_endpoint": "http://evil.test/token"}, "begin with https"),
        ({"jwks_uri": 7}, "cannot be read"),
    ):
        provider.answers = answers
        away = await browser.get("/office/oidc")
        assert (away.status_code, words in away.text) == (401, True), answers
    await provider.runner.cleanup()
    assert "cannot be reached" in (await browser.get("/office/oidc")).text


async def test_without_a_provider_there_is_only_badge_and_pin(partner: httpx.AsyncClient) -> None:
    assert "company account" not in (await partner.get("/office/login")).text
    assert "no identity provider" in (await partner.get("/office/oidc")).text
