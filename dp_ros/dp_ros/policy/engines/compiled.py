# SPDX-License-Identifier: Apache-2.0
"""Modules and whole graphs that OpenVINO compiles for a CPU."""

from __future__ import annotations

import sys
from typing import Any
import warnings

from numpy.typing import NDArray
import torch
from torch import Tensor, nn


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which sends data over the network."""
    modules: dict[str, Any] = sys.modules
    modules.setdefault('openvino_telemetry', None)  # As if it were not installed.
    import openvino

    return openvino


def convert(module: nn.Module, example: tuple[Tensor, ...], any_batch: bool = False) -> Any:
    """Convert a module to a graph of OpenVINO with the shapes of its example's inputs.

    :param any_batch: whether the first dimension of every input stays open.
    """
    openvino = import_openvino()
    trace: Any = torch.jit.trace
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch: tracing is deprecated; OpenVINO needs it.
        traced = trace(module.eval(), example, check_trace=False)
        graph = openvino.convert_model(traced, example_input=example)
    shapes = [[-1, *value.shape[1:]] if any_batch else [*value.shape] for value in example]
    graph.reshape(dict(enumerate(shapes)))
    return graph


class Compiled:
    """A compiled graph; its input tensors stay in place."""

    def __init__(self, graph: Any, num_threads: int) -> None:
        settings = {
            'INFERENCE_NUM_THREADS': num_threads,
            'INFERENCE_PRECISION_HINT': 'f32',
            'PERFORMANCE_HINT': 'LATENCY',
            'SNIPPETS_MODE': 'DISABLE',  # Snippets lack Mish, and fail with fixed shapes.
        }
        compiled = import_openvino().Core().compile_model(graph, 'CPU', settings)
        self._request = compiled.create_infer_request()
        self._places: list[NDArray[Any]] = []

    def __call__(self, *values: Tensor) -> Tensor:
        """Return the graph's output."""
        if not self._places or len(self._places[0]) != len(values[0]):
            self._places = [self._place(*each) for each in enumerate(values)]
        for place, value in zip(self._places, values, strict=True):
            place[...] = value.detach().numpy()
        self._request.infer()
        return torch.from_numpy(self._request.get_output_tensor(0).data.copy())

    def _place(self, index: int, value: Tensor) -> NDArray[Any]:
        """Return the input tensor that holds this value."""
        tensor = self._request.get_input_tensor(index)
        tensor.shape = value.shape
        room: NDArray[Any] = tensor.data
        return room
