"""The time from one start of the client to its stop or sign-out.

Everything that waits does so as a task of the lifetime: when it ends, no task is left.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine
from typing import Any, Final

FIRST_DELAY: Final = 1.0
MAX_DELAY: Final = 10.0


class Lifetime:
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False

    @property
    def ended(self) -> bool:
        return self._ended

    @staticmethod
    def elapsed() -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs `work` until it ends or the lifetime does."""
        if self._ended:
            work.close()
            raise RuntimeError("The lifetime has ended")
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    @staticmethod
    def delay(attempt: int, floor: float = 0.0) -> float:
        """Seconds before attempt 0, 1, 2, …

        They are random from zero up, because thousands of devices must not return at once.
        """
        return floor + random.random() * min(MAX_DELAY, FIRST_DELAY * 2.0 ** min(attempt, 10))

    def end(self) -> None:
        """Cancels all tasks but the one that calls."""
        self._ended = True
        current = asyncio.current_task()
        for task in list(self._tasks):
            if task is not current:
                task.cancel()

    async def wait_ended(self) -> None:
        """Waits for the end of all tasks but the one that calls."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "Lockstep: a task has failed", "exception": task.exception()}
            )
