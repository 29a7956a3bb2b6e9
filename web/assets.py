"""Static files under names that carry a hash of their content, so they may be cached for ever.

Our scripts are ES modules on disk (tests import them one by one); a page gets one file: the parts
of a bundle in order, without import lines, minified by web/minify.py. htmx comes from its
carrier package (docs/decisions/htmx-comes-from-a-python-package.md) and must be the pinned file.
Everything is compressed once, as far as it goes.
"""

import gzip
import hashlib
import importlib.util
import re
from functools import cache
from pathlib import Path

import brotli
import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from web.minify import minify

STATIC = Path(__file__).parent / "static"
BUNDLES = {
    "scan.js": (
        "gs1.js",
        "codes.js",
        "walk.js",
        "capture.js",
        "feedback.js",
        "outbox.js",
        "view.js",
        "scan.js",
    ),
    "login.js": ("capture.js", "feedback.js", "login.js"),
    "floor.css": ("tokens.css", "floor.css", "pages.css"),
    "office.css": ("tokens.css", "office.css"),
}
HTMX_CARRIER = "js_lib_htmx"  # django-js-lib-htmx 2.0.3.1, carries htmx 2.0.3
HTMX_SHA256 = "491955cd1810747d7d7b9ccb936400afb760e06d25d53e4572b64b6563b2784e"
MEDIA = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
FOR_EVER = "public, max-age=31536000, immutable"


class Asset(msgspec.Struct, frozen=True):
    name: str  # scan.js
    hashed: str  # scan-0123456789.js
    body: bytes
    packed: dict[str, bytes]  # by content coding, the smallest first
    media: str


@cache
def shelf() -> dict[str, Asset]:
    """Every asset by its plain name. Read once per process."""
    parts = {part for bundled in BUNDLES.values() for part in bundled}
    bodies = {path.name: path.read_bytes() for path in STATIC.iterdir()
              if path.suffix in MEDIA and path.name not in parts}  # fmt: skip
    bodies |= {name: _bundle(bundled) for name, bundled in BUNDLES.items()}
    bodies["htmx.js"] = htmx_core() + b"\n" + bodies.pop("live.js")
    bodies.pop("sw.js", None)
    return {name: _asset(name, body) for name, body in sorted(bodies.items())}


@cache
def _by_hashed_name() -> dict[str, Asset]:
    return {asset.hashed: asset for asset in shelf().values()}


def asset(name: str) -> str:
    """The URL of an asset, for templates."""
    return f"/static/{shelf()[name].hashed}"


def htmx_core() -> bytes:
    """htmx.min.js out of the carrier package, which is found but never imported."""
    spec = importlib.util.find_spec(HTMX_CARRIER)
    if spec is None or spec.origin is None:
        raise RuntimeError("htmx is missing: install django-js-lib-htmx as pyproject.toml pins it")
    body = (Path(spec.origin).parent / "static" / "htmx" / "htmx.min.js").read_bytes()
    if hashlib.sha256(body).hexdigest() != HTMX_SHA256:
        raise RuntimeError("htmx.min.js is not the pinned file; see web/assets.py")
    return body


def _bundle(parts: tuple[str, ...]) -> bytes:
    text = "\n".join((STATIC / part).read_text() for part in parts if (STATIC / part).exists())
    text = re.sub(r"^import [^;]*;\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^export (?=const|let|class|async|function)", "", text, flags=re.MULTILINE)
    return (minify(text) if parts[0].endswith(".js") else text).encode()


def _asset(name: str, body: bytes) -> Asset:
    stem, dot, ending = name.rpartition(".")
    digest = hashlib.sha256(body).hexdigest()[:10]
    packed = {"br": brotli.compress(body), "gzip": gzip.compress(body, 9, mtime=0)}
    return Asset(name, f"{stem}-{digest}{dot}{ending}", body, packed, MEDIA[dot + ending])


@cache
def _service_worker() -> Asset:
    """The service worker with the floor's assets and their common version written into it."""
    urls = [asset(name) for name in ("floor.css", "scan.js", "login.js")]
    version = hashlib.sha256("".join(urls).encode()).hexdigest()[:10]
    text = (STATIC / "sw.js").read_text()
    listed = msgspec.json.encode(urls).decode()
    text = text.replace('"__ASSETS__"', listed).replace("__VERSION__", version)
    return _asset("sw.js", text.encode())


def _answer(request: Request, asset: Asset, caching: str) -> Response:
    headers = {
        "Cache-Control": caching,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    accepted = request.headers.get("accept-encoding", "").replace(" ", "").split(",")
    coding = next((each for each in asset.packed if each in accepted), "")
    if coding:
        headers["Content-Encoding"] = coding
    body = asset.packed.get(coding, asset.body)
    return Response(body, media_type=asset.media, headers=headers)


@get("/static/{name:str}", sync_to_thread=False, include_in_schema=False)
def static_file(request: Request, name: FromPath[str]) -> Response:
    found = _by_hashed_name().get(name)
    if found is None:
        raise NotFoundException(f"no asset {name}")
    return _answer(request, found, FOR_EVER)


@get("/sw.js", sync_to_thread=False, include_in_schema=False)
def service_worker(request: Request) -> Response:
    """At the root, so that its scope is the whole site."""
    return _answer(request, _service_worker(), "no-cache")


HANDLERS = [static_file, service_worker]
