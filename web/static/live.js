// What a page asks for again and again (`hx-trigger="every 5s"`) it asks only while somebody looks
// at it, and ever more rarely while no good answer comes. Meanwhile `#live` says since when.
(() => {
  const FIRST = 2000; // ms to wait after a failure, twice as long after the next
  const LONGEST = 60000;
  let failures = 0;
  let rest = 0; // nothing is asked before
  let since = "";

  const isPolled = (node) => node.getAttribute("hx-trigger")?.includes("every ");

  document.addEventListener("htmx:beforeRequest", (event) => {
    const waits = document.hidden || Date.now() < rest;
    if (isPolled(event.detail.elt) && waits) event.preventDefault();
  });

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (!isPolled(detail.elt)) return;
    failures = detail.successful ? 0 : failures + 1;
    rest = failures && Date.now() + Math.min(LONGEST, FIRST * 2 ** (failures - 1));
    since = failures ? since || new Date().toTimeString().slice(0, 5) : "";
    const words = since && `Not up to date: no answer since ${since}. The page keeps asking.`;
    const live = document.getElementById("live");
    if (live.textContent !== words) live.textContent = words;
  });

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    rest = 0;
    for (const node of document.querySelectorAll("[hx-trigger*='every ']")) {
      htmx.ajax("GET", node.getAttribute("hx-get"), { source: node, target: node });
    }
  });
})();
