// GS1 element strings, as biip reads them for wms/barcodes.py: a string that does not parse whole
// is no GS1 string. `AIS` is the table of application identifiers: which, then the form of the
// value: n digits, x the 82 characters, D a date that must exist. Identifiers that tell the floor
// nothing share a wide form: every right string is read as biip reads it, and some wrong ones that
// biip refuses pass here, for the server to refuse.

const AIS = `00 n18
0[1-3] n14
10|2[12] x20
1[1-35-7] n6D
20 n2
30|37 n0,8
3(?:1[0-6]|[246]\\d|[35][0-7]|95)[0-5] n6
41[0-7] n13
235|24[0-3]|25[013-5]|40[0-3]|42[0-7]|71[0-7]|9\\d x90
39(?:[0-3]\\d|4[0-3])|43(?:[01]\\d|2[0-6]|3[0-3])|72(?:[35]\\d|4[0-2]) x90
70(?:0[1-9]|1[01]|2[0-3]|3\\d|4[01])|80(?:0[1-9]|1[0-47-9]|2[06]|30|4[0-3])|811[0-2]|8200 x90`;

let rules;

function compile(line) {
  const [ais, form] = line.split(" ");
  const body = form
    .replace(/n([\d,]+)D?/, "\\d{$1}")
    .replace(/x(\d+)/, '[!%-?A-Z_a-z"]{1,$1}');
  return { pattern: new RegExp(`^(${ais})(${body})`), dated: form.endsWith("D") };
}

/** The elements [ai, value] of a GS1 string; null when any part of it does not fit. */
export function elements(text) {
  rules ||= AIS.split("\n").map(compile);
  const found = [];
  while (text) {
    const part = text.split("\x1d", 1)[0];
    let match, rule;
    for (rule of rules) if ((match = rule.pattern.exec(part))) break;
    if (!match || (rule.dated && !isoDate(match[2]))) return null;
    found.push([match[1], match[2]]);
    text = text.slice(match[0].length).replace(/^\x1d+/, "");
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
