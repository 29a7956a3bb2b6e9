"""The minifier on small pieces: what is renamed, what never is, and what stays as it stands."""

import pytest

from web.minify import minify


@pytest.mark.parametrize(
    ("source", "short"),
    [
        ("const long = 1; // why\nuse(long);", "let e=1;use(e);"),
        ("/** doc */\nfunction add(first, second) { return first + second; }",
         "function e(t,n){return t+n}"),
        ("const { path, scans = [] } = now;", "let{path:e,scans:t=[]}=now;"),
        ("const box = { path, key: path.key };", "let e={path,key:path.key};"),
        ("const word = 'const word // no comment';", "let e='const word // no comment';"),
        ("const text = `a ${text2} } ${`b${text}`}`;", "let e=`a ${text2} } ${`b${e}`}`;"),
        ("const path = /[/]\\/ x/g.test(path.path);", "let e=/[/]\\/ x/g.test(e.path);"),
        ("const a1 = b - -c + +d;", "let e=b- -c+ +d;"),
        ("for (const [key, value] of pairs) use({ key, [value]: value?.key });",
         "for(let[t,e]of pairs)use({key:t,[e]:e?.key});"),
        ("const all = (...rest) => ({ ...rest });", "let e=(...t)=>({...t});"),
    ],
)  # fmt: skip
def test_minified(source, short):
    assert minify(source) == short + "\n"


def test_a_name_that_is_never_declared_keeps_it():
    assert "sessionStorage" in minify("const half = sessionStorage.half;")


def test_the_same_local_name_in_two_functions_may_differ_from_a_name_of_the_file():
    short = minify("const total = 1; function f(item) { return item + total; }")
    assert short == "let e=1;function t(n){return n+e}\n"
