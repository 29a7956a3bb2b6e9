"""Budgets of weight and of time. Browsers get scripts and styles in brotli over TLS, else in gzip;
pages come in gzip."""

import asyncio
import gzip
import subprocess

import pytest

from tests.browser.rig import handheld, put_away, trigger, visit, wait_for
from tests.browser.shop import BINS, ITEM, TOTE, bin_label, pick
from web.assets import HTMX_SHA256, shelf
from web.scanner.frame import render_page
from wms.steps import Packet

KB = 1024


def zipped(text: str) -> int:
    return len(gzip.compress(text.encode(), 9))


def test_the_script_and_the_styles_keep_their_budget():
    packed = {name: len(asset.packed["br"]) for name, asset in shelf().items()}
    assert packed["scan.js"] <= 8 * KB
    assert packed["login.js"] <= 2 * KB
    assert packed["floor.css"] <= 4 * KB
    assert packed["office.css"] + packed["htmx.js"] <= 20 * KB
    gzipped = {name: len(asset.packed["gzip"]) for name, asset in shelf().items()}
    assert gzipped["scan.js"] <= 9.25 * KB
    assert gzipped["login.js"] <= 2 * KB
    assert gzipped["floor.css"] <= 5 * KB
    assert gzipped["htmx.js"] <= 20 * KB


def test_a_tour_of_sixty_lines_is_a_light_page():
    steps = tuple(pick(n, f"A-{n:02}-2", 2 + n % 5) for n in range(60))
    packet = Packet(flow="pick", title="Pick", steps=steps, here="/floor/pick/1", total=60)
    one = Packet(flow="pick", title="Pick", steps=steps[:1], here="/floor/pick/1", total=60)
    whole = zipped(render_page(packet, user_initials="AN"))
    frame = zipped(render_page(one, user_initials="AN"))
    styles = len(shelf()["floor.css"].packed["br"])
    assert frame <= 3 * KB
    assert whole - frame <= 4 * KB
    assert whole + styles <= 10 * KB  # what is there when it is painted first


def test_no_third_party_script_is_kept_in_git():
    listed = subprocess.run(["git", "ls-files", "*.js"], capture_output=True, text=True, check=True)
    names = listed.stdout.split()
    if not names:
        pytest.skip("not a git checkout")
    assert all(name.startswith("web/static/") for name in names)
    assert not any("htmx" in name for name in names)
    assert len(HTMX_SHA256) == 64


async def test_a_cold_scan_page_carries_little(page, shop):
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    carried = []
    session.on("Network.loadingFinished", lambda event: carried.append(event["encodedDataLength"]))
    await visit(page, "/floor/pick/1")
    await page.wait_for_load_state("networkidle")
    assert 0 < sum(carried) <= 45 * KB
    script = await page.request.get(await page.evaluate("document.scripts[0].src"))
    assert script.headers["content-encoding"] == "br"


VERDICTS = """() => {
  window.took = [];
  let ended = 0;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter") ended = performance.now();
  }, true);
  document.addEventListener("feedback", () => {
    const from = ended;
    requestAnimationFrame(() => setTimeout(() => window.took.push(performance.now() - from)));
  });
}"""


async def test_every_scan_gets_its_verdict_with_or_without_network(browser, air, shop):
    """From the end of a scan to its verdict on the glass, on a device six times slower than this
    one, at the pace of a quick person. Prints the figures; the target is p95 50 ms on an idle
    machine."""
    context = await handheld(browser, air.url)
    page = await context.new_page()
    shop.tours["1"] = [pick(n, BINS[n % 3], 1) for n in range(12)]
    await visit(page, "/floor/pick/1")
    session = await context.new_cdp_session(page)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    await page.evaluate(VERDICTS)
    for n in range(10):
        if n == 5:
            air.cut()
        for code in (bin_label(BINS[n % 3]), ITEM, TOTE):
            await trigger(page, code)
            await asyncio.sleep(0.2)
    await wait_for(lambda: page.evaluate("window.took.length"), 30)
    took = sorted(await page.evaluate("window.took"))
    print(f"verdict at 6x: p50 {took[15]:.0f} ms, p95 {took[28]:.0f} ms")
    assert len(took) == 30
    await put_away(context)
