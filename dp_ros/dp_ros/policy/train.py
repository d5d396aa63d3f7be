# SPDX-License-Identifier: Apache-2.0
"""Train a policy on windows; can be interrupted and resumed, and gives the same from its seed."""

from __future__ import annotations

from collections.abc import Callable
import json
import math
from pathlib import Path
import shutil
import time
from typing import Any

from accelerate import Accelerator
from accelerate.utils import set_seed
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from dp_ros.data.dataset import Batch, WindowDataset
from dp_ros.policy.config import ConfigError, RunConfig, to_dict
from dp_ros.policy.network import PolicyNetwork
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor, nn

STATE = 'state'
METRICS = 'metrics.jsonl'
_RUN = 'run.json'
_VALIDATION_WINDOWS = 256


class TrainingError(RuntimeError):
    """Training cannot go on; the message says at which step and what to do."""


Report = Callable[[int, float], None]
"""Told the step and the smoothed loss after every step."""


class TrainingStep(nn.Module):
    """The loss of a batch as one module, so that accelerate can spread it over devices."""

    def __init__(self, network: PolicyNetwork) -> None:
        super().__init__()
        self.network = network
        self.critic = network.config.method.make_critic(network.config)

    def forward(self, batch: Batch, random_crop: bool = True) -> Tensor:
        """Return the loss of what the network's method minimises."""
        network = self.network
        cond = network.condition(batch.state, batch.images, random_crop)
        actions = network.actions(batch.actions)
        return network.config.method.loss(network.denoise, actions, cond, self.critic)


class Trainer:
    """One training run.

    :param out: folder of the run's metrics and of the state to resume from.
    """

    def __init__(
        self, dataset: WindowDataset, config: RunConfig, out: Path, accelerator: Accelerator
    ) -> None:
        self.config, self.out, self.accelerator = config, out, accelerator
        self.step, self.loss, self.elapsed = 0, math.nan, 0.0
        self._dataset = dataset
        self._identity = {
            'policy': to_dict(config.policy),
            'train': to_dict(config.train),
            'data': dataset.digest,
        }
        settings = config.train
        self._train, self._validation = dataset.split(settings.validation_share, settings.seed)
        set_seed(settings.seed)
        network = PolicyNetwork(config.policy)
        network.states.fit(dataset.state.flatten(0, 1))
        network.actions.fit(dataset.actions.flatten(0, 1))
        module = TrainingStep(network)
        optimizer = torch.optim.AdamW(
            module.parameters(),
            settings.learning_rate,
            betas=(0.95, 0.999),
            weight_decay=settings.weight_decay,
        )
        schedule = get_cosine_schedule_with_warmup(
            optimizer, settings.warmup_steps, settings.steps
        )
        self._module, self._optimizer = accelerator.prepare(module, optimizer)
        self._schedule = schedule
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

    def run(self, report: Report) -> PolicyNetwork:
        """Train to the end and return the network with the averaged weights."""
        settings = self.config.train
        started = time.monotonic() - self.elapsed
        while self.step < settings.steps:
            self._smooth(self._advance())
            self.elapsed = time.monotonic() - started
            report(self.step, self.loss)
            last = self.step == settings.steps
            if last or self.step % settings.validation_every == 0:
                self._log(self._progress() | self.validate())
            if last or self.step % settings.checkpoint_every == 0:
                self.save()
        self._ema.copy_to(self._network.parameters())
        return self._network

    def validate(self) -> dict[str, float]:
        """Measure the averaged weights on the windows kept out of training.

        :returns: the loss, and the mean error of sampled actions [rad].
        """
        network, settings = self._network, self.config.train
        rng = np.random.default_rng(settings.seed)
        count = min(_VALIDATION_WINDOWS, len(self._validation))
        chosen = rng.choice(self._validation, count, replace=False)
        batch = self._dataset.batch(chosen).to(self.accelerator.device)
        self._ema.store(network.parameters())
        self._ema.copy_to(network.parameters())
        with torch.no_grad():
            set_seed(settings.seed)
            loss = float(self.accelerator.unwrap_model(self._module)(batch, random_crop=False))
            actions = self._sample(network, batch)
        self._ema.restore(network.parameters())
        error = float((actions - batch.actions).abs().mean())
        return {'validation_loss': loss, 'action_error_rad': error}

    def save(self) -> None:
        """Write what resuming needs; the last state stays until the new one is whole."""
        if not self.accelerator.is_main_process:
            return
        part, state = self.out / f'{STATE}.part', self.out / STATE
        shutil.rmtree(part, ignore_errors=True)
        self.accelerator.save_state(str(part))
        (part / _RUN).write_text(json.dumps(self._identity | self._progress()))
        shutil.rmtree(state, ignore_errors=True)
        part.rename(state)

    def resume(self) -> None:
        """Go on from the saved state.

        :raises ConfigError: when there is none, or it is of other data or settings.
        """
        state = saved_state(self.out)
        if state is None:
            raise ConfigError(f'{self.out}: no state to resume from')
        saved = json.loads((state / _RUN).read_text())
        for name, value in json.loads(json.dumps(self._identity)).items():
            if saved[name] != value:
                raise ConfigError(f'{self.out}: was started with {name} {saved[name]}: {value}')
        self.accelerator.load_state(str(state))
        self.step, self.loss, self.elapsed = (saved[k] for k in ('step', 'loss', 'elapsed_s'))
        if self.accelerator.is_main_process:
            _keep_metrics(self.out / METRICS, self.step)

    def _advance(self) -> float:
        """Take one optimiser step; its batch and noise depend on seed and step alone."""
        settings, rank = self.config.train, self.accelerator.process_index
        seeds = np.random.SeedSequence([settings.seed, self.step, rank]).generate_state(2)
        rng = np.random.default_rng(int(seeds[0]))
        torch.manual_seed(int(seeds[1]))
        chosen: NDArray[np.int64] = rng.choice(self._train, settings.batch_size)
        loss = self._module(self._dataset.batch(chosen).to(self.accelerator.device))
        self._optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self._module.parameters(), settings.gradient_clip)
        self._optimizer.step()
        self._schedule.step()
        self._ema.step(self._network.parameters())
        self.step += 1
        return float(loss.detach())

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
        method, settings = network.config.method, self.config.train
        generator = torch.Generator().manual_seed(settings.seed)
        shape = (*batch.actions.shape[:2], network.shapes.n_in)
        noise = torch.randn(shape, generator=generator).to(cond.device)
        *_, sample = method.walk(
            network.denoise,
            noise,
            cond,
            method.sampler('auto'),
            settings.num_inference_steps,
            generator,
        )
        return network.actions.inverse(sample)

    def _log(self, values: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            with (self.out / METRICS).open('a') as file:
                file.write(json.dumps(values) + '\n')


def saved_state(out: Path) -> Path | None:
    """Return the whole state that was saved last in ``out``, or None."""
    # A kill between removing the old state and renaming the new one leaves only the new one.
    for state in (out / STATE, out / f'{STATE}.part'):
        if (state / _RUN).is_file():
            return state
    return None


def clear_state(out: Path) -> None:
    """Remove what resuming needs, when the run has ended and its policy is stored."""
    for name in (STATE, f'{STATE}.part'):
        shutil.rmtree(out / name, ignore_errors=True)


def _keep_metrics(file: Path, step: int) -> None:
    """Drop what was measured after ``step``: it will be measured again."""
    lines = file.read_text().splitlines() if file.is_file() else []
    kept = [line for line in lines if json.loads(line)['step'] <= step]
    file.write_text(''.join(f'{line}\n' for line in kept))


def train(
    dataset: WindowDataset,
    config: RunConfig,
    out: Path,
    report: Report,
    *,
    resume: bool = False,
    device: str | None = None,
) -> PolicyNetwork:
    """Train in ``out``, and leave the last state there until ``clear_state``.

    :param device: 'cpu' to stay on the CPU; by default accelerate chooses.
    :raises ConfigError: when ``out`` holds another run, or ``resume`` finds none.
    :raises TrainingError: when the loss is not finite any more.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not resume and saved_state(out) is not None:
        raise ConfigError(f'{out}: holds a started run; use --resume, or another folder')
    trainer = Trainer(dataset, config, out, Accelerator(cpu=device == 'cpu'))
    if resume:
        trainer.resume()
    elif trainer.accelerator.is_main_process:
        (out / METRICS).unlink(missing_ok=True)
    return trainer.run(report)
