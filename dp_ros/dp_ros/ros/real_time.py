# SPDX-License-Identifier: Apache-2.0
"""Real-time priority and locked memory, where the limits of the user allow them.

`ulimit -r` allows a priority, an unlimited `ulimit -l` to lock the memory; on a robot's computer
both are usual, in /etc/security/limits.conf. Threads that begin later inherit the priority.
"""

from __future__ import annotations

import ctypes
import os
import resource
from typing import Final

_PRIORITY: Final = 40  # Below that of ros2_control's loop, 50 by default.
_CURRENT, _FUTURE, _ON_FAULT = 1, 2, 4  # Of mlockall, from sys/mman.h.


def ask_for_real_time() -> str:
    """Use what is allowed, and return what that is in words."""
    return f'real time: {_schedule()}; {_lock_memory()}'


def _schedule() -> str:
    allowed = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    priority = _PRIORITY if allowed == resource.RLIM_INFINITY else min(allowed, _PRIORITY)
    if priority == 0:
        return 'no priority (ulimit -r is 0)'
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return f'no priority ({error.strerror})'
    return f'priority {priority} of SCHED_FIFO'


def _lock_memory() -> str:
    allowed = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if allowed != resource.RLIM_INFINITY:  # With less, allocations would fail later on.
        return f'memory not locked (ulimit -l is {allowed // 1024}, not unlimited)'
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_CURRENT | _FUTURE | _ON_FAULT) != 0:
        return f'memory not locked ({os.strerror(ctypes.get_errno())})'
    return 'memory locked'
