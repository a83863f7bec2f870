"""Who does a run's work beside its loop: threads, bookings that share a transaction, places."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")

_AT_ONCE = 64
# How often the wait for company is thought over.
_LOOK_SECONDS = 0.008


class Workers:
    """Daemon threads: a call that hangs must not keep an interrupted program from ending."""

    def __init__(self, count: int, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._count, self._name, self._started, self._busy = count, name, 0, 0

    async def do(self, job: Callable[..., T], *arguments: Any) -> T:
        """Run `job` in one of the threads, and wait for it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            try:
                result = job(*arguments)
            except BaseException as problem:
                _tell(loop, future, None, problem)
            else:
                _tell(loop, future, result, None)

        if self._busy >= self._started < self._count:
            self._started += 1
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        self._busy += 1
        self._jobs.put(work)
        try:
            return await future
        finally:
            self._busy -= 1

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def close(self) -> None:
        """End the threads when they are done."""
        for _ in range(self._started):
            self._jobs.put(None)


def _tell(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[Any],
    result: Any,
    problem: BaseException | None,
) -> None:
    def tell() -> None:
        if future.done():
            return
        if problem is None:
            future.set_result(result)
        else:
            future.set_exception(problem)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:
        return  # the loop is gone: nobody waits any more


class Together(Generic[A, B]):
    """Collects what is asked at the same time, and has it done at once."""

    def __init__(
        self,
        do: Callable[[list[A]], Sequence[B]],
        workers: Workers,
        company_seconds: Callable[[], float],
    ) -> None:
        self._do, self._workers, self._company_seconds = do, workers, company_seconds
        self._waiting: deque[tuple[A, asyncio.Future[B]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def ask(self, one: A) -> B:
        future: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, future))
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        while self._waiting:
            waited = 0.0
            while len(self._waiting) < _AT_ONCE and waited < self._company_seconds():
                await asyncio.sleep(_LOOK_SECONDS)
                waited += _LOOK_SECONDS
            some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            try:
                answers = await self._workers.do(self._do, [one for one, _ in some])
            except BaseException as problem:
                for _, future in some:
                    if not future.done():
                        future.set_exception(problem)
                continue
            for (_, future), answer in zip(some, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        self._running = None


class Place:
    """One of the calls that may be under way; left early once the provider is done with it."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places: asyncio.Semaphore | None = places

    async def __aenter__(self) -> Self:
        assert self._places is not None
        await self._places.acquire()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        places, self._places = self._places, None
        if places is not None:
            places.release()
