// GS1 element strings, as biip reads them for wms/barcodes.py: a string that does not parse whole
// is no GS1 string. `AIS` is the table of application identifiers: which, then the form of the
// value (n digits, x the 82 characters, or a pattern; D at the end: a date that must exist).

const AIS = `00|801[78] n18
0[1-3] n14
10|2[12]|243|254|420|4318|702[0-2]|71[0-7]|7240|8002|8012 x20
1[1-35-7]|4326|7006 n6D
20|7241 n2
235 x28
24[01]|25[01]|40[013]|4308|4319|7002|7023|8004|90 x30
242 n1,6
253 \\d{13}X{0,17}
255 n13,25
30 n0,8
37 n1,8
3(?:1[0-6]|[246]\\d|3[0-7]|5[0-7]|95)[0-5]|8005 n6
39[02]\\d n1,15
39[13]\\d n4,18
394[0-3]|8111 n4
402 n17
41[0-7]|7001 n13
421 \\d{3}X{1,9}
42[246] n3
42[35] (?:\\d{3}){1,5}
427|7008 x3
43[01][01]|4320 x35
43[01][2-6]|7257|811[02]|8200 x70
43[01]7 [A-Z0-9]{2}
4309 n20
432[1-3] [01]
432[45]|7003 n10D
433[0-3] \\d{6}-?
7004 n0,4
7005 x12
7007 \\d{6}(?:\\d{6})?D
7009|7255 x10
7010 x2
7011 \\d{6}(?:\\d{4})?D
703\\d \\d{3}X{1,27}
7040 \\dXXX
7041 x4
723\\d X{3,30}
7242|801[34]|8020 x25
7250 \\d{4}(?:0\\d|1[0-2])(?:[0-2]\\d|3[01])
7251 \\d{4}(?:0\\d|1[0-2])(?:[0-2]\\d|3[01])(?:[01]\\d|2[0-3])[0-5]\\d
7252 n1
7253|7254|7259 x40
7256|9[1-9] x90
7258 \\d/\\d
8001 n14
8003 0\\d{13}X{0,16}
80[02]6 n18
8007 x34
8008 \\d{8}(?:[0-5]\\d(?:[0-5]\\d)?)?D
8009 x50
8010 [A-Z0-9/#-]{5,30}
8011 n1,12
8019 n1,10
8030 [0-9A-Za-z_-]{1,90}
804[01] n15
8042 n32
8043 n18,20`;

let rules;

function compile(line) {
  const [ais, form] = line.split(" ");
  const body = form
    .replace(/D$/, "")
    .replace(/^n([\d,]+)$/, "\\d{$1}")
    .replace(/^x(\d+)$/, "X{1,$1}")
    .replaceAll("X", '[!%-?A-Z_a-z"]');
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

/** YYMMDD (day 00: the last) as YYYY-MM-DD; "" when there is no such day, or time behind it. */
export function isoDate(value) {
  const [yy, month, day, hour = 0, minute = 0, second = 0] = value.match(/../g).map(Number);
  const now = new Date().getUTCFullYear();
  const apart = yy - (now % 100);
  const century = now - (now % 100) + (apart > 50 ? -100 : apart < -49 ? 100 : 0);
  const last = new Date(Date.UTC(century + yy, month, 0)).getUTCDate();
  const timed = (hour === 99 && minute === 99) || (hour < 24 && minute < 60 && second < 60);
  if (month < 1 || month > 12 || day > last || !timed) return "";
  return `${century + yy}-${two(month)}-${two(day || last)}`;
}

const two = (number) => String(number).padStart(2, "0");
