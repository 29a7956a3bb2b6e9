"""Compiled inner loops where numba is installed, the same functions in plain Python where not.

Answers are identical either way; only the time differs (see docs/decisions, "numba carries the
inner loops of planning"). Compiled code is kept on disk in a folder named by a hash of the source
of the module and of all planning modules it imports: numba itself would keep stale machine code
when only a called module has changed.
"""

import hashlib
import importlib
import os
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

numba: Any
try:
    numba = importlib.import_module("numba")
except ImportError:  # the planners then run uncompiled
    numba = None

F = TypeVar("F", bound=Callable[..., Any])

COMPILED = numba is not None
HERE = Path(__file__).parent
IMPORTS = re.compile(r"^(?:from|import) wms\.planning(?:\.(\w+)| import (\w+))", re.MULTILINE)


def kernel(function: F) -> F:
    """Mark an inner loop: only numbers and arrays, no Python objects."""
    if numba is None:
        return function
    folder = _cache_folder(function.__module__.rpartition(".")[2])
    if folder is None:
        return numba.njit(nogil=True)(function)
    numba.config.CACHE_DIR = str(folder)
    return numba.njit(cache=True, nogil=True)(function)


@lru_cache(maxsize=64)
def _cache_folder(module: str) -> Path | None:
    """Where compiled code of a module is kept: beside the source, else in the user's cache."""
    digest = hashlib.sha256(_source(module, frozenset()).encode()).hexdigest()[:16]
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    for base in (HERE / "__pycache__", Path(home).expanduser() / "wms"):
        folder = base / f"kernels-{module}-{digest}-{sys.implementation.cache_tag}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError):
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


def _source(module: str, seen: frozenset[str]) -> str:
    """Text of a planning module and of those it imports."""
    path = HERE / f"{module}.py"
    if module in seen or not path.exists():
        return ""
    text = path.read_text(encoding="utf-8")
    names = sorted({one or two for one, two in IMPORTS.findall(text)})
    return text + "".join(_source(name, seen | {module}) for name in names)
