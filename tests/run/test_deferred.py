"""Work that is put off is done once, whoever asks, and lets go of what it needed."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from lightning_weightviz.run.deferred import Deferred


def test_it_is_done_when_first_asked_for_and_once() -> None:
    done: list[int] = []

    def work() -> object:
        done.append(1)
        return object()

    deferred = Deferred(work)
    assert done == []
    assert deferred.result() is deferred.result()
    assert done == [1]


def test_no_result_is_a_result() -> None:
    done: list[int] = []
    deferred = Deferred(lambda: done.append(1))
    assert deferred.result() is None
    assert deferred.result() is None
    assert done == [1]


def test_many_threads_that_ask_at_once_wait_for_one_that_works() -> None:
    done: list[int] = []
    together = threading.Barrier(8)

    def work() -> object:
        time.sleep(0.05)
        done.append(threading.get_ident())
        return object()

    deferred = Deferred(work)

    def ask(_: int) -> object:
        together.wait(10)
        return deferred.result()

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(ask, range(8)))
    assert len(done) == 1
    assert len({id(result) for result in results}) == 1


def test_its_error_is_raised_each_time_and_it_is_not_tried_again() -> None:
    done: list[int] = []

    def work() -> None:
        done.append(1)
        raise ZeroDivisionError("no width")

    deferred = Deferred(work)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError, match="no width"):
            deferred.result()
    assert done == [1]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_work_that_was_interrupted_is_done_when_it_is_asked_for_again(interruption: type[BaseException]) -> None:
    done: list[int] = []

    def work() -> str:
        done.append(1)
        if len(done) < 3:
            raise interruption
        return "measured"

    deferred = Deferred(work)
    for _ in range(2):
        with pytest.raises(interruption):
            deferred.result()
        assert not deferred.is_done
    assert deferred.result() == deferred.result() == "measured"
    assert deferred.is_done and len(done) == 3


def test_an_error_after_an_interruption_is_raised_each_time() -> None:
    errors = iter([KeyboardInterrupt(), ZeroDivisionError("no width")])

    def work() -> None:
        raise next(errors)

    deferred = Deferred(work)
    with pytest.raises(KeyboardInterrupt):
        deferred.result()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="no width"):
            deferred.result()


@pytest.mark.parametrize("fails", [False, True])
def test_the_work_is_let_go_when_it_is_done(fails: bool) -> None:
    class Weights:
        pass

    weights = Weights()
    gone = weakref.ref(weights)

    def work(held: Weights) -> str:
        if fails:
            raise RuntimeError("out of memory")
        return type(held).__name__

    deferred = Deferred(partial(work, weights))
    del weights
    gc.collect()
    assert gone() is not None
    if fails:
        with pytest.raises(RuntimeError):
            deferred.result()
    else:
        assert deferred.result() == "Weights"
    gc.collect()
    assert gone() is None


def test_it_is_done_when_the_result_or_the_error_is_there() -> None:
    seen: list[bool] = []

    def work() -> None:
        seen.append(deferred.is_done)
        raise ValueError("no result")

    deferred = Deferred(work)
    assert not deferred.is_done
    with pytest.raises(ValueError, match="no result"):
        deferred.result()
    assert seen == [False] and deferred.is_done
