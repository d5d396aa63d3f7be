# SPDX-License-Identifier: Apache-2.0
"""Samplers where the answer is known: data that are Gaussian, and the best network for them."""

from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.flow_matching import FlowMatching
from dp_ros.policy.methods.method import drawn_from
from dp_ros.policy.methods.schedulers import make_scheduler
from dp_ros.values import ConfigError
import pytest
import tiny_policy
import torch

MEAN, STD = 0.3, 0.4
NOISE = torch.linspace(-2.5, 2.5, 51)[:, None, None]
PREDICTIONS = ('epsilon', 'sample', 'v_prediction')


def walk(method, denoise, sampler, steps, start=NOISE):
    generator = torch.Generator().manual_seed(0)
    cond = torch.zeros(len(start), 0)
    return list(method.walk(denoise, start, cond, sampler, steps, drawn_from(generator)))


def best(method):
    """Make the network that knows E[chunk | sample], by linear regression."""

    def denoise(sample, timestep, cond):
        alpha, sigma = method.signal(timestep)
        gain = alpha * STD**2 / ((alpha * STD) ** 2 + sigma**2)
        clean = MEAN + gain * (sample - alpha * MEAN)
        noise = (sample - alpha * clean) / sigma
        velocity = alpha * noise - sigma * clean
        return {'sample': clean, 'epsilon': noise, 'v_prediction': velocity}[
            method.prediction_type
        ]

    return denoise


def diffusion(**settings):
    return Diffusion(clip_sample=False, **settings)


def error(method, sampler, steps):
    """Distance to where the probability flow (Song et al. 2021b) carries a sample.

    It starts at the first timestep, which is one step before the noisy end for DDIM.
    """
    walked = walk(method, best(method), sampler, steps)
    first = method.num_train_timesteps - 1
    if sampler == 'ddim':
        first = method.num_train_timesteps - method.num_train_timesteps // steps
    alpha, sigma = method.signal(torch.tensor([first]))
    end = MEAN + STD * (NOISE - alpha * MEAN) / ((alpha * STD) ** 2 + sigma**2).sqrt()
    return (walked[-1] - end).abs().max().item()


@pytest.mark.parametrize('prediction_type', PREDICTIONS)
@pytest.mark.parametrize(('sampler', 'tolerance'), [('ddim', 0.02), ('dpmsolver++', 1e-3)])
def test_a_gaussian_comes_out_with_its_mean_and_deviation(sampler, tolerance, prediction_type):
    method = diffusion(prediction_type=prediction_type)
    end = walk(method, best(method), sampler, 100)[-1]
    torch.testing.assert_close(end, MEAN + STD * NOISE, rtol=tolerance, atol=tolerance)


def test_ddpm_draws_from_the_gaussian():
    method = diffusion()
    start = torch.randn(4000, 1, 1, generator=torch.Generator().manual_seed(1))
    end = walk(method, best(method), 'ddpm', 100, start)[-1]
    assert end.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert end.std().item() == pytest.approx(STD, abs=0.03)


def test_dpm_solver_is_of_second_order_and_ddim_of_first():
    method = diffusion(num_train_timesteps=1000)
    for sampler, shrink in (('ddim', 1.7), ('dpmsolver++', 3.4)):
        assert error(method, sampler, 20) > shrink * error(method, sampler, 40)


@pytest.mark.parametrize(('steps', 'share'), [(10, 0.6), (20, 0.2), (50, 0.1)])
def test_dpm_solver_beats_ddim(steps, share):
    assert error(diffusion(), 'dpmsolver++', steps) < share * error(diffusion(), 'ddim', steps)


@pytest.mark.parametrize('prediction_type', PREDICTIONS)
def test_dpm_solver_takes_the_steps_of_diffusers(prediction_type):
    """It is given the clean chunk; diffusers works that out itself from any prediction."""
    method = diffusion(prediction_type=prediction_type)
    settings = dict(make_scheduler(method, 'dpmsolver++').config)
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler.from_config(settings, prediction_type=prediction_type)
    scheduler.set_timesteps(timesteps=method.timesteps(7))
    sample, denoise = NOISE, best(method)
    for timestep in scheduler.timesteps:
        prediction = denoise(sample, timestep.expand(len(sample)), None)
        sample = scheduler.step(prediction, timestep, sample).prev_sample
    walked = walk(method, denoise, 'dpmsolver++', 7)
    assert len(walked) == 8
    torch.testing.assert_close(walked[-1], sample, rtol=1e-4, atol=1e-5)


def test_dpm_solver_keeps_to_the_range_of_the_data():
    walked = walk(Diffusion(), lambda x, t, c: -3 * x, 'dpmsolver++', 5)
    assert walked[-1].abs().max() <= 1.0


def test_the_steps_are_spread_from_the_noise_to_the_data():
    method = Diffusion(num_train_timesteps=100)
    assert method.timesteps(1) == [99]
    assert method.timesteps(10) == list(range(99, 0, -10))
    assert method.timesteps(100) == list(range(99, -1, -1))
    for count in range(1, 101):
        steps = method.timesteps(count)
        assert len(set(steps)) == count
        assert steps[0] == 99
        assert min(steps) >= 0


def test_the_velocity_is_learned_as_it_is_defined():
    """alpha · noise - sigma · chunk (Salimans and Ho 2022, appendix D)."""
    method = Diffusion(prediction_type='v_prediction')
    chunk = torch.rand(64, 8, 2)

    def knows(sample, timestep, cond):
        alpha, sigma = method.signal(timestep)
        noise = (sample - alpha * chunk) / sigma
        return alpha * noise - sigma * chunk

    assert method.loss(knows, chunk, torch.zeros(64, 0)) < 1e-6


@pytest.mark.parametrize('prediction_type', ['velocity', 'sample'])
def test_the_flow_is_learned_as_it_is_defined(prediction_type):
    """chunk - noise, or the chunk, of a sample between the two (Lipman et al. 2023, eq. 23)."""
    chunk = torch.rand(64, 8, 2)

    def knows(sample, timestep, cond):
        time = timestep[:, None, None] / 1000
        return chunk if prediction_type == 'sample' else (chunk - sample) / (1 - time)

    method = FlowMatching(prediction_type=prediction_type)
    assert method.loss(knows, chunk, torch.zeros(64, 0)) < 1e-6


def flow(sample, timestep, cond):
    """Give E[chunk - noise | sample] for Gaussian noise and chunks, drawn independently."""
    time = timestep[:, None, None] / 1000
    variance = (time * STD) ** 2 + (1 - time) ** 2
    return MEAN + (time * STD**2 - (1 - time)) / variance * (sample - time * MEAN)


def flow_error(sampler, steps):
    """Distance to where the flow carries the noise: Gaussian to Gaussian is a linear map."""
    end = walk(FlowMatching(clip_sample=False), flow, sampler, steps)[-1]
    return (end - (MEAN + STD * NOISE)).abs().max().item()


@pytest.mark.parametrize(('sampler', 'shrink'), [('euler', 1.8), ('heun', 3.5)])
def test_the_flow_ends_where_it_must(sampler, shrink):
    assert flow_error(sampler, 1000) < 2e-3
    assert flow_error(sampler, 20) > shrink * flow_error(sampler, 40)


@pytest.mark.parametrize('steps', [5, 10, 20])
def test_heun_beats_euler(steps):
    assert flow_error('heun', steps) < 0.7 * flow_error('euler', steps)


def test_a_straight_flow_needs_one_step():
    end = walk(FlowMatching(clip_sample=False), lambda x, t, c: 0.5 + 0 * x, 'euler', 1)[-1]
    torch.testing.assert_close(end, NOISE + 0.5)


def test_the_flow_is_kept_to_the_range_at_its_end_alone():
    walked = walk(FlowMatching(), lambda x, t, c: 3 + 0 * x, 'euler', 3)
    assert walked[-1].max() == 1.0
    assert walked[-2].max() > 1.0


def test_the_velocity_of_the_flow_is_from_noise_to_chunk():
    chunk, seen = torch.rand(16, 8, 2), []

    def knows(sample, timestep, cond):
        seen.append(timestep / 1000)
        time = seen[-1][:, None, None]
        return (chunk - sample) / (1 - time)

    assert FlowMatching().loss(knows, chunk, torch.zeros(16, 0)) < 1e-6
    assert 0 <= seen[0].min() < seen[0].max() <= 1


@pytest.mark.parametrize(
    ('time_sampling', 'share'), [('uniform', 0.25), ('logit_normal', 0.136), ('beta', 0.351)]
)
def test_the_times_are_drawn_as_named(time_sampling, share):
    """Share of the times before 0.25; of logit-normal ones by the normal distribution's table."""
    seen = []

    def denoise(sample, timestep, cond):
        seen.append(timestep / 1000)
        return sample

    torch.manual_seed(0)
    FlowMatching(time_sampling=time_sampling).loss(denoise, torch.zeros(20_000, 1, 1), None)
    assert (seen[0] < 0.25).float().mean().item() == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    ('settings', 'reason'),
    [
        ({'name': 'flow_matching', 'time_sampling': 'x'}, "time_sampling = 'x': needs one of"),
        ({'name': 'flow_matching', 'timestep_scale': 0.5}, 'timestep_scale = 0.5: needs at least'),
        ({'name': 'diffusion', 'prediction_type': 'v'}, "prediction_type = 'v': needs one of"),
        ({'name': 'diffusion', 'beta_start': 0.5}, 'beta_start = 0.5, beta_end = 0.02: needs 0 <'),
    ],
)
def test_a_setting_that_cannot_be_is_named(settings, reason):
    with pytest.raises(ConfigError, match=reason):
        tiny_policy.network(method=settings)


@pytest.mark.parametrize('name', ['diffusion', 'flow_matching'])
def test_what_is_not_normalised_to_its_range_is_not_clipped(name):
    modes = ('mean_std',) + ('min_max',) * 6
    with pytest.raises(ConfigError, match=f'{name}.clip_sample = True: .* needs clip_sample = f'):
        tiny_policy.network(method=name, action_modes=modes)
    tiny_policy.network(method={'name': name, 'clip_sample': False}, action_modes=modes)


def test_a_sampler_of_another_method_is_named():
    with pytest.raises(ConfigError, match="sampler = 'heun': needs one of"):
        Diffusion().check_sampling('heun', 10)
    with pytest.raises(ConfigError, match="sampler = 'ddim': needs one of"):
        FlowMatching().check_sampling('ddim', 10)
