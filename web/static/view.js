// What the frame shows of a step after some scans: the rules of `_view` in web/scanner/frame.py,
// written into the nodes that the server rendered.
import { questionsOf, walk } from "./walk.js";

export const SAFE = "No network. Your confirmed work is safe.";
const FULL = 200; // acts that may wait
const OLD = 15; // minutes an act may wait

export const $ = (id) => document.getElementById(id);

const SIZES = [[7, 7, "xl"], [10, 10, "l"], [14, 28, "m"], [20, 60, "s"], [999, 999, "xs"]];

/** Texts of nodes by id; an unchanged one is left alone, so that nothing is read out twice. */
function write(texts) {
  for (const [id, text] of Object.entries(texts)) {
    if ($(id).textContent !== text) $(id).textContent = text;
  }
}

/** Which of five type sizes a prompt gets; `size` in web/templating.py. */
function size(text) {
  const longest = Math.max(...text.split(/\s+/).map((word) => word.length));
  const fits = ([word, all]) => longest <= word && text.length <= all;
  return SIZES.find(fits)[2];
}

/** The question for a number. A repeated step that has one is read again after each act, behind the
    person's back: what is left and what is offered depend on the numbers that were keyed. */
export const counted = ({ questions }) => questions.find(({ kind }) => kind === "qty");

/** Shows a step, and gives its open question. The number of a repeated step is what is left; one
    that asks for no number does one thing each time, so that goes down as it is done `again`. */
export function showStep(packet, step, { path, scans, done, again }) {
  const questions = questionsOf(step, path);
  const { facts, open, fallback } = walk(questions, scans);
  const way = step.paths?.find((each) => each.code === path);
  const show = open ? open.show || fallback || open.ask : step.title;
  const verb = way?.word ?? ((open && !Object.keys(facts).length && step.verb) || "");
  const twice = open?.ask.toLowerCase().startsWith(verb.toLowerCase());
  const [, number, unit] = /^(\S*) ?(.*)/.exec(step.qty ?? "");
  const keyed = !way && !step.repeat && facts.qty;
  const more = step.repeat && !counted(step) ? again : 0;
  const choices = open?.choices ?? [];
  const title = step.title || packet.title;

  document.title = title;
  write({
    title,
    progress: packet.total ? `${done + more} of ${packet.total}` : "",
    verb: twice ? "" : verb,
    ask: open && open.ask !== show ? open.ask : open?.kind === "date" ? "YYMMDD" : "",
    show,
    name: step.name ?? "",
    note: step.note ?? "",
    number: more && number > 0 ? `${Math.max(0, number - more)}` : (number && keyed) || number,
    unit,
    accepts: worded(open, fallback),
  });
  $("done").value = done + more;
  $("show").dataset.size = size(show);
  $("accept").hidden = !fallback;
  $("leave").hidden = !way;
  $("more").hidden = !!way;
  $("more").open = false;
  $("undo").disabled = false;
  const says = ({ fact, kind }) => facts[fact] && facts[fact] !== (kind === "qty" ? "0" : "-");
  const proved = questions.filter(says);
  list("choices", choices, ([value, text]) => button("choice", value, text));
  list("chips", proved, (asked) => node("li", {}, chip(asked, facts[asked.fact])));
  const look = $("look");
  list("paths", step.paths ?? [], ({ code, word }) => button("open", code, word));
  $("paths").append(look);
  return open;
}

/** A fact as the prompt had it where only that was right, else the code of it. */
function chip(asked, value) {
  const { kind = "code", show, fact, accepts = {} } = asked;
  const words = worded(asked, value);
  if (fact.startsWith("qty")) return `× ${value}`;
  if (words !== value || kind !== "code") return words;
  const all = Object.keys(accepts);
  const codes = all.filter((code) => accepts[code][fact] === value);
  return (codes.length && codes.length === all.length ? show : codes.at(-1)) || value;
}

/** A fact in the words of the choice that stands for it. */
function worded({ fact, accepts, choices = [] } = {}, value) {
  return choices.find(([code]) => accepts?.[code]?.[fact] === value)?.[1] ?? value;
}

function list(id, things, make) {
  $(id).replaceChildren(...things.map(make));
}

function node(tag, fields, text) {
  return Object.assign(document.createElement(tag), fields, { textContent: text });
}

const button = (name, value, text) => node("button", { className: "key", name, value }, text);

/** The feedback strip: one outcome, its icon, its word, a sentence. Wrong interrupts, the rest is
    polite. */
export function say(tone, word, text) {
  const wrong = tone === "wrong";
  $("strip").dataset.tone = tone;
  $("strip-icon").setAttribute("href", `#i-${tone}`);
  write({ "strip-word": word, polite: wrong ? "" : text, urgent: wrong ? text : "" });
}

/** The marks of the top bar and the band under it: how much waits to be sent, and since when.
    Gives why nothing more may be done, if so. */
export function showLink({ waiting, since, failing, broken, others }) {
  const share = Math.max(waiting / FULL, since ? (Date.now() - since) / 60000 / OLD : 0);
  const off = share >= 1 || broken;
  const clock = new Date(since).toTimeString().slice(0, 5);
  const text = waiting ? `${waiting} to be sent since ${clock}.` : "Everything is sent.";
  let limit = "";
  if (broken) limit = "This device cannot store work. Stay in Wi-Fi and tell your lead.";
  else if (off) limit = `${text} Go to a spot with Wi-Fi.`;
  else if (others) limit = `${others} must log in to send work that waits here.`;
  const held = waiting > 1 || failing ? "wait" : "on";
  $("link").dataset.state = off ? "off" : share >= 0.5 ? "half" : held;
  $("link").title = failing ? `${SAFE} ${text}` : text;
  $("limit").hidden = !limit;
  write({ waiting: waiting ? String(waiting) : "", limit });
  return waiting >= FULL ? limit : "";
}
