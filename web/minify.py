"""A small minifier for our own scripts: comments and blanks go, variables get short names.

It knows the JavaScript that we write (semicolons everywhere, no labels, no comma expression at the
head of a block) and nothing more; the browser tests run what it makes. A variable of the file keeps
one new name in the whole file, any other one in its whole top-level statement, whatever its scope;
so no scope can change what a name means. Properties, keys and globals keep their names.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import product

import msgspec

TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<open>`(?:[^`\\$]|\\.|\$(?!\{))*(?:`|\$\{))
    |(?P<name>[A-Za-z_$][\w$]*)
    |(?P<number>\d[\w.]*)
    |(?P<sign>=>|\.\.\.|\?\.|\+\+|--|[^\w\s])""",
    re.VERBOSE | re.DOTALL,
)
REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
HOLE_END = re.compile(r"\}(?:[^`\\$]|\\.|\$(?!\{))*(?:`|\$\{)", re.DOTALL)
KEYWORDS = """
    async await break case catch class const constructor continue default delete do else export
    extends false finally for from function if import in instanceof let new null of return static
    super switch this throw true try typeof undefined void while yield
"""
WORDS = frozenset(KEYWORDS.split())
ALPHABET = "etnairsolcdufhpmgvybwkxjqzETNAIRSOLCDUFHPMGVYBWKXJQZ"
IN_FILE = 20  # single letters that go to the file's own names; the others to locals
BEFORE_BLOCK = {")", "=>", "else", "try", "catch", "finally", "do", "{", "}", ";", ""}


class Token(msgspec.Struct):
    kind: str
    text: str
    within: str = ""  # the innermost bracket around it: ( [ block object hole
    role: str = ""  # of a name: variable, key (also properties) or both (a shorthand)
    statement: int = 0  # which top-level statement it belongs to


def minify(source: str) -> str:
    tokens = _with_roles(_tokenize(source))
    names = _short_names(tokens)
    out: list[str] = []
    for token in tokens:
        text = token.text
        short = names.get((token.statement, text)) or names.get((-1, text), text)
        if text == "const":
            text = "let"
        elif token.role == "variable":
            text = short
        elif token.role == "both" and text != short:
            text = f"{text}:{short}"
        if out and out[-1] + text[0] in (",)", ",]", ",}", ";}"):
            out.pop()
        if out and _needs_blank(out[-1][-1], text[0]):
            text = " " + text
        out.append(text)
    return "".join(out) + "\n"


def _tokenize(source: str) -> list[Token]:
    """Tokens without blanks, each with the bracket it stands in."""
    tokens: list[Token] = []
    around = ["block"]
    at = 0
    while at < len(source):
        before = tokens[-1].text if tokens else ""
        match = _match(source, at, before, around)
        kind, text = str(match.lastgroup or "text"), match[0]
        at += len(text)
        if kind == "blank":
            continue
        if text[0] in ")]}" and len(around) > 1:
            around.pop()
        tokens.append(Token(kind, text, around[-1]))
        if kind == "sign" and text in "([":
            around.append(text)
        elif kind == "sign" and text == "{":
            around.append("block" if before in BEFORE_BLOCK else "object")
        elif text.endswith("${"):
            around.append("hole")
    return tokens


def _match(source: str, at: int, before: str, around: list[str]) -> re.Match[str]:
    if source[at] == "}" and around[-1] == "hole":
        match = HOLE_END.match(source, at)
    elif source[at] == "/" and (before == "return" or before[-1:] in (*"(,=:!&|?{};", "")):
        match = TOKEN.match(source, at)
        match = match if match and match.lastgroup == "blank" else REGEX.match(source, at)
    else:
        match = TOKEN.match(source, at)
    assert match is not None, source[at : at + 40]
    return match


def _with_roles(tokens: list[Token]) -> list[Token]:
    for at, token in enumerate(tokens):
        if token.kind != "name" or token.text in WORDS:
            continue
        before = tokens[at - 1].text if at else ""
        after = tokens[at + 1].text if at + 1 < len(tokens) else ""
        member = token.within == "object" and before in ("{", ",")
        if before in (".", "?.") or (member and after in (":", "(")):
            token.role = "key"
        else:
            token.role = "both" if member and after in (",", "}", "=") else "variable"
    return tokens


def _number_statements(tokens: list[Token]) -> None:
    statement, first, depth = 0, 0, 0
    for at, token in enumerate(tokens):
        token.statement = statement
        depth += _depth_change(token)
        declares = tokens[first].text in ("function", "async", "class")
        if depth == 0 and (token.text == ";" or (declares and token.text == "}")):
            statement, first = statement + 1, at + 1


def _depth_change(token: Token) -> int:
    if token.kind == "sign":
        return (token.text in "([{") - (token.text in ")]}")
    return 0


def _short_names(tokens: list[Token]) -> dict[tuple[int, str], str]:
    """(statement, name) -> short name; statement -1 for the file's own. Frequent ones first."""
    _number_statements(tokens)
    used = [token for token in tokens if token.role in ("variable", "both")]
    declared = _declared(tokens)
    of_file = {name for name, depth in declared if depth == 0}
    local = {name for name, _ in declared} - of_file
    taken = {token.text for token in used} - of_file - local | WORDS
    fresh = [name for name in _letters(2) if name not in taken]
    seen = Counter(token.text for token in used if token.text in of_file)
    best = [name for name, _ in seen.most_common()]
    singles, pairs = fresh[:IN_FILE], [name for name in fresh if len(name) == 2]
    names = {(-1, name): short for name, short in zip(best, singles + pairs, strict=False)}
    rest = [name for name in fresh if name not in names.values()]
    inside: dict[int, Counter[str]] = defaultdict(Counter)
    for token in used:
        if token.text in local:
            inside[token.statement][token.text] += 1
    for statement, counted in inside.items():
        for (name, _), short in zip(counted.most_common(), rest, strict=False):
            names[statement, name] = short
    return names


def _declared(tokens: list[Token]) -> set[tuple[str, int]]:
    """(name, depth) of every variable, function, class and parameter of this source."""
    names: set[tuple[str, int]] = set()
    depth = 0
    for at, token in enumerate(tokens):
        depth += _depth_change(token)
        found: set[str] = set()
        if token.text in ("const", "let") and token.kind == "name":
            names |= {(name, depth) for name in _pattern(tokens, at + 1)}
        elif token.text in ("function", "class"):
            names.add((tokens[at + 1].text, depth))
            if token.text == "function":
                found = _pattern(tokens, at + 2)
        elif token.text == "catch" and tokens[at + 1].text == "(":
            found = {tokens[at + 2].text}
        elif token.text == "=>":
            found = _pattern(tokens, _start_of_parameters(tokens, at - 1))
        names |= {(name, depth + 1) for name in found}
    return names


def _pattern(tokens: list[Token], at: int) -> set[str]:
    """The names bound by the pattern or list beginning at `at`, up to its end."""
    names: set[str] = set()
    depth = 0
    while at < len(tokens):
        token = tokens[at]
        depth += _depth_change(token)
        if token.role in ("variable", "both"):
            names.add(token.text)
        ended = depth == 0 and token.text[0] in "=;)]}"
        if depth < 0 or ended or token.text in ("of", "=>"):
            break
        at += 1
    return names


def _start_of_parameters(tokens: list[Token], at: int) -> int:
    depth = 0
    while True:
        text = tokens[at].text
        depth += (text == ")") - (text == "(")
        if depth == 0:
            return at
        at -= 1


def _letters(most: int) -> Iterator[str]:
    for length in range(1, most + 1):
        yield from map("".join, product(ALPHABET, repeat=length))


def _needs_blank(left: str, right: str) -> bool:
    word = "_$"
    apart = (left.isalnum() or left in word) and (right.isalnum() or right in word)
    return apart or (left == right and left in "+-")
