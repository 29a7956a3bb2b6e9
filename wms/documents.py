"""Documents that partners send: decoded as a whole, with every error at once.

msgspec stops at the first error; a partner who fixes them one by one needs as many attempts as
there are errors. So the value is walked along the struct and each leaf converted by itself.
"""

import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from wms.errors import Invalid

T = TypeVar("T")


class DocumentError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong in a document. `path` is a JSON Pointer (RFC 6901)."""

    path: str
    code: str
    message: str
    value: Any = None
    allowed: Sequence[str] = ()


class NotJson(Invalid):
    say = "The body is not JSON: {detail}"


class BadDocument(Invalid):
    """`errors` is complete: a document without them is accepted."""

    say = "The document has {many}; the first, at {path}: {message}"

    def __init__(self, errors: Sequence[DocumentError]) -> None:
        self.errors = list(errors)
        first = errors[0]
        count = len(errors)
        super().__init__(
            count=count, many=f"{count} errors" if count > 1 else "1 error",
            path=first.path or "/", message=first.message,
        )  # fmt: skip


class Checked(msgspec.Struct, frozen=True):
    """What a walk found: errors, and members no field reads (spelling mistakes, newer versions)."""

    errors: list[DocumentError]
    unknown: list[str]


def decode(body: bytes) -> Any:
    """The JSON value of a body. Raises NotJson."""
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise NotJson(detail=_not_utf8(body)) from None
    except msgspec.DecodeError as error:
        raise NotJson(detail=str(error)) from None


def _not_utf8(body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} is not UTF-8 ({error.reason})"
    return "it is not UTF-8"


def parse(value: Any, shape: type[T], path: str = "") -> tuple[T, list[str]]:
    """A decoded value as `shape`, and the pointers of unknown members. Raises BadDocument."""
    found = check(value, shape, path)
    if found.errors:
        raise BadDocument(found.errors)
    try:
        return msgspec.convert(value, shape), found.unknown
    except msgspec.ValidationError as error:  # what only the whole shows
        raise BadDocument([DocumentError(path, _code(str(error)), str(error))]) from None


def check(value: Any, shape: Any, path: str = "") -> Checked:
    """Every way in which a decoded value is not a `shape`."""
    found = Checked([], [])
    _walk(value, shape, path, found)
    return found


def pointer(path: str, *parts: object) -> str:
    """A JSON Pointer below another: `pointer("/lines", 0, "sku")`."""
    escaped = [str(part).replace("~", "~0").replace("/", "~1") for part in parts]
    return "/".join([path, *escaped])


def _walk(value: Any, shape: Any, path: str, found: Checked) -> None:
    bare = _without_none(_without_meta(shape)) if value is not None else _without_meta(shape)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        if isinstance(value, dict):
            _walk_members(value, bare, path, found)
        else:
            found.errors.append(DocumentError(path, "wrong-type", "Expected an object", value))
        return
    if get_origin(bare) is list and isinstance(value, list):
        for number, each in enumerate(value):
            _walk(each, get_args(bare)[0], pointer(path, number), found)
        shape = _replace_items(shape)
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        shown = value if isinstance(value, (str, int, float, bool)) else None
        said, allowed = str(error), _words(bare)
        if allowed and isinstance(value, str):
            said = f"Expected one of {', '.join(allowed)}"
        found.errors.append(DocumentError(path, _code(str(error)), said, shown, allowed))


def _walk_members(value: dict[str, Any], shape: Any, path: str, found: Checked) -> None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name, field in fields.items():
        here = pointer(path, name)
        if name in value:
            _walk(value[name], field.type, here, found)
        elif field.required:
            found.errors.append(DocumentError(here, "required", "This member is missing"))
    unknown = [pointer(path, name) for name in value if name not in fields]
    found.unknown.extend(unknown)
    if shape.__struct_config__.forbid_unknown_fields:
        found.errors.extend(DocumentError(each, "unknown", "No such member") for each in unknown)


def _without_meta(shape: Any) -> Any:
    return get_args(shape)[0] if get_origin(shape) is Annotated else shape


def _without_none(shape: Any) -> Any:
    if get_origin(shape) not in (Union, types.UnionType):
        return shape
    some = [each for each in get_args(shape) if each is not type(None)]
    return _without_meta(some[0]) if len(some) == 1 else shape


def _words(shape: Any) -> tuple[str, ...]:
    """What a text may be, of a closed list."""
    words = get_args(shape) if get_origin(shape) is Literal else ()
    return words if all(isinstance(word, str) for word in words) else ()


def _replace_items(shape: Any) -> Any:
    """The list's own limits without its items, which were walked one by one."""
    if get_origin(shape) is Annotated:
        return Annotated[(list[Any], *shape.__metadata__)]
    return list[Any]


def _code(message: str) -> str:
    if "length" in message:
        return "wrong-length"
    if any(sign in message for sign in (">=", "<=", " > ", " < ", "out of range")):
        return "out-of-range"
    if "Invalid" in message or "matching regex" in message:
        return "wrong-format"
    return "wrong-type"
