"""What every compiled inner loop of packing needs: its plain twin and repeatable random numbers.

Kernels take and return only integers, floats and numpy arrays and draw their own random numbers,
so that machine code and plain Python give the same result for the same seed (see `jit`).
"""

from types import FunctionType
from typing import Any

from wms.planning.jit import kernel

MODULUS = 2_147_483_647


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


@kernel
def draw(state, below):
    """Return a number from 0 to below - 1 and advance the state (one cell, never zero).

    Source: Lehmer generator, Park and Miller, Communications of the ACM 31 (1988).
    """
    state[0] = state[0] * 48271 % MODULUS
    return state[0] % below
