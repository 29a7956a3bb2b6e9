// What a scanned string is: the reading rules of wms/barcodes.py, so that the device judges as the
// server does. tests/web/test_codes_agree.py holds both to one table.
import { elements, isoDate } from "./gs1.js";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const OWN_KINDS = ["BD", "BN", "TT", "LP", "CM", "CT", "CA"];
const AI_FACTS = { 10: "lot", 21: "serial", 15: "expiry", 17: "expiry", 30: "qty", 37: "qty" };
const EDGES = /^[\s\x1c-\x1f\x85]+|[\s\x1c-\x1f\x85]+$/g;

/** A refused scan: the class name of the server's refusal, and the facts of its sentence. */
export class Refusal {
  constructor(code, facts) {
    Object.assign(this, { code, facts });
  }
}

/** Without blanks and separators at both ends, as Python's str.strip. */
export const strip = (text) => text.replace(EDGES, "");

/** The normal form of a scan: `code`, `kind` and the `facts` a GS1 string says besides. */
export function read(raw) {
  const whole = strip(raw);
  const aim = /^\][A-Za-z]\d/.test(whole);
  const text = aim ? whole.slice(3) : whole;
  const upper = text.toUpperCase();
  const own = /^([A-Z]{2})-([0-9A-Z][0-9A-Z.-]*)-([0-9A-Z])$/.exec(upper);
  if (own && OWN_KINDS.includes(own[1])) {
    if (checkCharacter(own[1] + own[2]) !== own[3]) {
      throw new Refusal("MisreadLabel", { scanned: text });
    }
    return { code: upper, kind: own[1], facts: {} };
  }
  if (/^(\d{8}|\d{12,14})$/.test(text) && digitsFit(text)) {
    return { code: text.padStart(14, "0"), kind: "gtin", facts: {} };
  }
  if (/^\d{18}$/.test(text) && digitsFit(text)) return { code: text, kind: "sscc", facts: {} };
  if ((aim && text && "CdQe".includes(whole[1])) || text.includes("\x1d") || looksGs1(text)) {
    return readGs1(text);
  }
  return { code: text, kind: "raw", facts: {} };
}

/** Unprefixed, only a checked key at the start makes it GS1. */
function looksGs1(text) {
  if (text.length === 20 && text.startsWith("00")) return /^\d+$/.test(text);
  return /^0[12]\d{14}/.test(text) && digitsFit(text.slice(2, 16));
}

function readGs1(text) {
  if (/^00\d{18}$/.test(text)) checked("SSCC", text.slice(2));
  const reading = { code: text, kind: "raw", facts: {} };
  for (const [ai, value] of elements(strip(text)) || []) {
    const fact = AI_FACTS[ai];
    if (ai === "00") {
      reading.code = checked("SSCC", value);
      reading.kind = "sscc";
    } else if (ai === "01" || ai === "02") {
      reading.code = checked("GTIN", value);
      reading.kind = "gtin";
    } else if (fact) {
      const plain = fact === "qty" ? String(+value) : value;
      reading.facts[fact] = fact === "expiry" ? isoDate(value) : plain;
    }
  }
  return reading;
}

function checked(key, digits) {
  if (digitsFit(digits)) return digits;
  throw new Refusal("BadGs1", { detail: `the check digit of the ${key} does not fit` });
}

/** The last digit is the GS1 check digit: weights 3 and 1 from the right. */
function digitsFit(digits) {
  let total = 0;
  for (let i = 1; i <= digits.length; i++) total += digits.at(-i) * (i % 2 ? 1 : 3);
  return total % 10 === 0;
}

/** ISO/IEC 7064 MOD 37,36 over letters and digits. */
function checkCharacter(text) {
  let product = 36;
  for (const letter of text) {
    if (letter === "-" || letter === ".") continue;
    product = ((((product + ALPHABET.indexOf(letter)) % 36 || 36) * 2) % 37);
  }
  return ALPHABET[(37 - product) % 36];
}
