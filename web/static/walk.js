// The judgement of scans, as wms/steps.py and web/scanner/turns.py do it. Pure: questions and scans
// in, facts and the open question out. Fields at their defaults are left out of a packet.
import { Refusal, read, strip } from "./codes.js";

const has = Object.hasOwn;

export function questionsOf(step, path) {
  const way = step.paths?.find((each) => each.code === path);
  return way ? (way.questions ?? []) : step.questions;
}

export function openQuestion(questions, facts) {
  return questions.find((q) => !q.silent && !has(facts, q.fact) && applies(q, facts));
}

const applies = (asked, facts) =>
  Object.entries(asked.only_if ?? {}).every(([fact, values]) => values.includes(facts[fact]));

function defaultOf(asked, facts) {
  const of = asked.default_by ?? {};
  const by = facts[asked.by] ?? "";
  return has(of, by) ? of[by] : (asked.default ?? "");
}

/** The facts one scan proves; throws a Refusal. A default is taken silently when the scan answers
    the question behind it. */
export function judge(questions, facts, raw) {
  const asked = openQuestion(questions, facts);
  if (!asked) throw new Refusal("NothingAsked", { scanned: raw });
  const fallback = defaultOf(asked, facts);
  const assumed = { [asked.fact]: fallback };
  if (raw === "" && fallback) return assumed;
  try {
    return answer(questions, asked, facts, raw);
  } catch (refusal) {
    const then = { ...facts, ...assumed };
    const following = fallback && openQuestion(questions, then);
    if (!following) throw refusal;
    try {
      return { ...assumed, ...answer(questions, following, then, raw) };
    } catch {
      throw refusal;
    }
  }
}

function answer(questions, asked, facts, raw) {
  if (asked.kind === "qty") return { [asked.fact]: quantity(asked, raw) };
  if (asked.kind === "date") return { [asked.fact]: day(raw) };
  if (asked.kind === "text") {
    const text = strip(raw);
    if (!text) throw new Refusal("WrongScan", { expected: asked.ask, scanned: "nothing" });
    return { [asked.fact]: [...text].slice(0, 80).join("") };
  }
  const reading = read(raw);
  let proved;
  if (has(asked.accepts ?? {}, reading.code)) proved = asked.accepts[reading.code];
  else if (asked.fresh?.includes(reading.kind)) proved = { [asked.fact]: reading.code };
  else throw new Refusal("WrongScan", { expected: asked.show || asked.ask, scanned: raw });
  return withExtras(questions, { ...facts, ...proved }, proved, reading);
}

/** What a GS1 string carries besides the item answers later questions of the step. */
function withExtras(questions, facts, proved, reading) {
  for (const later of questions) {
    const { fact } = later;
    if (!has(reading.facts, fact) || has(facts, fact) || !applies(later, facts)) continue;
    proved = { ...proved, ...answer(questions, later, facts, reading.facts[fact]) };
  }
  return proved;
}

function quantity(asked, raw) {
  const { least = 0, most = 999999 } = asked;
  const text = strip(raw);
  if (!/^\d{1,6}$/.test(text) || +text < least || +text > most) {
    throw new Refusal("WrongQuantity", { scanned: raw, least, most });
  }
  return String(+text);
}

function day(raw) {
  const text = strip(raw).replace(/^(\d\d)(\d\d)(\d\d)$/, "20$1-$2-$3");
  const [, year, , month, date] = /^(\d{4})(-?)(\d\d)\2(\d\d)$/.exec(text) ?? [];
  const iso = `${year}-${month}-${date}`;
  const made = new Date(`${iso}T00:00Z`).toJSON()?.slice(0, 10);
  if (year > 0 && made === iso) return iso;
  throw new Refusal("WrongDate", { scanned: raw });
}

/** Where the scans of an act lead: facts, refused scans, the question still open, its default. */
export function walk(questions, scans) {
  let facts = {};
  const misses = [];
  for (const raw of scans) {
    try {
      facts = { ...facts, ...judge(questions, facts, raw) };
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      misses.push({ scanned: raw, refusal });
    }
  }
  const open = openQuestion(questions, facts);
  return { facts, misses, open, fallback: open ? defaultOf(open, facts) : "" };
}

/** The scans, and behind them the kept ones (fact: raw) that the open questions ask for. */
export function withKept(questions, scans, kept) {
  const left = { ...kept };
  let walked = walk(questions, scans);
  while (walked.open && has(left, walked.open.fact)) {
    const longer = [...scans, left[walked.open.fact]];
    delete left[walked.open.fact];
    const further = walk(questions, longer);
    if (further.misses.length > walked.misses.length) continue;
    scans = longer;
    walked = further;
  }
  return scans;
}

/** Which scans prove the facts that carry over to the next repetition. */
export function keptAfter(step, scans) {
  const kept = {};
  let facts = {};
  scans.forEach((raw, at) => {
    const now = walk(step.questions, scans.slice(0, at + 1)).facts;
    for (const fact of (step.repeat && step.keep) || []) {
      if (has(now, fact) && !has(facts, fact) && raw) kept[fact] = raw;
    }
    facts = now;
  });
  return kept;
}

/** The kept scans with `raw` in the place of the one it replaces; null if it replaces none. */
export function keptInstead(step, kept, raw) {
  for (const fact of Object.keys(kept)) {
    const asked = step.questions.find((each) => each.fact === fact);
    if (!asked || (asked.kind ?? "code") !== "code") continue;
    try {
      judge([{ ...asked, only_if: {} }], {}, raw);
      return { ...kept, [fact]: raw };
    } catch {
      // it stands in for another one
    }
  }
  return null;
}

/** The path code a command label opens, or UNDO; "" for anything else. */
export function command(step, raw) {
  let reading;
  try {
    reading = read(raw);
  } catch {
    return "";
  }
  if (reading.kind !== "CM") return "";
  const code = reading.code.slice(3, -2);
  if (code === "UNDO") return code;
  return step.paths?.find((way) => way.code.toUpperCase() === code)?.code ?? "";
}
