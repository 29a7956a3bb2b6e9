"""What every compiled inner loop of packing needs: repeatable random numbers and a cold start.

Kernels take and return only integers, floats and numpy arrays and draw their own random numbers,
so that machine code and plain Python give the same result for the same seed (see `jit`). Until the
machine code is made or loaded, `ready` gives the plain twin of a kernel: a first order at a bench
is answered at once, only with fewer tries, and never waits for a compiler.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any

from wms.planning.jit import COMPILED, kernel

MODULUS = 2_147_483_647

_warm = threading.Event()
_warming = threading.Lock()
_forced = threading.local()


@kernel
def draw(state, below):
    """Return a number from 0 to below - 1 and advance the state (one cell, never zero).

    Source: Lehmer generator, Park and Miller, Communications of the ACM 31 (1988).
    """
    state[0] = state[0] * 48271 % MODULUS
    return state[0] % below


def seed_state(seed: int) -> int:
    """Return a valid state of `draw` for any seed."""
    return seed % (MODULUS - 1) + 1


def plain(function: Any, twins: dict[str, Any] | None = None) -> Any:
    """Return the pure Python twin of a kernel, together with the kernels that it calls."""
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


plain_twin = cache(plain)


def is_warm() -> bool:
    """Say whether kernels run as machine code, or are to be compiled by this thread."""
    return not COMPILED or _warm.is_set() or getattr(_forced, "on", False)


def ready(function: Any) -> Any:
    """Return the kernel if the machine code is ready, else its plain twin."""
    return function if is_warm() else plain_twin(function)


@contextmanager
def warming() -> Iterator[None]:
    """Let this thread compile or load kernels; afterwards every thread uses them."""
    _forced.on = True
    try:
        yield
        _warm.set()
    finally:
        _forced.on = False


def warm_aside(warm_up: Callable[[], None]) -> None:
    """Start a warm-up beside the caller unless one has begun.

    It takes about a second from the on-disk cache, and a minute once per machine.
    """
    if not is_warm() and _warming.acquire(blocking=False):
        threading.Thread(target=warm_up, name="planning-warm-up", daemon=True).start()
