"""A small cache bounded by weight, shared by threads: the same question is worked out once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Keeps the most recently used results whose weights add up to at most `limit`."""

    def __init__(self, limit: int, weight: Callable[[T], int] = lambda _: 1) -> None:
        self._limit = limit
        self._weight = weight
        self._total = 0
        self._results: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result for `key`, made at its first use (at once by two threads at worst)."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        result = make()
        with self._lock:
            if key not in self._results:
                self._results[key] = result
                self._total += self._weight(result)
                while self._total > self._limit and len(self._results) > 1:
                    self._total -= self._weight(self._results.popitem(last=False)[1])
        return result
