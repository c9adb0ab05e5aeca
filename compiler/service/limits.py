"""How often a key may call: a bucket of tokens for each, filled at a steady rate."""

import threading
import time
from collections.abc import Callable

from compiler.service.faults import Fault


class Limits:
    """rate: calls a second, in the long run. burst: calls at once after a pause."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> None:
        """Only of keys that are known: their number bounds the memory. Raises Fault."""
        with self._lock:
            now = self._clock()
            level, since = self._buckets.get(key, (self._burst, now))
            level = min(self._burst, level + (now - since) * self._rate)
            self._buckets[key] = (level - 1 if level >= 1 else level), now
        if level < 1:
            raise Fault("ThrottlingException", "Rate exceeded")
