# SPDX-License-Identifier: Apache-2.0
"""Training of a policy on windows: it can be interrupted and resumed; one seed decides all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
import json
import math
from pathlib import Path
import shutil
import time
from typing import Any

from accelerate import Accelerator
from accelerate.utils import set_seed
from diffusers.training_utils import EMAModel
from dp_ros.data.datasets.dataset import Batch, WindowDataset
from dp_ros.policy.checkpoint import save_checkpoint
from dp_ros.policy.config import to_dict
from dp_ros.policy.methods.method import drawn_from
from dp_ros.policy.network import PolicyNetwork
from dp_ros.task.task import task_to_dict
from dp_ros.training.config import RunConfig
from dp_ros.training.metrics import MetricsLog, clear_metrics
from dp_ros.training.optimizer import make_accelerator, make_optimizer, make_schedule
from dp_ros.training.record import KEPT, RUN, STATE, describe_training, saved_state
from dp_ros.training.start import start_from
from dp_ros.training.step import TrainingStep, evaluating, make_network
from dp_ros.training.teacher import load_teacher
from dp_ros.values import ConfigError
import numpy as np
import torch
from torch import Tensor

_VALIDATION_WINDOWS = 256
_SHARE_OF_WINDOWS = 0.5  # Of a GPU's free memory.


class TrainingError(RuntimeError):
    """Training cannot go on; the message says at which step and what to do."""


StepReport = Callable[[int, float], None]
"""A function that gets the step and the smoothed loss after every step."""


class Trainer:
    """One training run.

    :param out: folder of the metrics and of the state to resume from.
    :raises ConfigError: when the teacher of a distillation cannot be used.
    """

    def __init__(
        self, dataset: WindowDataset, config: RunConfig, out: Path, accelerator: Accelerator
    ) -> None:
        policy, teacher = load_teacher(config.policy)
        self.config, self.out = replace(config, policy=policy), out
        self.accelerator = accelerator
        self.step, self.loss, self.elapsed = 0, math.nan, 0.0
        self._log = MetricsLog(out)
        self._identity = {
            'task': task_to_dict(policy.task),
            'policy': to_dict(policy),
            'train': asdict(config.train),
            'data': dataset.digest,
        }
        settings = config.train
        self._train, self._validation = dataset.split(settings.validation_share, settings.seed)
        on_device = _has_room(accelerator.device, dataset.n_bytes)
        self._dataset = dataset.to(accelerator.device) if on_device else dataset
        set_seed(settings.seed)
        network = make_network(dataset, policy)
        if settings.start:
            start_from(settings.start, network)
        module = TrainingStep(network, teacher)
        optimizer = make_optimizer(module, settings, policy.method.betas)
        self._schedule = make_schedule(optimizer, settings)
        self._module, self._optimizer = accelerator.prepare(module, optimizer)
        self._ema = EMAModel(
            self._network.parameters(),
            decay=settings.ema_max,
            use_ema_warmup=True,
            power=settings.ema_power,
        )
        accelerator.register_for_checkpointing(self._schedule, self._ema)

    @property
    def _network(self) -> PolicyNetwork:
        network: PolicyNetwork = self.accelerator.unwrap_model(self._module).network
        return network

    def run(self, report: StepReport) -> PolicyNetwork:
        """Train to the end and return the network with the averaged weights."""
        settings = self.config.train
        started = time.monotonic() - self.elapsed
        while self.step < settings.steps:
            self._smooth(self._advance())
            self.elapsed = time.monotonic() - started
            report(self.step, self.loss)
            last = self.step == settings.steps
            logged = last or self.step % settings.validation_every == 0
            kept = settings.keep_every > 0 and self.step % settings.keep_every == 0
            if logged or kept:
                self._measure(logged, kept)
            if last or self.step % settings.checkpoint_every == 0:
                self.save()
        self._log.close()
        self._ema.copy_to(self._network.parameters())
        return self._network.eval()

    def validate(self) -> dict[str, float]:
        """Measure the averaged weights on the windows kept out of training.

        :returns: the loss, and the mean error of sampled actions in their own unit.
        """
        settings = self.config.train
        rng = np.random.default_rng(settings.seed)
        count = min(_VALIDATION_WINDOWS, len(self._validation))
        chosen = rng.choice(self._validation, count, replace=False)
        batch = self._dataset.batch(chosen).to(self.accelerator.device)
        module = self.accelerator.unwrap_model(self._module)
        with self._averaged() as network, evaluating(module), torch.no_grad():
            set_seed(settings.seed)
            loss = float(module(batch, augment=False))
            actions = self._sample(network, batch)
        error = float((actions - batch.actions).abs().mean())
        return {'validation_loss': loss, 'action_error': error}

    def save(self) -> None:
        """Save the state to resume from; the last one is kept until the new one is complete."""
        if not self.accelerator.is_main_process:
            return
        part, state = self.out / f'{STATE}.part', self.out / STATE
        shutil.rmtree(part, ignore_errors=True)
        self.accelerator.save_state(str(part))
        (part / RUN).write_text(json.dumps(self._identity | self._progress()))
        shutil.rmtree(state, ignore_errors=True)
        part.rename(state)

    def resume(self) -> None:
        """Continue from the saved state.

        :raises ConfigError: when there is no state, or it belongs to other data or settings.
        """
        state = saved_state(self.out)
        if state is None:
            raise ConfigError(f'{self.out}: no state to resume from')
        saved = json.loads((state / RUN).read_text())
        for name, value in json.loads(json.dumps(self._identity)).items():
            if saved[name] != value:
                raise ConfigError(f'{self.out}: was started with {name} {saved[name]}: {value}')
        self.accelerator.load_state(str(state))
        self._ema.to(self.accelerator.device)  # It was loaded to the CPU.
        self.step, self.loss, self.elapsed = (saved[k] for k in ('step', 'loss', 'elapsed_s'))
        if self.accelerator.is_main_process:
            self._log.resume(self.step)

    @contextmanager
    def _averaged(self) -> Iterator[PolicyNetwork]:
        """Yield the network with the averaged weights while the block runs."""
        self._ema.store(self._network.parameters())
        self._ema.copy_to(self._network.parameters())
        try:
            yield self._network
        finally:
            self._ema.restore(self._network.parameters())

    def _measure(self, logged: bool, kept: bool) -> None:
        """Measure the averaged policy, then log the measurement, keep the policy, or both."""
        measured = self._progress() | self.validate()
        if not self.accelerator.is_main_process:
            return
        if logged:
            self._log.write(measured | {'learning_rate': self._schedule.get_last_lr()[0]})
        if kept:
            with self._averaged() as network:
                made = describe_training(network, self.config, self._dataset, measured)
                save_checkpoint(self.out / KEPT / f'{self.step:07d}', network, made)

    def _advance(self) -> float:
        """Take one optimiser step; its batch and noise depend only on seed and step."""
        settings, rank = self.config.train, self.accelerator.process_index
        seeds = np.random.SeedSequence([settings.seed, self.step, rank]).generate_state(2)
        rng = np.random.default_rng(int(seeds[0]))
        torch.manual_seed(int(seeds[1]))
        self._optimizer.zero_grad()
        loss = self._accumulate(rng)
        self.accelerator.clip_grad_norm_(self._module.parameters(), settings.gradient_clip)
        self._optimizer.step()
        self._schedule.step()
        self._ema.step(self._network.parameters())
        self.step += 1
        return loss

    def _accumulate(self, rng: np.random.Generator) -> float:
        """Add the gradients of a step's batches; return the mean loss."""
        losses = []
        for _ in range(self.config.train.gradient_accumulation_steps):
            with self.accelerator.accumulate(self._module):
                loss = self._module(self._draw(rng))
                self.accelerator.backward(loss)
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def _draw(self, rng: np.random.Generator) -> Batch:
        chosen = rng.choice(self._train, self.config.train.batch_size)
        return self._dataset.batch(chosen).to(self.accelerator.device)

    def _smooth(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f'the loss became {loss} at step {self.step}: lower train.learning_rate'
            )
        self.loss = loss if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * loss

    def _progress(self) -> dict[str, Any]:
        return {'step': self.step, 'loss': self.loss, 'elapsed_s': round(self.elapsed, 1)}

    def _sample(self, network: PolicyNetwork, batch: Batch) -> Tensor:
        cond = network.condition(batch.state, batch.images)
        settings = self.config.train
        draw = drawn_from(torch.Generator().manual_seed(settings.seed))
        shape = (*batch.actions.shape[:2], network.config.n_noise)
        noise = draw(cond.new_empty(shape))
        return network.sample(noise, cond, 'auto', settings.num_inference_steps, draw)


def _has_room(device: torch.device, n_bytes: int) -> bool:
    """Tell whether the device is a GPU that can hold windows beside what training needs."""
    if device.type != 'cuda':
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return n_bytes < _SHARE_OF_WINDOWS * free


def train(
    dataset: WindowDataset,
    config: RunConfig,
    out: Path,
    report: StepReport,
    *,
    resume: bool = False,
    device: str | None = None,
) -> PolicyNetwork:
    """Train in ``out``; the last state stays there until ``clear_state``.

    :param device: 'cpu' to stay on the CPU; None: accelerate chooses.
    :raises ConfigError: when ``out`` holds another run, there is none to ``resume``, the teacher
        of a distillation cannot be used, or the device does not support the settings.
    :raises DatasetError: when the windows do not have the policy's shapes, or there is only one
        episode.
    :raises TrainingError: when the loss is no longer finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not resume and saved_state(out) is not None:
        raise ConfigError(f'{out}: holds a started run; use --resume, or another folder')
    accelerator = make_accelerator(config.train, device)
    trainer = Trainer(dataset, config, out, accelerator)
    if resume:
        trainer.resume()
    elif accelerator.is_main_process:
        clear_metrics(out)
        shutil.rmtree(out / KEPT, ignore_errors=True)
    return trainer.run(report)
