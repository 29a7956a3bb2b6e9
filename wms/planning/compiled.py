"""Machine code for the hot loops of planning (see docs/decisions on numba).

`compiled` marks a function that numba turns into machine code on its first call and keeps in its
on-disk cache. Without numba the same source runs as plain Python: slower by a hundred, same answer.
Kernels take and return only integers, floats and numpy arrays, and own their random numbers, so
that both ways give the same result for the same seed.
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

try:
    import numba
except ImportError:  # a planner without machine code is slow, not broken
    numba = None

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

MODULUS = 2_147_483_647


def compiled(function: Kernel) -> Kernel:
    """Turn a kernel into machine code when it is first called."""
    if numba is None:
        return function
    return numba.njit(cache=True, nogil=True)(function)


def plain(function: Any, twins: dict[str, Any] | None = None) -> Any:
    """Return the pure Python twin of a kernel, together with the kernels that it calls.

    A first order at a bench is answered with it while the machine code is still being made.
    """
    twins = {} if twins is None else twins
    source = getattr(function, "py_func", function)
    name = f"{source.__module__}.{source.__name__}"
    if name in twins:
        return twins[name]
    namespace = dict(source.__globals__)
    twin = FunctionType(source.__code__, namespace, source.__name__, source.__defaults__)
    twins[name] = twin
    for used in source.__code__.co_names:
        if hasattr(namespace.get(used), "py_func"):
            namespace[used] = plain(namespace[used], twins)
    return twin


@compiled
def draw(state, below):
    """Return a number from 0 to below - 1 and advance the state (one cell, never zero).

    Source: Lehmer generator, Park and Miller, Communications of the ACM 31 (1988).
    """
    state[0] = state[0] * 48271 % MODULUS
    return state[0] % below
