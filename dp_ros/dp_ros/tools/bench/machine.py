# SPDX-License-Identifier: Apache-2.0
"""Lower bounds of the time of a chunk: reading and computing at this machine's speed."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Final

from dp_ros.policy.engines import make_engine
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.policy import Policy
from dp_ros.tools.bench.cases import STEPS, denoise
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

_ROUNDS: Final = 5


def floors(network: PolicyNetwork, n_threads: int) -> tuple[float, float]:
    """Return lower bounds of the time of a chunk [ms]: to read the weights, and to compute.

    Every step reads the weights that are applied to the sample. Weights that fit into a cache can
    be read faster than this.
    """
    torch.set_num_threads(n_threads)
    numbers = torch.zeros(2**26)
    square = torch.ones(1024, 1024)
    per_byte = best(numbers.amax) / numbers.nbytes
    per_operation = best(lambda: square @ square) / (2 * len(square) ** 3)
    read = STEPS * bytes_per_step(network) * per_byte
    return 1e3 * read, 1e3 * operations(network) * per_operation


def best(run: Callable[[], object]) -> float:
    """Return the shortest time of some runs [s]."""
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def operations(network: PolicyNetwork) -> int:
    """Return the additions and multiplications of matrices and convolutions in a chunk."""
    policy = Policy(network.config, make_engine('torch', network, 'cpu', 1), network.actions)
    with FlopCounterMode(display=False) as counter:
        denoise(policy, torch.get_num_threads())
    return int(counter.get_total_flops())


def bytes_per_step(network: PolicyNetwork) -> int:
    """Return the bytes of the weights that the denoiser's second part uses."""
    denoiser, shapes = network.denoiser, network.shapes
    used: set[Tensor] = set()
    hooks = [
        module.register_forward_hook(lambda module, *_: used.update(module.parameters(False)))
        for module in denoiser.modules()
    ]
    with torch.no_grad():
        prepared = denoiser.prepare(torch.zeros(1), torch.zeros(1, shapes.cond_dim))
        used.clear()
        denoiser.predict(torch.zeros(1, shapes.horizon, shapes.n_in), prepared)
    for hook in hooks:
        hook.remove()
    return sum(weight.nbytes for weight in used)
