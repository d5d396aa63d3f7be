# SPDX-License-Identifier: Apache-2.0
"""The sampling loop as one compiled graph takes the same steps as Python does."""

from importlib.util import find_spec

from dp_ros.policy.engines import make_engine, openvino
from dp_ros.policy.engines.openvino_loop import can_loop
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.policy import Policy
import numpy as np
import pytest
import tiny_policy

pytestmark = pytest.mark.skipif(find_spec('openvino') is None, reason='needs OpenVINO')
PREFIX = tiny_policy.HOME + 0.03 * np.arange(1, 4)[:, None]
SEEN = tiny_policy.observation()


def policy(**changes):
    network = tiny_policy.network(**changes)
    return Policy(network.config, make_engine('openvino', network, 'cpu', 1), network.actions)


@pytest.fixture
def calls(monkeypatch):
    """Count the calls of compiled graphs."""
    seen, compute = [], openvino.Compiled.__call__
    monkeypatch.setattr(
        openvino.Compiled, '__call__', lambda self, *given: seen.append(1) or compute(self, *given)
    )
    return seen


@pytest.mark.parametrize(
    ('prediction_type', 'clip_sample', 'max_delay', 'sampler'),
    [
        ('sample', True, 0, 'ddim'),
        ('sample', True, 4, 'ddpm'),
        ('epsilon', True, 0, 'ddpm'),
        ('epsilon', False, 4, 'ddim'),
        ('v_prediction', True, 4, 'ddim'),
    ],
)
def test_every_step_is_that_of_single_calls_within_1e_5(
    monkeypatch, calls, prediction_type, clip_sample, max_delay, sampler
):
    method = Diffusion(
        num_train_timesteps=20, prediction_type=prediction_type, clip_sample=clip_sample
    )
    made = policy(method=method, max_delay=max_delay)
    options = {'sampler': sampler, 'num_inference_steps': 6, 'return_steps': True}
    begins = (None, PREFIX, PREFIX[:2] - 0.05) if max_delay else (None,)
    in_one = [made.infer(SEEN, seed, prefix=p, **options).steps for seed, p in enumerate(begins)]
    assert len(calls) == 2 * len(begins)  # The encoder and the loop.
    monkeypatch.setattr(openvino, 'can_loop', lambda *kind: False)
    for seed, begin in enumerate(begins):
        singly = made.infer(SEEN, seed, prefix=begin, **options).steps
        assert singly.shape == (7, 1, 15, 7)
        assert np.ptp(singly[-1]) > 0.01
        size = np.maximum(1, np.abs(singly))  # Without clipping, chunks of random networks grow.
        np.testing.assert_allclose(in_one[seed] / size, singly / size, rtol=0, atol=1e-5)


def test_what_a_loop_cannot_do_is_done_step_by_step(calls):
    made = policy()
    guided = {'prefix': PREFIX, 'conditioning': 'guided'}
    for options in ({'n_samples': 2}, {'sampler': 'dpmsolver++'}, guided):
        calls.clear()
        made.infer(SEEN, 0, num_inference_steps=3, **options)
        assert len(calls) == 5  # Encoder, what is prepared, three steps.


def test_a_long_loop_can_be_stopped_between_its_steps():
    config = tiny_policy.changed()
    assert can_loop(config, 1, 'ddpm', 20, None)
    assert not can_loop(config, 1, 'ddpm', 21, None)


def test_loops_of_other_kinds_take_turns(calls):
    made = policy()
    counts = (2, 3, 4, 5, 6, 2)
    chunks = [made.infer(SEEN, 0, num_inference_steps=count).actions for count in counts]
    np.testing.assert_array_equal(chunks[0], chunks[-1])
    assert len(calls) == 2 * len(counts)
