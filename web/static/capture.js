// Scanners as keyboards: from key events or committed text to whole scans, whatever the suffix.
// A burst is at least 4 characters less than 35 ms apart; it ends by Enter, Tab, a line end, or
// 60 ms of silence. Typed text ends by Enter only. What was typed before a burst is no part of it.

const BURST = 4; // characters
const GAP = 35; // ms between characters, mean
const SILENCE = 60; // ms that end a burst
const PAUSE = 300; // ms that part typing from a burst, and a commit from its late suffix

/** Makes `field` catch all scans of the page. `scan(text, isBurst)` gets each one, `key(name)` the
    function keys. Returns `put` (one keypad key) and `commit`. */
export function capture(field, { scan, key = () => {} }) {
  let length = 0; // of the field when the last character came
  let start = 0; // where in the field the burst began
  let count = 0;
  let began = 0;
  let last = 0;
  let done = -PAUSE; // when the last commit without suffix was
  let timer;

  const isBurst = () => count >= BURST && (last - began) / (count - 1) < GAP;

  function commit(bySuffix = true) {
    clearTimeout(timer);
    const burst = isBurst();
    const text = burst ? field.value.slice(start) : field.value;
    const now = performance.now();
    field.value = "";
    length = count = start = 0;
    if (!text && bySuffix && now - done < PAUSE) return; // the suffix of a scan that silence ended
    if (!bySuffix) done = now;
    scan(clean(text), burst);
  }

  function grew(now) {
    const added = field.value.length - length;
    if (added <= 0) count = 0;
    else {
      if (!count || now - last > PAUSE) {
        start = length;
        count = 0;
        began = now;
      }
      count += added;
      last = now;
    }
    length = field.value.length;
    clearTimeout(timer);
    const ended = /[\r\n\t]$/.test(field.value);
    if (ended || (added >= BURST && field.value.endsWith(" "))) commit(false);
    else if (isBurst()) timer = setTimeout(commit, SILENCE, false);
  }

  function put(text) {
    field.value += text;
    count = 0;
    length = field.value.length;
  }

  document.addEventListener(
    "keydown",
    (event) => {
      const { key: name, ctrlKey, target } = event;
      const other = target !== field && target.matches?.("a,button,summary,input");
      if (ctrlKey && (name === "]" || event.code === "BracketRight")) {
        field.value += "\x1d";
        grew(event.timeStamp);
      } else if (name === "Enter" || (ctrlKey && /^[jm]$/i.test(name))) {
        if (other && !field.value) return;
        commit();
      } else if (name === "Tab") {
        if (!field.value) return;
        commit();
      } else if (/^F[123]$|^Escape$/.test(name)) key(name);
      else {
        const types = name.length === 1 && !ctrlKey && !event.altKey && !event.metaKey;
        if (types && target !== field && !target.matches?.("input") && !(other && name === " ")) {
          field.focus();
        }
        return;
      }
      event.preventDefault();
    },
    true,
  );
  field.addEventListener("input", (event) => grew(event.timeStamp));

  // The field keeps the focus: buttons never take it by touch, and what took it gives it back.
  const focus = () => field.focus({ preventScroll: true });
  document.addEventListener("mousedown", (event) => {
    if (!event.target.closest("input")) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    if (event.detail && !event.target.closest("input")) focus();
  });
  for (const name of ["focus", "pageshow"]) addEventListener(name, focus);
  focus();
  grew(performance.now()); // what came before this script ran
  return { put, commit };
}

/** GS in all its spellings, and no other control character; no separator at an end. */
const clean = (text) =>
  text
    .replaceAll("\u241d", "\x1d")
    .replace(/[\x00-\x1c\x1e\x1f\x7f\ufeff]/g, "")
    .slice(0, 200)
    .replace(/^\x1d+|\x1d+$/g, "");
