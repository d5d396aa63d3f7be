# SPDX-License-Identifier: Apache-2.0
"""The task that recordings were made for, from their notes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dp_ros.data.bags.bag import TASK_FILE
from dp_ros.data.bags.storage import BagError, bag_info
from dp_ros.data.datasets.dataset import DatasetError
from dp_ros.task.task import Task, first_difference
from dp_ros.task.task_file import parse_task


def recorded_task(bags: Sequence[Path]) -> Task | None:
    """Return the task that the recordings hold, or None where no recording holds one.

    :raises ConfigError: for a task that is not valid.
    :raises DatasetError: when two recordings hold different tasks.
    """
    first: tuple[Path, str, Task] | None = None
    for bag in bags:
        try:
            text = bag_info(bag).get(TASK_FILE, '')
        except BagError:
            continue  # Reading the bag later reports what is wrong with it.
        if not text or (first is not None and text == first[1]):
            continue
        task = parse_task(text, f'{bag}: {TASK_FILE}')
        if first is None:
            first = bag, text, task
            continue
        difference = first_difference(first[2], task)
        if difference is not None:
            raise DatasetError(
                f'{first[0]} and {bag} were recorded for different tasks: {difference}: name the '
                'right task file in the configuration'
            )
    return None if first is None else first[2]
