"""A small minifier for our own scripts: comments and blanks go, variables get short names.

It knows the JavaScript that we write (semicolons everywhere, no labels, no comma expression at the
head of a block) and nothing more; the browser tests run what it makes. A variable keeps one new
name in the whole function that declares it, and in all functions within, also where one of these
declares its name again; so no scope can change what a name means. Properties, keys and globals keep
their names.
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
SHORTER = {"true": "!0", "false": "!1"}
ARGUMENT = re.compile(r"\(\w+\)")
BEFORE_BLOCK = {")", "=>", "else", "try", "catch", "finally", "do", "{", "}", ";", ""}


class Token(msgspec.Struct):
    kind: str
    text: str
    within: str = ""  # the innermost bracket around it: ( [ block object hole
    role: str = ""  # of a name: variable, key (also properties) or both (a shorthand)
    scope: int = 0  # the function it stands in; 0 is the file


def minify(source: str) -> str:
    tokens, numbers = _numbers(_with_roles(_tokenize(source)))
    names = _short_names(tokens)
    out: list[str] = []
    for token in _joined(tokens):
        text = token.text
        short = numbers.get(text) or names.get((token.scope, text), text)
        if token.role == "":
            text = SHORTER.get(text, text)
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


def _numbers(tokens: list[Token]) -> tuple[list[Token], dict[str, str]]:
    """The tokens without the declarations of numbers, and these numbers by their names in capitals:
    they stand where the names stood."""
    numbers: dict[str, str] = {}
    at = 0
    while at < len(tokens) - 4:
        word, name, _, value, end = tokens[at : at + 5]
        if (word.text, value.kind, end.text) == ("const", "number", ";") and name.text.isupper():
            numbers[name.text] = value.text
            del tokens[at : at + 5]
        else:
            at += 1
    return tokens, numbers


def _joined(tokens: list[Token]) -> list[Token]:
    """With `let a=1,b=2;` for `const a=1;const b=2;`, and `a=>` for `(a)=>`."""
    joined: list[Token] = []
    begun = [""]  # the first word of the statement in each open bracket
    declared = False  # the statement that just ended declared something
    for token in tokens:
        if token.text in ("const", "let") and token.role == "":
            token.text = begun[-1] = "let"
            if declared and joined[-1].text == ";":
                joined[-1].text = ","
                continue
        elif token.text == "=>" and ARGUMENT.fullmatch("".join(_.text for _ in joined[-3:])):
            joined[-3:] = joined[-2:-1]
        elif _depth_change(token) > 0:
            begun.append("")
        elif _depth_change(token) < 0:
            begun.pop()
        elif token.text == ";":
            declared, begun[-1] = begun[-1] == "let", ""
        else:
            begun[-1] = begun[-1] or token.text
        joined.append(token)
    return joined


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


def _depth_change(token: Token) -> int:
    if token.kind == "sign":
        return (token.text in "([{") - (token.text in ")]}")
    return token.text.endswith("${") - (token.text[0] == "}")


def _number_scopes(tokens: list[Token]) -> list[int]:
    """Tells each token its function, whose parameters belong to it; gives the outer of each."""
    ends: dict[int, int] = {}  # of functions, by their first token
    for at, token in enumerate(tokens):
        if token.text == "function":
            start = at + 1 + (tokens[at + 1].kind == "name")
            ends[start] = _end(tokens, _end(tokens, start, "()") + 1)
        elif token.text == "=>":
            ends[_start_of_parameters(tokens, at - 1)] = _end(tokens, at + 1)
    outer = [0]
    around = [(0, len(tokens))]
    for at, token in enumerate(tokens):
        while at > around[-1][1]:
            around.pop()
        if at in ends:
            outer.append(around[-1][0])
            around.append((len(outer) - 1, ends[at]))
        token.scope = around[-1][0]
    return outer


def _end(tokens: list[Token], at: int, block: str = "{}") -> int:
    """The end of the parameters, block or expression that begins at `at`."""
    depth = 0
    for end in range(at, len(tokens)):
        depth += _depth_change(tokens[end])
        if depth < 0 or (depth == 0 and tokens[end].text in (",", ";")):
            return end - 1
        if depth == 0 and tokens[at].text + tokens[end].text == block:
            return end
    return len(tokens) - 1


def _short_names(tokens: list[Token]) -> dict[tuple[int, str], str]:
    """(scope, name as it stands there) -> short name. Outer functions choose first; each name gets
    the first letters that stand for nothing else within its function."""
    outer = _number_scopes(tokens)
    declared = _declared(tokens)
    home: dict[tuple[int, str], int] = {}
    within: dict[int, Counter[tuple[int, str]]] = defaultdict(Counter)
    for token in tokens:
        if token.role not in ("variable", "both"):
            continue
        scopes = [token.scope]
        while scopes[-1]:
            scopes.append(outer[scopes[-1]])
        at_home = [scope for scope in scopes if (scope, token.text) in declared]
        home[token.scope, token.text] = at_home[-1] if at_home else -1
        for scope in scopes:
            within[scope][home[token.scope, token.text], token.text] += 1
    short: dict[tuple[int, str], str] = {}
    for scope, used in sorted(within.items()):
        taken = {short.get(each, each[1]) for each in used if each[0] != scope} | WORDS
        fresh = (name for name in _letters(2) if name not in taken)
        mine = [each for each, _ in used.most_common() if each[0] == scope]
        short |= dict(zip(mine, fresh, strict=False))
    return {each: short[at, each[1]] for each, at in home.items() if at >= 0}


def _declared(tokens: list[Token]) -> set[tuple[int, str]]:
    """(scope, name) of every variable, function, class and parameter of this source."""
    found: list[Token] = []
    for at, token in enumerate(tokens):
        if token.text in ("const", "let", "function"):
            found += _pattern(tokens, at + 1)
        elif token.text == "class":
            found.append(tokens[at + 1])
        elif token.text == "catch" and tokens[at + 1].text == "(":
            found.append(tokens[at + 2])
        elif token.text == "=>":
            found += _pattern(tokens, _start_of_parameters(tokens, at - 1))
    return {(token.scope, token.text) for token in found}


def _pattern(tokens: list[Token], at: int) -> list[Token]:
    """The names bound by the pattern or list beginning at `at`, up to its end."""
    names: list[Token] = []
    depth = 0
    while at < len(tokens):
        token = tokens[at]
        depth += _depth_change(token)
        if token.role in ("variable", "both"):
            names.append(token)
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
