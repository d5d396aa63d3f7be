# SPDX-License-Identifier: Apache-2.0
"""Forward process and samplers against their closed forms, and golden numbers."""

from copy import copy
import json
import math

from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.method import drawn_from
from dp_ros.policy.methods.schedulers import make_scheduler
from dp_ros.values import ConfigError
from golden import renew
import pytest
import torch

K = 100


def alpha_bar():
    """Nichol and Dhariwal 2021, equation 17, each beta at most 0.999."""

    def squared_cosine(k):
        return math.cos((k / K + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - squared_cosine(k + 1) / squared_cosine(k), 0.999) for k in range(K)]
    return torch.cumprod(1 - torch.tensor(betas, dtype=torch.float64), 0)


def noise(seed=0):
    return torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(seed))


def run(name, denoise, steps, start, seed=1, **settings):
    generator = torch.Generator().manual_seed(seed)
    method = Diffusion(**settings)
    return list(method.walk(denoise, start, torch.zeros(2, 0), name, steps, drawn_from(generator)))


def test_the_forward_process_is_the_closed_form():
    scheduler = make_scheduler(Diffusion(), 'ddpm')
    clean, added = noise(0), noise(1)
    for k in (0, 37, K - 1):
        noisy = scheduler.add_noise(clean, added, torch.tensor([k, k]))
        bar = alpha_bar()[k]
        expected = bar.sqrt() * clean + (1 - bar).sqrt() * added
        torch.testing.assert_close(noisy, expected.float(), rtol=1e-4, atol=1e-5)


def test_the_last_timestep_is_almost_pure_noise_and_the_first_almost_clean():
    bar = alpha_bar()
    assert bar[-1] < 1e-4
    assert bar[0] > 0.999


def test_ddim_is_its_equation():
    """Song et al. 2021, equation 12 with sigma 0, clipped to the data's range."""
    start, steps = noise(), 10
    walked = run('ddim', renew.denoise, steps, start)
    bar = alpha_bar()
    x = start.double()
    for k in range(K - K // steps, -1, -K // steps):
        epsilon = renew.denoise(x.float(), torch.tensor([k, k]), None).double()
        clean = ((x - (1 - bar[k]).sqrt() * epsilon) / bar[k].sqrt()).clamp(-1, 1)
        before = bar[k - K // steps] if k >= K // steps else torch.tensor(1.0)
        x = before.sqrt() * clean + (1 - before).sqrt() * epsilon
    assert len(walked) == steps + 1
    torch.testing.assert_close(walked[0], start)
    torch.testing.assert_close(walked[-1], x.float(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('name', ['ddim', 'ddpm'])
@pytest.mark.parametrize('prediction_type', ['epsilon', 'sample'])
def test_a_perfect_prediction_leads_to_the_clean_sample(name, prediction_type):
    clean = torch.full((2, 8, 3), 0.4)
    bar = alpha_bar()

    def perfect(sample, timestep, cond):
        now = bar[timestep[0]].float()
        return (
            clean
            if prediction_type == 'sample'
            else ((sample - now.sqrt() * clean) / (1 - now).sqrt())
        )

    walked = run(name, perfect, 20, noise(), prediction_type=prediction_type)
    torch.testing.assert_close(walked[-1], clean, rtol=0, atol=0.02)


def test_ddim_adds_no_noise_and_ddpm_only_that_of_its_generator():
    assert torch.equal(*(run('ddpm', renew.denoise, 9, noise())[-1] for _ in range(2)))
    ends = [run('ddim', renew.denoise, 9, noise(), seed)[-1] for seed in (1, 2)]
    assert torch.equal(*ends)


def test_the_samples_stay_within_the_range_of_the_data():
    walked = run('ddim', lambda x, t, c: 5 * x, 10, noise(), prediction_type='sample')
    assert walked[-1].abs().max() <= 1.0


@pytest.mark.parametrize('steps', [1, 7, K])
@pytest.mark.parametrize('prediction_type', ['epsilon', 'sample', 'v_prediction'])
@pytest.mark.parametrize('name', ['ddim', 'ddpm'])
def test_the_tables_do_what_the_steps_of_diffusers_do(name, prediction_type, steps):
    settings = {'prediction_type': prediction_type, 'clip_sample': steps != 7}
    scheduler = copy(make_scheduler(Diffusion(**settings), name))
    scheduler.set_timesteps(steps)
    generator, x = torch.Generator().manual_seed(1), noise()
    expected = [x]
    for timestep in scheduler.timesteps:
        answer = renew.denoise(x, timestep.expand(2), None)
        x = scheduler.step(answer, timestep, x, generator=generator).prev_sample
        expected.append(x)
    walked = run(name, renew.denoise, steps, noise(), **settings)
    assert len(walked) == len(expected)
    torch.testing.assert_close(walked[-1], expected[-1], rtol=1e-4, atol=1e-5)


def test_an_unknown_sampler_is_named():
    with pytest.raises(ConfigError, match="sampler = 'euler': needs one of"):
        Diffusion().check_sampling('euler', 10)


@pytest.mark.parametrize('name', ['ddim', 'ddpm'])
@pytest.mark.parametrize('prediction_type', ['epsilon', 'sample'])
def test_golden_numbers_of_the_samplers(name, prediction_type):
    golden = torch.tensor(json.loads(renew.FILE.read_text())[f'{name} {prediction_type}'])
    found = renew.sampler(name, prediction_type).flatten()
    torch.testing.assert_close(found, golden, rtol=1e-4, atol=1e-5)
