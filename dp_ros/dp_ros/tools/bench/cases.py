# SPDX-License-Identifier: Apache-2.0
"""The policies that `bench` measures, and the cost of one of them in a process of its own.

`python -m dp_ros.tools.bench.cases CASE ENGINE` prints that cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
import itertools
import json
from pathlib import Path
import subprocess
import sys
import time
from typing import Final

from dp_ros.policy.checkpoint import CheckpointError, load_network
from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers.denoiser import Denoiser
from dp_ros.policy.denoisers.transformer import Transformer
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.engines import make_engine
from dp_ros.policy.engines.compiled import import_openvino
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.schedulers import make_scheduler
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.policy import Policy, blank_observation
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.task.task import Camera, Task
from dp_ros.task.task_file import policies_in
import torch

Run = Callable[[], object]

STEPS: Final = 10
THREADS: Final = (1, 2)
TASK: Final = Task(joints=JOINT_NAMES, cameras={'front': Camera((96, 96))})
CASES: Final[Mapping[str, Denoiser]] = {
    'small': Unet(down_dims=(64, 128, 256), skips='own'),
    'transformer': Transformer(),
    'paper': Unet(down_dims=(512, 1024, 2048), timestep_dim=128, skips='own'),
}
"""Networks of Chi et al. 2023, and a U-Net of 5 million weights; each sees one small camera."""


@dataclass(frozen=True)
class Cost:
    """Costs of a policy besides the time of its chunks.

    :param ready: time to make its engine and the first chunk, compilation included [s].
    :param memory: peak memory of engine, weights and first chunk [MB].
    """

    ready: float
    memory: float


def make_network(case: str) -> PolicyNetwork:
    """Make the untrained networks of a case, or load those of a checkpoint's folder.

    :raises CheckpointError: when there is no checkpoint.
    """
    if case not in CASES:
        return load_network(Path(case))
    torch.manual_seed(0)
    return PolicyNetwork(PolicyConfig(TASK, denoiser=CASES[case]))


def engines() -> tuple[str, ...]:
    """Return the engines that are installed, the reference first."""
    return ('torch', 'openvino') if find_spec('openvino') else ('torch',)


def chunk_runs(
    network: PolicyNetwork, names: Sequence[str], threads: Sequence[int]
) -> dict[tuple[str, int], Run]:
    """Return functions that make a chunk, by the names of engines and numbers of threads."""
    runs: dict[tuple[str, int], Run] = {}
    for n_threads, engine in itertools.product(threads, names):
        made = make_engine(engine, network, 'cpu', n_threads)
        policy = Policy(network.config, made, network.actions)
        runs[engine, n_threads] = partial(denoise, policy, n_threads)
    return runs


def shipped(folder: Path) -> list[Path]:
    """Return the folders of the shipped policies.

    :raises CheckpointError: when there is none.
    """
    found = policies_in(folder)
    if not found:
        raise CheckpointError(f"{folder}: no policy in it; start bench in the project's folder")
    return found


def denoise(policy: Policy, n_threads: int) -> None:
    """Denoise one chunk from one observation."""
    torch.set_num_threads(n_threads)
    policy.infer(blank_observation(policy.config), 0, num_inference_steps=STEPS)


def cost(case: str, engine: str) -> Cost:
    """Measure the cost of a policy in a process of its own."""
    command = [sys.executable, '-m', 'dp_ros.tools.bench.cases', case, engine]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Cost(**json.loads(answer.splitlines()[-1]))


def measure_here(case: str, engine: str) -> Cost:
    """Measure the cost of a policy in this process, which should do nothing else."""
    if engine == 'openvino':
        import_openvino()
    make_scheduler(Diffusion(), 'ddim')  # It imports diffusers.
    before = resident('VmRSS')
    network = make_network(case)
    start = time.perf_counter()
    made = make_engine(engine, network, 'cpu', 1)
    denoise(Policy(network.config, made, network.actions), 1)
    ready = time.perf_counter() - start
    return Cost(ready, resident('VmHWM') - before)


def resident(key: str) -> float:
    """Return a memory figure of this process [MB]: VmRSS is the present one, VmHWM the peak."""
    status = dict(line.split(':') for line in Path('/proc/self/status').read_text().splitlines())
    return int(status[key].split()[0]) * 1024 / 1e6


if __name__ == '__main__':
    print(json.dumps(asdict(measure_here(*sys.argv[1:]))))
