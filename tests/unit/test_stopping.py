"""The flag that signal handlers set."""

import os
import signal
import threading
import time

from pauseflow.stopping import Stopping


def in_time(step):
    """Whether a step comes to its end."""
    thread = threading.Thread(target=step, daemon=True)
    thread.start()
    thread.join(5)
    return not thread.is_alive()


def test_a_handler_may_set_it_while_its_own_thread_is_inside_it():
    stopping = Stopping()

    def interrupted():
        with stopping._cond:  # where a handler finds its thread, if it comes at a bad moment
            stopping.set()

    assert in_time(interrupted)
    assert stopping.is_set()


def test_signals_at_any_moment_end_a_wait():
    stopping = Stopping()
    before = signal.signal(signal.SIGUSR2, lambda *_: stopping.set())
    told = threading.Event()

    def keep_telling():
        while not told.is_set():
            os.kill(os.getpid(), signal.SIGUSR2)

    teller = threading.Thread(target=keep_telling)
    teller.start()
    try:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            stopping.clear()
            stopping.wait(0.01)
    finally:
        told.set()
        teller.join()
        signal.signal(signal.SIGUSR2, before)


def test_it_wakes_who_waits():
    stopping = Stopping()
    assert not stopping.wait(0.001)
    waiting = threading.Thread(target=stopping.wait, args=(60,))
    waiting.start()
    stopping.set()
    waiting.join(5)
    assert not waiting.is_alive()
