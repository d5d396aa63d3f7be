# SPDX-License-Identifier: Apache-2.0
"""What the experts would do in a scene, to compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dp_ros.arrays import Array
from dp_ros.sim.scenarios.dash import expert as dash
from dp_ros.sim.scenarios.dash.scenario import DASH
from dp_ros.sim.scenarios.pick_place.expert import ORDERS, hand_path
from dp_ros.sim.scenarios.pick_place.scenario import PICK_PLACE
from dp_ros.sim.scenarios.reach.expert import tcp_path
from dp_ros.sim.scenarios.reach.scenario import REACH
import numpy as np

_PATHS: Final[Mapping[str, Callable[[Any, Any, np.random.Generator], Array]]] = {
    REACH.name: tcp_path,
    DASH.name: dash.tcp_path,
    PICK_PLACE.name: lambda scene, side, rng: hand_path(scene, side, ORDERS[0], rng)[0][:, :3],
}


def expert_path(task: str, scene: Any, side: str) -> Array | None:
    """Return the TCP's path (n, 3) [m] every 10 ms on a side; None for a task without expert.

    The same scene and side give the same path.
    """
    if task not in _PATHS:
        return None
    return _PATHS[task](scene, side, np.random.default_rng(scene.seed))
