"""How another thread ends what the main thread waits for."""

import contextlib
import threading

import pytest

from pauseflow.cli.hail import Hail, Hailed


def call_from_a_thread(hail, error):
    thread = threading.Thread(target=hail.call, args=(error,))
    thread.start()
    thread.join()


def patient(hail, error):
    """As a connection that takes each OSError for its own, and tries again."""
    for _ in range(2):
        with contextlib.suppress(Exception):
            call_from_a_thread(hail, error)
            threading.Event().wait(10)
    pytest.fail("the hail was not heard")


def test_a_hail_gets_out_of_what_takes_its_error_for_its_own():
    error = BrokenPipeError("nobody reads")
    with pytest.raises(Hailed) as caught, Hail() as hail:
        patient(hail, error)
    assert caught.value.error is error


def test_a_hail_after_the_block_is_not_heard():
    with Hail() as hail:
        pass
    call_from_a_thread(hail, ValueError("late"))
