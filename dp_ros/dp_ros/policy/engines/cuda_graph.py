# SPDX-License-Identifier: Apache-2.0
"""A CUDA graph over the whole sampling loop.

At batch 1 a GPU waits for Python between thousands of small kernels. A graph holds the same
kernels as eager PyTorch, for all steps of a chunk, and is started by one command.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
import logging
from typing import Final

from dp_ros.policy.engines.eager import TorchEngine
from dp_ros.policy.methods.method import Draw
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.prefix import Prefix
import torch
from torch import Tensor

_WARM_UPS: Final = 3
_MOST_GRAPHS: Final = 8
_log = logging.getLogger(__name__)

Walk = Callable[[Tensor, Tensor, Draw, Prefix | None], Iterator[Tensor]]


class CudaGraphEngine(TorchEngine):
    """PyTorch on CUDA, with a graph for each number of samples and way of sampling.

    There is one without and one with a prefix. Where a loop cannot be captured it runs eagerly,
    and the log says so.
    """

    name = 'cuda_graph'

    def __init__(self, network: PolicyNetwork, device: str) -> None:
        super().__init__(network, device)
        self._loops: dict[tuple[int, str, int, bool], Walk] = {}

    def walk(
        self,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
        prefix: Prefix | None = None,
    ) -> Iterator[Tensor]:
        """Denoise by a captured loop; the first chunk of its kind captures it."""
        key = (len(noise), sampler, num_inference_steps, prefix is not None)
        if key not in self._loops:
            if len(self._loops) == _MOST_GRAPHS:
                self._loops.clear()
            self._loops[key] = self._capture(noise, cond, sampler, num_inference_steps, prefix)
        return self._loops[key](noise, cond, draw, prefix)

    def _capture(
        self,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        prefix: Prefix | None,
    ) -> Walk:
        def eager(
            noise: Tensor, cond: Tensor, draw: Draw, prefix: Prefix | None
        ) -> Iterator[Tensor]:
            return TorchEngine.walk(self, noise, cond, sampler, num_inference_steps, draw, prefix)

        try:
            moved = None if prefix is None else prefix.to(self.device)
            return CapturedWalk(eager, noise.to(self.device), cond, moved)
        except RuntimeError as error:
            _log.warning('no CUDA graph for %s, it runs eagerly: %s', sampler, error)
            return eager


class CapturedWalk:
    """A walk as a graph; its inputs are copied to the tensors that it was captured with."""

    def __init__(
        self, walk: Walk, noise: Tensor, cond: Tensor, prefix: Prefix | None = None
    ) -> None:
        self._noise, self._cond = noise.clone(), cond.clone()
        self._prefix = None if prefix is None else prefix.clone()
        inputs = self._noise, self._cond
        self._drawn: list[Tensor] = []
        here = torch.cuda.current_stream()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(here)
        with torch.cuda.stream(aside):  # Tables are made and libraries set up before the capture.
            deque(walk(*inputs, self._make_room, self._prefix), 0)
            for _ in range(_WARM_UPS):
                deque(walk(*inputs, self._hand_out(), self._prefix), 0)
        here.wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        # A capture that fails leaves its own stream as the current one: this returns from it.
        with torch.cuda.stream(here), torch.cuda.graph(self._graph):
            self._samples = list(walk(*inputs, self._hand_out(), self._prefix))

    def __call__(
        self, noise: Tensor, cond: Tensor, draw: Draw, prefix: Prefix | None = None
    ) -> Iterator[Tensor]:
        """Yield the samples; all noise is drawn before the first step, in the eager order."""
        self._noise.copy_(noise)
        self._cond.copy_(cond)
        if self._prefix is not None and prefix is not None:
            self._prefix.copy_(prefix)
        for room in self._drawn:
            room.copy_(draw(room))
        self._graph.replay()
        yield from torch.stack(self._samples).unbind()

    def _make_room(self, like: Tensor) -> Tensor:
        self._drawn.append(torch.zeros_like(like))
        return self._drawn[-1]

    def _hand_out(self) -> Draw:
        rooms = iter(self._drawn)
        return lambda like: next(rooms)
