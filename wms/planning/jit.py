"""Compiled inner loops where numba is installed, the same functions in plain Python where not.

Answers are identical either way; only the time differs (see docs/decisions, "numba carries the
inner loops of planning"). Compiled code is kept on disk, so a process pays for it once.
"""

from collections.abc import Callable
from typing import Any, TypeVar

try:
    from numba import njit
except ImportError:  # the planners then run uncompiled
    njit = None

F = TypeVar("F", bound=Callable[..., Any])

COMPILED = njit is not None


def kernel(function: F) -> F:
    """Mark an inner loop: only numbers and arrays, no Python objects."""
    return function if njit is None else njit(cache=True, nogil=True)(function)
