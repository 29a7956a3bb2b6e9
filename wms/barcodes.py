"""What a scanned string is: GS1 element strings (biip behind our checks), GTINs, and own labels.

Own labels read `KK-code-c`: a reserved two-letter kind, the code, and an ISO/IEC 7064 MOD 37,36
check character. So a badge is never taken for a PIN, nor a bin for an item, and a misread label is
known as one. The same reading rules live in web/static/scan.js; tests hold both to one table.
"""

import re

import msgspec
from biip import ParseError, parse
from biip.gs1_messages import GS1Message

from wms.errors import Refused

OWN_KINDS = {
    "BD": "badge",
    "BN": "bin",
    "TT": "tote",
    "LP": "license plate",
    "CM": "command",
    "CT": "carton type",
    "CA": "cart",
}
GS = "\x1d"
_OWN = re.compile(r"^([A-Z]{2})-([0-9A-Z][0-9A-Z.\-]*)-([0-9A-Z])$")
_AIM = re.compile(r"^\][A-Za-z][0-9]")
_GTIN_LENGTHS = (8, 12, 13, 14)
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_AI_FACTS = {"10": "lot", "21": "serial", "15": "expiry", "17": "expiry", "30": "qty", "37": "qty"}


class MisreadLabel(Refused):
    say = "That label was misread or is damaged: {scanned}. Scan it again, or key its check digits."


class BadGs1(Refused):
    say = "That GS1 code is wrong: {detail}. Scan the other code on the label, or call your lead."


class Reading(msgspec.Struct, frozen=True):
    """A scan in normal form.

    `code` is what `accepts` tables are keyed by: a GTIN as 14 digits, an SSCC as 18 digits, an own
    label in capitals, anything else as it came. `kind` is an own kind (`BN`), `gtin`, `sscc` or
    `raw`. `facts` are what a GS1 element string says besides: lot, expiry (ISO date), serial, qty.
    """

    code: str
    kind: str
    facts: dict[str, str] = {}


def read(raw: str) -> Reading:
    """The normal form of a scan. Raises MisreadLabel or BadGs1 for a label that cannot be right."""
    text = raw.strip()
    aim = _AIM.match(text)
    if aim:
        text = text[3:]
    own = _OWN.match(text.upper())
    if own and own[1] in OWN_KINDS:
        if check_character(own[1] + own[2]) != own[3]:
            raise MisreadLabel(scanned=text)
        return Reading(text.upper(), own[1])
    if _digits(text) and len(text) in _GTIN_LENGTHS and gs1_check_ok(text):
        return Reading(text.zfill(14), "gtin")
    if _digits(text) and len(text) == 18 and gs1_check_ok(text):
        return Reading(text, "sscc")
    if (aim and text and raw.strip()[1] in "CdQe") or GS in text or _looks_gs1(text):
        return _read_gs1(text)
    return Reading(text, "raw")


def _digits(text: str) -> bool:
    """ASCII digits only: other scripts' digits and superscripts are no numbers on a label."""
    return text.isascii() and text.isdigit()


def _looks_gs1(text: str) -> bool:
    """An unprefixed code is taken as GS1 only where a checked key at its start proves it."""
    digits = text[2:16]
    if text[:2] == "00" and len(text) == 20:
        return _digits(text)
    if text[:2] not in ("01", "02") or len(text) < 16:
        return False
    return _digits(digits) and gs1_check_ok(digits)


def _read_gs1(text: str) -> Reading:
    if text.startswith("00") and len(text) == 20 and _digits(text) and not gs1_check_ok(text[2:]):
        raise BadGs1(detail="the check digit of the SSCC does not fit")
    try:
        message = parse(text).gs1_message
    except (ParseError, ValueError, IndexError, AssertionError) as error:
        raise BadGs1(detail=str(error) or "it cannot be read") from error
    if not isinstance(message, GS1Message):
        return Reading(text, "raw")
    facts: dict[str, str] = {}
    code, kind = text, "raw"
    for element in message.element_strings:
        ai = element.ai.ai
        if ai == "00":
            if not gs1_check_ok(element.value):
                raise BadGs1(detail="the check digit of the SSCC does not fit")
            code, kind = element.value, "sscc"
        elif ai in ("01", "02"):
            if not gs1_check_ok(element.value):
                raise BadGs1(detail="the check digit of the GTIN does not fit")
            code, kind = element.value, "gtin"
        elif ai in _AI_FACTS:
            value = element.value
            if _AI_FACTS[ai] == "expiry":
                if element.date is None:
                    raise BadGs1(detail=f"{value} is no date")
                value = element.date.isoformat()
            elif _AI_FACTS[ai] == "qty":
                if not _digits(value):
                    continue  # an identifier without its value says nothing
                value = str(int(value))
            facts[_AI_FACTS[ai]] = value
    return Reading(code, kind, facts)


def check_character(text: str) -> str:
    """ISO/IEC 7064:2003 MOD 37,36 hybrid check over the letters and digits of `text`."""
    product = 36
    for letter in text.upper():
        if letter in "-.":
            continue
        total = (product + _ALPHABET.index(letter)) % 36 or 36
        product = total * 2 % 37
    return _ALPHABET[(37 - product) % 36]


def label(kind: str, code: str) -> str:
    """The label text of an own thing: `label("BN", "A-04-2")` is `BN-A-04-2-…`."""
    return f"{kind}-{code}-{check_character(kind + code)}"


def gs1_check_digit(digits: str) -> str:
    """GS1 General Specifications 7.9: weights 3 and 1 from the right."""
    total = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits)))
    return str(-total % 10)


def gs1_check_ok(digits: str) -> bool:
    return gs1_check_digit(digits[:-1]) == digits[-1]


def sscc(prefix: str, serial: int) -> str:
    """An SSCC (18 digits) from a company prefix and our serial number; extension digit 0."""
    body = "0" + prefix
    body += str(serial).zfill(17 - len(body))
    if len(body) != 17:
        raise ValueError(f"serial {serial} does not fit beside company prefix {prefix}")
    return body + gs1_check_digit(body)


def check_digits(code: str) -> str:
    """The two digits on a bin label, keyed when it cannot be scanned; unlike the neighbours'."""
    value = 0
    for letter in code.upper():
        if letter in _ALPHABET:
            value = (value * 37 + _ALPHABET.index(letter) * 7 + 3) % 97
    return f"{value % 90 + 10}"
