"""Chromium as a handheld, and the air between it and the server.

`Air` is a TCP proxy that can cut, delay, or swallow answers, for the page and its service worker
alike (network conditions of the developer tools do not reach a service worker).
"""

import asyncio
import contextlib
import inspect
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from litestar import Litestar
from playwright.async_api import Browser, BrowserContext, Error, Page, Playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome") or ""
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 20  # seconds for what has to happen, on a machine with other work
HANDHELD = {"width": 360, "height": 640}

# Records what the person would hear and feel; a policy violation is told to `watched`.
RECORDER = """
try { localStorage.suffix = "1"; } catch {}
window.heard = []; window.felt = [];
document.addEventListener("feedback", (event) => window.heard.push(event.detail));
document.addEventListener("securitypolicyviolation", (e) => window.violated?.(e.blockedURI));
Object.defineProperty(navigator, "vibrate", { value: (pattern) => window.felt.push(pattern) });
"""

# Key events with times of their own: what a scanner does, whatever this machine's load is.
TYPE = """([code, suffix, gap, target]) => {
  const field = document.querySelector("#scan, #pin");
  let at = performance.now();
  const event = (made) => { Object.defineProperty(made, "timeStamp", { value: at }); return made; };
  const key = (name, more = {}) => (target === "body" ? document.body : field).dispatchEvent(
    event(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more })));
  for (const letter of code) {
    at += gap;
    if (letter === "\\x1d") { key("]", { ctrlKey: true }); continue; }
    key(letter);
    field.value += letter;
    field.dispatchEvent(event(new InputEvent("input", { data: letter, bubbles: true })));
  }
  at += gap;
  if (suffix === "LF") key("j", { ctrlKey: true });
  else if (suffix) key(suffix);
}"""


class Air:
    """The radio: `mode` is on, off (nothing connects), or swallow (requests arrive, answers do
    not). The next answer with `fault` in it breaks off there."""

    url = ""

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.mode = "on"
        self.delay = 0.0
        self.fault = b""
        self.open: set[asyncio.StreamWriter] = set()
        self.carrying: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self.server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        self.mode = "off"
        self._hang_up()

    def swallow(self) -> None:
        self.mode = "swallow"

    def heal(self) -> None:
        if self.mode != "on":
            self._hang_up()
        self.mode = "on"

    def break_at(self, text: str) -> None:
        self.fault = text.encode()

    def _hang_up(self) -> None:
        for writer in list(self.open):
            writer.transport.abort()

    async def stop(self) -> None:
        self.mode = "off"  # what is on its way in is turned away too
        self.server.close()
        self._hang_up()
        await asyncio.gather(*self.carrying, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self.carrying.add(task)
            task.add_done_callback(self.carrying.discard)
        if self.mode == "off":
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            writer.transport.abort()
            return
        self.open |= {writer, far_writer}
        await asyncio.gather(
            self._pump(reader, far_writer, answers=False),
            self._pump(far_reader, writer, answers=True),
        )
        self.open -= {writer, far_writer}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if answers and self.fault and self.fault in chunk:
                    writer.write(chunk[: chunk.index(self.fault)])
                    self.fault = b""
                    break
                if not (answers and self.mode == "swallow"):
                    writer.write(chunk)
                    await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(app: Litestar) -> AsyncIterator[int]:
    """The app on a free port, in this loop."""
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="on", ws="none",
                            timeout_graceful_shutdown=1)  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task
        for connection in list(server.server_state.connections):  # streams outlive the patience
            connection.transport.abort()
        await asyncio.sleep(0)  # lets the loop close their sockets


async def launch(playwright: Playwright) -> Browser:
    return await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


async def handheld(browser: Browser, url: str, **options: object) -> BrowserContext:
    """A device with its own storage. Options as of playwright's new_context."""
    settings: dict[str, object] = {"viewport": HANDHELD, "base_url": url, "has_touch": True}
    context = await browser.new_context(**(settings | options))  # type: ignore[arg-type]
    await context.add_init_script(RECORDER)
    context.set_default_timeout(PATIENCE * 1000)
    return context


async def put_away(device: BrowserContext) -> None:
    """Close it. Chromium waited for ever once, for a page on its way; its own end ends that too."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(device.close(), PATIENCE)


async def watched(page: Page) -> list[str]:
    """Where script errors and policy violations of a page go, whatever document it shows by then.
    A test asserts at its end that nothing came."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(error.stack or str(error)))
    await page.expose_function("violated", lambda uri: faults.append(f"blocked: {uri}"))
    return faults


async def visit(page: Page, url: str) -> None:
    """Opens a page and waits until it is all there and its script has taken over."""
    await page.goto(url)
    await _taken_over(page)


async def reload(page: Page) -> None:
    await page.reload()
    await _taken_over(page)


async def _taken_over(page: Page) -> None:
    """On a busy machine the browser may say that a page arrived while the document still comes in;
    and keys that are pressed before the script of a scan page runs go into its plain form."""
    if await page.evaluate("!window.heard"):  # no scripts here
        return
    here = "document.readyState + !document.getElementById('keys')?.hidden"
    await wait_for(lambda: seen(page, here), "completetrue")


async def seen(page: Page, script: str) -> Any:
    """What a script finds in the page; asked again when the page went on to another meanwhile."""
    for _ in range(20):
        try:
            return await page.evaluate(script)
        except Error as error:
            if "context was destroyed" not in str(error):
                raise
            await page.wait_for_load_state()
    raise AssertionError(f"the page never stood still for {script}")


async def trigger(page: Page, code: str, suffix: str = "Enter") -> None:
    """The trigger pulled: key events as fast as a scanner sends them."""
    await page.evaluate(TYPE, [code, suffix, 2, "field"])


async def heard(page: Page) -> list[str]:
    return await seen(page, "window.heard")


async def wait_for(
    condition: Callable[[], Any], expected: Any = True, seconds: float = PATIENCE
) -> None:
    """Waits until `condition` (awaited if need be) gives what is expected."""
    found: Any = None
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if (bool(found) if expected is True else found) == expected:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited for {expected!r}, last seen {found!r}")
