"""The one thread that starts, watches and reaps the replicas of this process."""

import logging
import queue
import selectors
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Keeper:
    """Does work handed to it and calls back when watched files become readable.

    Ends with the process that made it: a daemon thread, so that forgetting to end it cannot hang
    the platform. Its end takes all replicas along.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waker, waking = socket.socketpair()
        self._waker.setblocking(False)
        self._waking = waking
        self._lock = threading.Lock()
        self._has_ended = False
        self._is_ending = False
        self._selector.register(waking, selectors.EVENT_READ, self._do_work)
        self._thread = threading.Thread(target=self._run, name="engine-keeper", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], _T]) -> _T:
        """Have `work` done by the keeper's thread; return its result or raise its exception.

        Raises RuntimeError when the thread has ended.
        """
        result: Future[_T] = Future()

        def settle() -> None:
            try:
                result.set_result(work())
            except BaseException as error:  # noqa: BLE001 - handed to the caller, nothing swallowed
                result.set_exception(error)

        with self._lock:
            if self._has_ended:
                raise RuntimeError("the keeper of the engines has ended")
            self._work.put(settle)
            self._wake()
        return result.result()

    def watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call `callback` while `descriptor` is readable. Only from the keeper's thread."""
        self._selector.register(descriptor, selectors.EVENT_READ, callback)

    def forget(self, descriptor: int) -> None:
        """Stop watching. Only from the keeper's thread."""
        self._selector.unregister(descriptor)

    def end(self) -> None:
        """End the thread. The kernel then kills whatever it started and still runs."""
        self.do(self._mark_ending)
        self._thread.join()
        self._selector.close()
        self._waker.close()
        self._waking.close()

    def _run(self) -> None:
        while not self._is_ending:
            # Two events of one turn may belong to one process, and the first may end the watching
            # of both; hence each is looked up again before it is called.
            for key, _ in self._selector.select():
                if self._selector.get_map().get(key.fd) is key:
                    self._call(key.data)
        with self._lock:
            self._has_ended = True
        self._do_all()

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # noqa: BLE001 - this thread's edge: one replica must not end them all
            _log.exception("watching an engine failed")

    def _do_work(self) -> None:
        self._waking.recv(4096)
        self._do_all()

    def _do_all(self) -> None:
        while True:
            try:
                work = self._work.get_nowait()
            except queue.Empty:
                return
            work()

    def _mark_ending(self) -> None:
        self._is_ending = True

    def _wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except BlockingIOError:
            return  # it has thousands of bytes to wake up to
