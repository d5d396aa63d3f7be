# SPDX-License-Identifier: Apache-2.0
"""Methods where the best network is known in closed form: Gaussians, and two of them."""

from dp_ros.policy.methods.consistency import Consistency
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.flow_matching import FlowMatching
from dp_ros.policy.methods.method import drawn_from
import pytest
import torch

N = 4000
MEAN = torch.tensor([0.3, -0.2])
COV = torch.tensor([[0.16, 0.09], [0.09, 0.25]])
WEIGHTS, CENTRES, STD = torch.tensor([0.3, 0.7]), torch.tensor([-0.6, 0.6]), 0.1
DIFFUSION = Diffusion(clip_sample=False, prediction_type='sample')
FLOW = FlowMatching(clip_sample=False)
FLOW_OF_SAMPLES = FlowMatching(clip_sample=False, prediction_type='sample')
WALKS = [
    (DIFFUSION, 'ddim', 100),
    (DIFFUSION, 'ddpm', 100),
    (DIFFUSION, 'dpmsolver++', 50),
    (FLOW, 'euler', 100),
    (FLOW, 'heun', 20),
    (FLOW_OF_SAMPLES, 'euler', 100),
    (FLOW_OF_SAMPLES, 'heun', 20),
]


K = 100
COSINES = torch.cos((torch.arange(K + 1) / K + 0.008) / 1.008 * torch.pi / 2).square()
BETAS = {
    'squaredcos_cap_v2': (1 - COSINES[1:] / COSINES[:-1]).clamp(max=0.999),
    'linear': torch.linspace(0.0001, 0.02, K),
    'scaled_linear': torch.linspace(0.01, 0.02**0.5, K).square(),
}


@pytest.mark.parametrize('schedule', list(BETAS))
def test_the_forward_process_has_the_mean_and_variance_of_its_steps(schedule):
    """q(x_k | x_k-1) = N(sqrt(1 - beta) x_k-1, beta), taken k times (Ho et al. 2020, eq. 2)."""
    method = Diffusion(num_train_timesteps=K, beta_schedule=schedule)
    mean, variance = 1.0, 0.0
    for k, beta in enumerate(BETAS[schedule].tolist()):
        mean, variance = (1 - beta) ** 0.5 * mean, (1 - beta) * variance + beta
        alpha, sigma = (share.item() for share in method.signal(torch.tensor([k])))
        assert alpha == pytest.approx(mean, abs=1e-4)
        assert sigma**2 == pytest.approx(variance, abs=1e-4)


def shares(method, timestep):
    """Shares of chunk and noise in a sample, at timesteps (B,)."""
    if isinstance(method, FlowMatching):
        time = timestep[:, None, None] / method.timestep_scale
        return time, 1 - time
    return method.signal(timestep)


def network(method, expect):
    """Make the best network of E[chunk | sample] = expect(sample, share of chunk, of noise)."""

    def denoise(sample, timestep, cond):
        alpha, sigma = shares(method, timestep)
        clean = expect(sample, alpha, sigma)
        if method.prediction_type == 'sample':
            return clean
        return (clean - sample) / sigma.clamp(min=1e-3)

    return denoise


def ends(method, sampler, steps, expect, dims):
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(N, 1, dims, generator=generator)
    walk = method.walk(
        network(method, expect), start, torch.zeros(N, 0), sampler, steps, drawn_from(generator)
    )
    return list(walk)[-1][:, 0]


def of_gaussian(sample, alpha, sigma):
    """Regress the chunk on a sample, which is Gaussian like it."""
    spread = alpha**2 * COV + sigma**2 * torch.eye(2)
    return MEAN + (sample - alpha * MEAN) @ torch.linalg.solve(spread, alpha * COV)


@pytest.mark.parametrize(('method', 'sampler', 'steps'), WALKS)
def test_a_gaussian_comes_out_with_its_mean_and_covariance(method, sampler, steps):
    chunks = ends(method, sampler, steps, of_gaussian, 2)
    torch.testing.assert_close(chunks.mean(dim=0), MEAN, rtol=0, atol=0.03)
    torch.testing.assert_close(chunks.T.cov(), COV, rtol=0, atol=0.02)


def of_two(sample, alpha, sigma):
    """Weigh what either Gaussian expects by how likely the sample is of it."""
    variance = alpha**2 * STD**2 + sigma**2
    off = sample - alpha * CENTRES
    share = (WEIGHTS.log() - off.square() / (2 * variance)).softmax(dim=-1)
    return (share * (CENTRES + alpha * STD**2 / variance * off)).sum(dim=-1, keepdim=True)


@pytest.mark.parametrize(('method', 'sampler', 'steps'), WALKS)
def test_two_modes_come_out_by_their_weights_and_no_valley(method, sampler, steps):
    chunks = ends(method, sampler, steps, of_two, 1)
    assert (chunks > 0).float().mean().item() == pytest.approx(0.7, abs=0.03)
    assert (chunks.abs() < 0.2).float().mean() < 0.01
    for centre in CENTRES:
        near = chunks[(chunks - centre).abs() < 0.5]
        assert near.mean().item() == pytest.approx(centre.item(), abs=0.03)
        assert near.std().item() == pytest.approx(STD, abs=0.02)


def path_end(sample, alpha, sigma):
    """Where the probability flow of the first dimension ends, the exact student."""
    variance = COV[0, 0]
    scale = (variance / (alpha**2 * variance + sigma**2)).sqrt()
    return MEAN[0] + scale * (sample - alpha * MEAN[0])


def teach(sample, alpha, sigma):
    """What the teacher of the first dimension expects."""
    gain = alpha * COV[0, 0] / (alpha**2 * COV[0, 0] + sigma**2)
    return MEAN[0] + gain * (sample - alpha * MEAN[0])


def distillation_loss(student, steps):
    torch.manual_seed(0)
    method = Consistency(process=DIFFUSION, num_solver_steps=steps)
    actions = MEAN[0] + COV[0, 0].sqrt() * torch.randn(N, 1, 1)
    known, teacher = network(DIFFUSION, student), network(DIFFUSION, teach)
    return method.loss(known, actions, torch.zeros(N, 0), teacher).item()


def test_the_exact_student_of_a_gaussian_has_the_least_loss_and_less_with_finer_paths():
    exact = [distillation_loss(path_end, steps) for steps in (10, 50)]
    assert exact[1] < 0.2 * exact[0]
    assert exact[0] < 0.5 * distillation_loss(teach, 10)


@pytest.mark.parametrize('steps', [1, 2, 4])
def test_the_exact_student_draws_the_gaussian_in_any_number_of_steps(steps):
    method = Consistency(process=DIFFUSION)
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(N, 1, 1, generator=generator)
    known = network(DIFFUSION, path_end)
    draw = drawn_from(generator)
    *_, chunks = method.walk(known, start, torch.zeros(N, 0), 'consistency', steps, draw)
    assert chunks.mean().item() == pytest.approx(MEAN[0].item(), abs=0.03)
    assert chunks.std().item() == pytest.approx(COV[0, 0].sqrt().item(), abs=0.02)
