"""The minifier on small pieces: what is renamed, what never is, and what stays as it stands."""

import pytest

from web.minify import minify


@pytest.mark.parametrize(
    ("source", "short"),
    [
        ("const long = 1; // why\nuse(long);", "let e=1;use(e);"),
        ("/** doc */\nfunction add(first, second) { return first + second; }",
         "function e(e,t){return e+t}"),
        ("const { path, scans = [] } = now;", "let{path:e,scans:t=[]}=now;"),
        ("const box = { path, key: path.key };", "let e={path,key:path.key};"),
        ("const word = 'const word // no comment';", "let e='const word // no comment';"),
        ("const text = `a ${text2} } ${`b${text}`}`;", "let e=`a ${text2} } ${`b${e}`}`;"),
        ("const path = /[/]\\/ x/g.test(path.path);", "let e=/[/]\\/ x/g.test(e.path);"),
        ("const a1 = b - -c + +d;", "let e=b- -c+ +d;"),
        ("for (const [key, value] of pairs) use({ key, [value]: value?.key });",
         "for(let[t,e]of pairs)use({key:t,[e]:e?.key});"),
        ("class Miss { constructor(code) { Object.assign(this, { code }); } }",
         "class e{constructor(code){Object.assign(this,{code})}}"),
        ("const TRIES = 3; let left = TRIES; let done = (more) => more > TRIES;",
         "let e=3,t=e=>e>3;"),
        ("if (box) { const a1 = true; const b1 = !a1; } else { let c1; }",
         "if(box){let e=!0,t=!e}else{let n}"),
        ("const all = (...rest) => ({ ...rest });", "let e=(...e)=>({...e});"),
    ],
)  # fmt: skip
def test_minified(source, short):
    assert minify(source) == short + "\n"


def test_a_name_that_is_never_declared_keeps_it():
    assert "sessionStorage" in minify("const half = sessionStorage.half;")


def test_a_name_stands_for_one_thing_within_a_function_and_what_it_holds():
    short = minify("const total = 1; function f(item) { return item + total; }")
    assert short == "let e=1;function t(t){return t+e}\n"


def test_a_name_declared_again_further_in_keeps_the_name_of_the_outer():
    """Else the `step` outside of the block would be taken for the one in it, or the other way."""
    short = minify(
        "const step = 1; function f(a) { if (a) { const step = a; g(step); } return step; }"
    )
    assert short == "let e=1;function t(t){if(t){let e=t;g(e)}return e}\n"


def test_an_expression_of_an_arrow_ends_where_it_ends():
    short = minify("const a1 = b.map((one) => [one, `${one}`, (two) => two + one], one);")
    assert short == "let e=b.map(e=>[e,`${e}`,t=>t+e],one);\n"
