// GS1 element strings, as biip reads them for wms/barcodes.py: a string that does not parse whole
// is no GS1 string. `RULES` are the application identifiers, each with the form of its value.
// Identifiers that tell the floor nothing share a wide form: every right string is read as biip
// reads it, and some wrong ones that biip refuses pass here, for the server to refuse.

const TEXT = '[!%-?A-Z_a-z"]'; // the 82 characters
const RULES = [
  ["00", "\\d{18}"],
  ["0[1-3]", "\\d{14}"],
  ["10|2[12]", `${TEXT}{1,20}`],
  ["1[1-35-7]", "\\d{6}"], // a date
  ["20", "\\d{2}"],
  ["30|37", "\\d{0,8}"],
  ["3(?:[1-6]\\d|95)[0-5]", "\\d{6}"],
  ["41[0-7]", "\\d{13}"],
  ["235|2[45]\\d|4[02]\\d|71\\d|9\\d|(?:39|43|70|8[0-2])\\d\\d|72[3-5]\\d", `${TEXT}{1,90}`],
].map(([ai, value]) => new RegExp(`^(${ai})(${value})`));

/** The elements [ai, value] of a GS1 string; null when any part of it does not fit. */
export function elements(text) {
  const found = [];
  while (text) {
    const part = text.split("\x1d", 1)[0];
    const rule = RULES.find((each) => each.test(part));
    const [whole, ai, value] = rule?.exec(part) ?? [];
    if (!rule || (/^1[1-7]/.test(ai) && !isoDate(value))) return null;
    found.push([ai, value]);
    text = text.slice(whole.length).replace(/^\x1d+/, "");
  }
  return found;
}

/** YYMMDD (day 00: the last) as YYYY-MM-DD, from 49 years ago to 50 ahead; "" when there is no
    such day. */
export function isoDate(value) {
  const [yy, month, day] = value.match(/../g);
  const first = new Date().getUTCFullYear() - 49;
  const year = first + ((yy - first + 10000) % 100);
  const made = new Date(Date.UTC(year, month - (day > 0), day)).toISOString().slice(0, 10);
  return made.slice(5, 7) === month ? made : "";
}
