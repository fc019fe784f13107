"""Threads that stay out of the way."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from lightning_weightviz.run.threads import NICENESS, Spent, quiet_pool
from lightning_weightviz.run.worker import Worker


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a thread a priority of its own")
def test_only_they_have_a_low_priority() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    here = niceness()
    with quiet_pool(2, "quiet") as pool:
        assert pool.submit(niceness).result() == min(here + NICENESS, NICENESS) or here > 0
    worker = Worker[int]()
    assert worker.submit(niceness).result() >= NICENESS
    list(worker.drain())
    assert niceness() == here


def test_only_they_use_one_core() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        worker = Worker[int]()
        assert worker.submit(torch.get_num_threads).result() == 1
        list(worker.drain())
        with ThreadPoolExecutor(1) as others:
            assert others.submit(torch.get_num_threads).result() == torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_work_is_counted_and_waiting_is_not() -> None:
    spent = Spent()
    worker = Worker[None](spent=spent)

    def work() -> None:
        began = time.thread_time()
        while time.thread_time() < began + 0.05:
            pass

    worker.submit(work)
    worker.submit(lambda: time.sleep(0.3))
    list(worker.drain())
    assert 0.05 <= spent.seconds < 0.2
