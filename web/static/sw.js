// The service worker, served at the root. Assets come from the cache first (their names carry their
// content's hash), pages of the floor from the network, or from the last copy when it is silent for
// 800 ms. Nothing that is posted, and no JSON, is ever kept. `VERSION` and `ASSETS` are written in
// by web/assets.py.

const VERSION = "__VERSION__";
const ASSETS = "__ASSETS__";
const SHELF = `assets-${VERSION}`;
const PAGES = "pages";
const PATIENCE = 800; // ms
const MOST = 30; // pages

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(SHELF).then((shelf) => shelf.addAll(ASSETS)));
});

// A new version waits until every page of the old one is closed, or a page between tasks asks.
self.addEventListener("message", ({ data }) => data === "update" && self.skipWaiting());

self.addEventListener("activate", (event) => {
  const old = (name) => name !== PAGES && name !== SHELF;
  const sweep = async () => {
    const names = await caches.keys();
    await Promise.all(names.filter(old).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(sweep());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (pathname.startsWith("/static/")) event.respondWith(asset(request));
  else if (pathname === "/floor/login") event.waitUntil(caches.delete(PAGES));
  else if (pathname.startsWith("/floor") && request.headers.get("Accept")?.includes("text/html")) {
    event.respondWith(page(request, event));
  }
});

async function asset(request) {
  return (await caches.match(request)) ?? fetch(request);
}

/** The page from the network; its last copy when the network fails or is slow. A page asked for
    with `no-store` is wanted fresh or not at all. */
async function page(request, event) {
  const kept = request.cache === "no-store" ? null : await caches.match(key(request.url));
  const asked = Date.now();
  const fresh = fetch(request, { cache: "no-store" }).then(async (response) => {
    await response.clone().arrayBuffer(); // a page that breaks off on its way is no page
    event.waitUntil(keep(response.clone(), asked));
    return response;
  });
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, kept));
  try {
    return await (kept ? Promise.race([fresh, late]) : fresh);
  } catch (error) {
    if (kept) return kept;
    if (request.mode === "navigate") return offline();
    throw error;
  }
}

/** Pages with a packet, without the answer they were opened to show, and with the time they were
    asked for: the page applies the acts that were answered since (static/scan.js). */
async function keep(response, asked) {
  const html = response.headers.get("Content-Type")?.includes("text/html");
  if (!response.ok || !html || response.type === "opaqueredirect") return;
  const text = await response.text();
  if (!text.includes('id="packet"')) return;
  const pages = await caches.open(PAGES);
  const dated = text.replace('id="now">{', `id="now">{"asked":${asked},`);
  await pages.put(key(response.url), new Response(dated, { headers: response.headers }));
  for (const oldest of (await pages.keys()).slice(0, -MOST)) await pages.delete(oldest);
}

function key(url) {
  const clean = new URL(url);
  clean.search = clean.hash = "";
  return clean.href;
}

function offline() {
  const css = ASSETS.find((url) => url.endsWith(".css"));
  const html = `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5"><title>No network</title>
<link rel="stylesheet" href="${css}"><body class="plain message">
<header class="bar"><h1>No network</h1></header>
<main><p>Your confirmed work is safe on this device. Go to a spot with Wi-Fi; this page opens by
itself.</p></main>
<nav class="actions"><a class="key main" href="">Try again</a></nav></body></html>`;
  return new Response(html, { status: 503, headers: { "Content-Type": "text/html" } });
}
