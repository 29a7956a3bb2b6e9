// Scanners as keyboards: from key events or committed text to whole scans, whatever the suffix.
// A burst is at least 4 characters less than 35 ms apart. It ends by Enter, Tab or a line end;
// where the scanner sends none, by 60 ms of silence. Typed text ends by Enter only. What stood in
// the field a second before a burst, or was keyed on the glass, is no part of it.

const BURST = 4; // characters
const GAP = 35; // ms between characters, mean
const SILENCE = 60; // ms that end the burst of a scanner without suffix
const PATIENCE = 400; // ms for one whose scans were seen to end by a suffix
const PAUSE = 1000; // ms that part leftovers from a burst
const LATE = 300; // ms after silence ended a scan within which its suffix is no Enter

/** Makes `field` catch all scans of the page. `scan(text, isBurst)` gets each one, `key(name)` the
    function keys. Returns `put` (one keypad key) and `commit`. */
export function capture(field, { scan, key = () => {} }) {
  let length = 0; // of the field when the last character came
  let start = 0; // where in the field the burst began
  let count = 0;
  let began = 0;
  let last = 0;
  let done = -LATE; // when silence ended a scan
  let keyed = false; // something in the field came from the keypad on the glass
  let timer;

  const isBurst = () => count >= BURST && (last - began) / (count - 1) < GAP;

  function commit(bySuffix = true) {
    clearTimeout(timer);
    const burst = isBurst();
    const text = burst ? field.value.slice(start) : field.value;
    const now = performance.now();
    field.value = "";
    length = count = start = 0;
    keyed = false;
    if (burst) localStorage.suffix = bySuffix || "";
    if (!text && bySuffix && now - done < LATE) return;
    if (!bySuffix) done = now;
    scan(clean(text), burst);
  }

  function grew(now) {
    const added = field.value.length - length;
    if (added <= 0) count = 0;
    else {
      if (!count || now - last > PAUSE) {
        if (now - last > PAUSE || keyed) start = length;
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
    else if (isBurst()) timer = setTimeout(commit, localStorage.suffix ? PATIENCE : SILENCE, false);
  }

  function put(text) {
    field.value += text;
    count = 0;
    keyed = true;
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

/** GS in all its spellings, and no other control character; nothing blank at an end. */
const clean = (text) =>
  text
    .replaceAll("\u241d", "\x1d")
    .replace(/[\x00-\x1c\x1e\x1f\x7f\ufeff]/g, "")
    .slice(0, 200)
    .replace(/^[\s\x1d]+|[\s\x1d]+$/g, "");
