# SPDX-License-Identifier: Apache-2.0
"""Consistency distillation: a trained diffusion policy in one to four steps.

The student maps every point of the teacher's denoising path to the end of that path (Song et al.
2023, algorithm 2; for policies, Prasad et al. 2024). Its target is its own answer at the next
point, without a second, averaged network (Song and Dhariwal 2024, section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, ClassVar, Final, cast

from dp_ros.policy.methods.diffusion import Diffusion, at
from dp_ros.policy.methods.method import Denoise, Draw, Method
from dp_ros.task.task import first_difference
from dp_ros.values import ConfigError, make_value, require
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from dp_ros.policy.config import PolicyConfig
    from dp_ros.policy.network import PolicyNetwork

_OWN: Final = ('method', 'task')
"""Settings of a policy that may differ between student and teacher, or are compared apart."""


@dataclass(frozen=True)
class Consistency(Method):
    """Method that predicts the end of the teacher's path from any point of it.

    :param teacher: folder of the diffusion policy's checkpoint; only training needs it.
    :param process: settings of the teacher's diffusion, stored in the student's checkpoint; None:
        training takes them from the teacher.
    :param num_solver_steps: N, number of points of a path: the teacher's DDIM steps.
    """

    name: ClassVar = 'consistency'
    samplers: ClassVar = ('consistency',)
    lowest: ClassVar = {'num_solver_steps': 1}

    teacher: str = ''
    process: Diffusion | None = None
    num_solver_steps: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.process is None:
            return
        if not isinstance(self.process, Diffusion):
            process = make_value(Diffusion, self.process, 'consistency.process')
            object.__setattr__(self, 'process', process)
        require(
            self.num_solver_steps <= self._diffusion.num_train_timesteps,
            f'consistency.num_solver_steps = {self.num_solver_steps}: the teacher was trained '
            f'with {self._diffusion.num_train_timesteps}',
        )

    def check(self, policy: PolicyConfig) -> None:
        """Check that the teacher's process can work in the policy."""
        if self.process is not None:
            self._diffusion.check(policy)

    def check_complete(self) -> None:
        """Check that the teacher's process is there."""
        require(self.process is not None, 'consistency.process is missing: training fills it in')

    def taught_by(self, teacher: PolicyConfig) -> Consistency:
        """Return these settings with the teacher's process if they have none.

        :raises ConfigError: when the teacher is no diffusion policy, or has fewer steps.
        """
        process = _process_of(teacher)
        return self if self.process is not None else replace(self, process=process)

    @property
    def _diffusion(self) -> Diffusion:
        return cast(Diffusion, self.process)

    @property
    def _grid(self) -> list[int]:
        """Timesteps of a path, from its clean end."""
        count, total = self.num_solver_steps, self._diffusion.num_train_timesteps
        return [step * total // count for step in range(count)]

    @property
    def max_inference_steps(self) -> int:
        """Most denoising steps: the number of points of the teacher's paths."""
        return self.num_solver_steps

    def make_auxiliary(
        self, network: PolicyNetwork, teacher: PolicyNetwork | None = None
    ) -> nn.Module:
        """Copy the teacher's weights into the student, and return the teacher's denoiser.

        The student keeps the teacher's encoders unchanged.

        :raises ConfigError: when the teacher is no diffusion policy of the same shape.
        """
        if teacher is None:
            raise ConfigError('consistency.teacher: its network is needed to train')
        _check_alike(network.config, teacher.config, self._diffusion)
        network.load_state_dict(teacher.state_dict())
        network.encoders.requires_grad_(False)
        return teacher.denoiser.eval().requires_grad_(False)

    def loss(
        self, denoise: Denoise, actions: Tensor, cond: Tensor, auxiliary: nn.Module | None
    ) -> Tensor:
        """Return the squared distance of the answers at two neighbouring points of a path.

        :param auxiliary: the teacher's denoiser.
        """
        grid = torch.tensor(self._grid, device=actions.device)
        index = torch.randint(len(grid), (len(actions),), device=actions.device)
        here, there = grid[index], grid[(index - 1).clamp(min=0)]
        alpha, sigma = self._diffusion.signal(here)
        sample = alpha * actions + sigma * torch.randn_like(actions)
        with torch.no_grad():
            clean, moved = self._step(cast(nn.Module, auxiliary), sample, here, there, cond)
            further = self._diffusion.clip(self._answer(denoise, moved, there, cond))
            target = torch.where((index == 0)[:, None, None], clean, further)
        difference = self._answer(denoise, sample, here, cond) - target
        return (self._weight(alpha, sigma) * difference.square()).mean()

    def _step(
        self, teacher: Denoise, sample: Tensor, here: Tensor, there: Tensor, cond: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take a DDIM step of the teacher; return the chunk it predicts, and the next point."""
        process = self._diffusion
        clean, noise = process.clean_and_noise(teacher(sample, here, cond), sample, here)
        alpha, sigma = process.signal(there)
        return process.clip(clean), alpha * process.clip(clean) + sigma * noise

    def _weight(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """Return the weights of the loss, 1 unless noise is predicted.

        From predicted noise the chunk follows by a division by alpha, which multiplies errors
        where there is little signal (min-SNR, Hang et al. 2023, with gamma 1).
        """
        if self._diffusion.prediction_type != 'epsilon':
            return torch.ones_like(alpha)
        return (alpha / sigma).square().clamp(max=1)

    def walk(
        self,
        denoise: Denoise,
        noise: Tensor,
        cond: Tensor,
        sampler: str,
        num_inference_steps: int,
        draw: Draw,
    ) -> Iterator[Tensor]:
        """Yield the noise, and the chunk after every step (Song et al. 2023, algorithm 1).

        Every step but the first adds noise to the last chunk, less from step to step.
        """
        grid, count = self._grid[::-1], num_inference_steps
        chosen = [grid[step * len(grid) // count] for step in range(count)]
        sample = noise
        yield sample
        for step, timestep in enumerate(chosen):
            batch = at(timestep, noise)
            if step > 0:
                alpha, sigma = self._diffusion.signal(batch)
                sample = alpha * sample + sigma * draw(noise)
            sample = self._diffusion.clip(self._answer(denoise, sample, batch, cond))
            yield sample

    def answer(self, actions: Tensor, sample: Tensor, timestep: Tensor) -> Tensor:
        """Return the prediction by which a sample becomes these actions."""
        return self._diffusion.answer(actions, sample, timestep)

    def _answer(self, denoise: Denoise, sample: Tensor, timestep: Tensor, cond: Tensor) -> Tensor:
        """Return the student's ends of the paths through samples (B, Tp, J).

        It is never called at the end itself, where the answer must be the sample.
        """
        prediction = denoise(sample, timestep, cond)
        return self._diffusion.clean_and_noise(prediction, sample, timestep)[0]


def _process_of(teacher: PolicyConfig) -> Diffusion:
    method = teacher.method
    if not isinstance(method, Diffusion):
        raise ConfigError(f'consistency.teacher: is a {method.name} policy, needs a diffusion one')
    return method


def _check_alike(student: PolicyConfig, teacher: PolicyConfig, process: Diffusion) -> None:
    steps = student.task.n_action_steps  # This does not change what is learned.
    difference = first_difference(student.task, replace(teacher.task, n_action_steps=steps))
    require(
        difference is None, f'the tasks of student and consistency.teacher differ: {difference}'
    )
    for key in (entry.name for entry in fields(teacher)):
        mine, taught = getattr(student, key), getattr(teacher, key)
        require(
            key in _OWN or mine == taught, f'{key} = {mine}: the consistency.teacher has {taught}'
        )
    taught = _process_of(teacher)
    require(process == taught, f'consistency.process = {process}: the teacher has {taught}')
