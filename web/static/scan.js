// The scan loop of a floor page: judge a scan on the device, show and sound the verdict, store the
// act, send it. The server's answer wins: a refusal stops, says why, and reads the packet again.
// Without a packet (hub, look up) the page's scan field is a plain form that this makes reliable.
import { capture } from "./capture.js";
import { feedback } from "./feedback.js";
import { ask, openOutbox } from "./outbox.js";
import { $, SAFE, counted, say, showLink, showStep } from "./view.js";
import { command, keptAfter, keptInstead, questionsOf, walk, withKept } from "./walk.js";

const TWICE = 250; // ms within which the same code is a double trigger
const HOLD = 1500; // ms that scans wait for the answer of a way out, or of the last step

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const whole = new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));
// This script runs while the page still arrives. Of one that broke off nothing more comes, not even
// an event: it is loaded again.
for (let size; document.readyState === "loading" || !$("words"); size = document.all.length) {
  if (size === document.all.length) location.reload();
  await Promise.race([whole, wait(2000)]);
}

const field = $("scan");
const form = $("act");
const END = { title: "All done here", questions: [] };
const json = (id, doc) => JSON.parse(doc.getElementById(id).textContent);
const { words, say: sayings } = json("words", document);
const who = document.body.dataset.who;

let packet; // null on plain pages
let index = 0; // of the open step; packet.steps.length when all are done
let done = 0; // as the progress shows it
let again = 0; // how often a repeated step was done since its packet was made
let now = { path: "", scans: [], kept: {} };
let look = false; // the next scan is looked up
let full = ""; // why the outbox takes no more
let last = { raw: "", at: 0 }; // the scan before
let then = ""; // where to go when the outbox is empty
let begun;
let hold = new Promise((resolve) => (begun = resolve)); // scans wait while a page is loaded
let parked = { scans: [] }; // the scans of a step that a way out interrupted
let retry;

const step = () => packet?.steps[index];
const sentence = ({ code, facts }) =>
  sayings[code].replace(/\{(\w+)\}/g, (_, name) => facts[name]);

/** Every outcome is seen, heard and felt. */
function tell(outcome, text) {
  feedback(outcome);
  if (outcome !== "tick") say(outcome, words[outcome], text);
}

/** Runs after all that came before, and after a page that is being loaded. */
function soon(work, ...given) {
  hold = hold.then(() => work(...given));
}

// ---- scans

function onScan(raw) {
  const at = performance.now();
  if (raw && raw === last.raw && at - last.at < TWICE) return tell("tick");
  last = { raw, at };
  soon(take, raw);
}

function take(raw) {
  if (look || !packet) return raw ? inquire(raw) : tell("tick");
  if (!step()) return raw ? tell("care", "All is done here. The next work is on its way.") : null;
  if (full) return tell("lost", full);
  const questions = questionsOf(step(), now.path);
  const before = walk(questions, now.scans);
  if (!raw && !before.fallback) return tell("tick");
  const scans = [...now.scans, raw];
  const after = walk(questions, scans);
  if (after.misses.length === before.misses.length) {
    now.scans = withKept(questions, scans, now.kept);
    if (walk(questions, now.scans).open) tell("accepted", raw || before.fallback);
    else return confirm();
  } else miss(raw, scans, after);
  update();
}

function miss(raw, scans, after) {
  const way = command(step(), raw);
  const kept = !way && keptInstead(step(), now.kept, raw);
  if (way === "UNDO") undo();
  else if (way) open(way);
  else if (kept) {
    now.kept = kept;
    tell("care", `From now on ${raw}.`);
  } else {
    now.scans = scans;
    tell("wrong", sentence(after.misses.at(-1).refusal));
  }
}

function open(path) {
  if (path) parked = { ref: step().ref, scans: now.scans };
  now = { ...now, path, scans: path ? [] : parked.scans };
  say("", "", "");
  if (walk(questionsOf(step(), path), []).open) update();
  else confirm();
}

async function undo() {
  last = {};
  if (now.scans.length) now.scans.pop();
  else if (now.path) return open("");
  else {
    const row = await box.undo(packet.here);
    const at = row ? packet.steps.findIndex((each) => each.ref === row.ref) : -1;
    if (at < 0) return tell("care", "Sent already. Nothing is left to take back.");
    if (at !== index) done--;
    else if (!row.path) again--;
    index = at;
    now = { ...now, path: row.path, scans: row.scans.slice(0, -1) };
  }
  tell("care", "Last scan taken back.");
  update();
}

// ---- acts

/** The step is proved: the next one shows at once, the act is stored and sent. */
async function confirm() {
  const { path, scans } = now;
  const { ref, version, repeat, title } = step();
  const act = { key: uuid7(), here: packet.here, ref, version, path, scans };
  now = { path: "", scans: [], kept: path ? now.kept : keptAfter(step(), scans) };
  if (!repeat) {
    index++;
    done++;
  } else if (!path) again++;
  if (step()) now.scans = withKept(step().questions, [], now.kept);
  const outcome = box.state.failing ? "stored" : step() ? "step_done" : "task_done";
  tell(outcome, scans.at(-1) || title);
  if ((path || !step()) && !box.state.failing) {
    hold = Promise.race([answerOf(act), wait(HOLD)]);
  }
  update();
  if (!(await box.add(act))) tell("lost", $("limit").textContent);
}

const answers = new Map();
const answerOf = ({ key }) => new Promise((resolve) => answers.set(key, resolve));

/** No refusal is on the strip. */
const quiet = () => $("strip").dataset.tone !== "wrong";

/** What the server says of an act counts, whatever was shown before; its praise only of the last. */
async function onAnswer(row, answer) {
  const here = packet && row.here === packet.here;
  if (!answer.ok) {
    tell("wrong", answer.say);
    then ||= here ? packet.here : "";
  } else if (answer.tone === "care" || answer.tone === "wrong") tell(answer.tone, answer.say);
  else if (answer.say && !box.state.mine && !now.scans.length && quiet()) {
    const { tone = "accepted" } = answer;
    say(tone, words[tone], answer.say);
  }
  if (here) then = answer.go || then || (row.path ? packet.here : "");
  if (here && !then && !box.state.mine && step()?.repeat && counted(step())) replace(packet.here);
  await moveOn();
  answers.get(row.key)?.();
  answers.delete(row.key);
}

/** When all is sent: to where the last answers lead, or on from a finished packet. */
async function moveOn() {
  if (!packet || box.state.mine) return;
  const url = then || (step() ? "" : packet.after);
  then = "";
  if (url) await load(url);
}

/** The next packet comes into this page, so that no key press is lost; other pages are opened. */
function load(url) {
  const loading = replace(url);
  hold = Promise.all([hold, loading]);
  return loading;
}

async function replace(url) {
  clearTimeout(retry);
  const asked = Date.now();
  try {
    const page = await ask(url, 6000, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (page.status >= 500) throw page;
    const doc = new DOMParser().parseFromString(await page.text(), "text/html");
    if (!page.ok || !doc.getElementById("packet")) return location.assign(page.url);
    history.replaceState(null, "", page.url);
    await begin(doc, asked);
  } catch {
    stranded();
    retry = setTimeout(load, 3000, url);
  }
}

function stranded() {
  if (packet && !step()) say("stored", words.stored, `${SAFE} The next work needs Wi-Fi.`);
}

/** Takes up the packet of a page: less the acts this device did since the page was made. */
async function begin(doc, time) {
  const before = step();
  const { key, asked = time, ...posted } = json("now", doc);
  packet = { steps: [], done: 0, ...json("packet", doc) };
  const rows = await box.since(packet.here, key, asked);
  const acts = ({ ref, version }) =>
    rows.filter((row) => row.ref === ref && row.version === version);
  const did = (each) => !each.repeat && acts(each).length;
  done = packet.done + packet.steps.filter(did).length;
  index = packet.steps.findIndex((each) => !did(each));
  if (index < 0) index = packet.steps.length;
  again = acts(step() ?? END).filter(({ path }) => !path).length;
  const same = (other) => step() && other?.ref === step().ref && other.version === step().version;
  const half = JSON.parse(sessionStorage.half ?? "{}");
  if (posted.scans.length || posted.path) now = posted;
  else if (!same(before)) now = same(half) ? half.now : posted;
  const goesOn = step() && step().ref === parked.ref && !now.path && !now.scans.length;
  if (goesOn) now.scans = parked.scans;
  parked = { scans: [] };
  if (step()) now.scans = withKept(questionsOf(step(), now.path), now.scans, now.kept);
  if (packet.message && quiet()) tell("care", packet.message);
  update();
  if (!step()) moveOn();
}

function update() {
  look = false;
  const { kind, choices } = showStep(packet, step() ?? END, { ...now, done, again }) ?? {};
  pad((kind === "qty" || kind === "date") && $("accept").hidden && !choices);
  field.inputMode = kind === "text" ? "text" : "none";
  const { ref, version } = step() ?? END;
  sessionStorage.half = JSON.stringify({ ref, version, now });
}

// ---- hands: keypad, keys, buttons

function pad(open) {
  $("pad").hidden = !open;
  document.body.classList.toggle("padded", open);
  $("keys").setAttribute("aria-expanded", open);
}

function inquire(raw) {
  const sheet = packet ? $("lookup") : form;
  sheet.querySelector("[name=code]").value = raw;
  sheet.submit();
  field.value = "";
}

function onKey(name) {
  if (!packet) return;
  if (name === "F1") $("more").open = !$("more").open;
  else if (name === "F2") undo();
  else if (name === "F3") {
    look = true;
    $("more").open = false;
    say("care", "?", "Scan what you want to know about.");
  } else if (look || $("more").open) look = $("more").open = false;
  else if (now.path) open("");
  else if (field.value) field.value = "";
}

const wedge = capture(field, { scan: onScan, key: (name) => soon(onKey, name) });

addEventListener("submit", (event) => {
  if (event.target !== form) return;
  event.preventDefault();
  const { name, value } = event.submitter ?? {};
  if (name === "undo") soon(undo);
  else if (name === "open") soon(open, value);
  else if (name === "leave") soon(open, "");
  else if (name === "choice") onScan(value);
  else wedge.commit();
});
addEventListener("click", (event) => {
  const { target } = event;
  const { id, value } = target.closest("button,a") ?? {};
  if (id === "keys") pad($("pad").hidden);
  else if (id === "look" || (id === "back" && now.path)) {
    event.preventDefault();
    soon(onKey, id === "look" ? "F3" : "Escape");
  }
  else if (id === "link") say("", "", $("link").title);
  else if (!target.closest("#pad")) return;
  else if (value === "enter") wedge.commit();
  else if (value === "rub") field.value = field.value.slice(0, -1);
  else if (value) wedge.put(value);
});

// ---- start

function uuid7() {
  const time = Date.now().toString(16).padStart(12, "0");
  const digit = () => (crypto.getRandomValues(new Uint8Array(1))[0] % 16).toString(16);
  const random = "7xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, digit);
  return `${time.slice(0, 8)}-${time.slice(8)}-${random}`;
}

const box = await openOutbox({
  who,
  changed(state) {
    full = $("link") ? showLink(state) : "";
    if (state.failing) stranded();
  },
  answered: onAnswer,
  signedOut: () => location.assign(`/floor/login?next=${packet?.here ?? "/floor"}`),
});
if ($("keys")) $("keys").hidden = false;
field.inputMode = "none";
if ($("packet")) {
  await begin(document, performance.timeOrigin);
  navigator.wakeLock?.request("screen").catch(() => {});
}
begun();
setInterval(() => box.state.waiting && showLink(box.state), 20000);
box.drain();
const worker = await navigator.serviceWorker?.register("/sw.js").catch(() => {});
if (!packet) worker?.waiting?.postMessage("update");
