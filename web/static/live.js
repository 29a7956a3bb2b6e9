// The `sse` extension of htmx, our own: the carrier's file is for htmx 1 and fails with htmx 2.
//   <body hx-ext="sse">
//   <div sse-connect="/office/live"> <tbody sse-swap="progress"></tbody>
//                                    <div hx-get="/x" hx-trigger="sse:changed"></div> </div>
// `sse-swap` puts the data of the named event into the element (`hx-swap`, `hx-target` as usual);
// a trigger `sse:NAME` fires a request. The stream pauses while the page is hidden, and the
// browser reconnects with the last id by itself.
(() => {
  let api;

  function connect(root) {
    const names = new Set();
    const within = (selector) => [...root.querySelectorAll(selector)];
    const self = root.matches("[sse-swap]") ? [root] : [];
    const listening = () => [...within("[sse-swap]"), ...self];
    for (const node of listening()) {
      for (const name of node.getAttribute("sse-swap").split(",")) names.add(name.trim());
    }
    for (const node of within("[hx-trigger*='sse:']")) {
      for (const [, name] of node.getAttribute("hx-trigger").matchAll(/sse:([\w.-]+)/g)) {
        names.add(name);
      }
    }

    function hear(event) {
      for (const node of listening()) {
        const wanted = node.getAttribute("sse-swap").split(",").map((name) => name.trim());
        if (wanted.includes(event.type)) put(node, event.data);
      }
      for (const node of within("[hx-trigger*='sse:']")) {
        htmx.trigger(node, `sse:${event.type}`, { data: event.data });
      }
    }

    let source;
    const say = (state) => root.setAttribute("data-live", state);
    const open = () => {
      source = new EventSource(root.getAttribute("sse-connect"));
      source.onopen = () => say("on");
      source.onerror = () => {
        say("off");
        if (source.readyState === EventSource.CLOSED) setTimeout(open, 2000 + Math.random() * 3000);
      };
      for (const name of names) source.addEventListener(name, hear);
    };
    const turn = () => {
      if (!root.isConnected) {
        source.close();
        document.removeEventListener("visibilitychange", turn);
      } else if (document.hidden) {
        source.close();
        say("paused");
      } else open();
    };
    document.addEventListener("visibilitychange", turn);
    open();
    root.sseClose = () => source.close();
  }

  function put(node, html) {
    htmx.swap(api.getTarget(node), html, api.getSwapSpecification(node));
  }

  htmx.defineExtension("sse", {
    init(given) {
      api = given;
    },
    onEvent(name, event) {
      const node = event.target ?? event.detail.elt;
      if (name === "htmx:beforeCleanupElement") node.sseClose?.();
      else if (name === "htmx:afterProcessNode") {
        // htmx names only nodes with hx- attributes; the stream may be asked for further down
        const self = node.matches("[sse-connect]") ? [node] : [];
        for (const root of [...self, ...node.querySelectorAll("[sse-connect]")]) {
          if (!root.sseClose) connect(root);
        }
      }
    },
  });
})();
