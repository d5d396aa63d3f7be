# SPDX-License-Identifier: Apache-2.0
"""Normalisation by ranges, by deviations, and not at all."""

from dp_ros.policy.normalizer import Normalizer
import pytest
import torch

VALUES = torch.tensor([[-2.0, 5.0, 0.1], [4.0, 5.0, 0.3], [1.0, 5.0, 0.2]])


@pytest.fixture
def normalizer():
    made = Normalizer(3)
    made.fit(VALUES)
    return made


def test_the_range_becomes_minus_one_to_one(normalizer):
    normalised = normalizer(VALUES)
    torch.testing.assert_close(normalised[:, 0], torch.tensor([-1.0, 1.0, 0.0]))
    torch.testing.assert_close(normalised[:, 2], torch.tensor([-1.0, 1.0, 0.0]))


def test_a_constant_dimension_becomes_zero_and_comes_back(normalizer):
    assert (normalizer(VALUES)[:, 1] == 0).all()
    torch.testing.assert_close(normalizer.inverse(torch.zeros(1, 3))[0, 1], torch.tensor(5.0))


def test_a_constant_dimension_moves_one_to_one_when_it_varies_later(normalizer):
    torch.testing.assert_close(normalizer(torch.tensor([0.0, 5.5, 0.0]))[1], torch.tensor(0.5))


def test_the_inverse_gives_back_what_went_in_also_outside_the_range(normalizer):
    values = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0)) * 10
    torch.testing.assert_close(normalizer.inverse(normalizer(values)), values)


def test_the_range_is_part_of_the_state(normalizer):
    other = Normalizer(3)
    other.load_state_dict(normalizer.state_dict())
    assert torch.equal(other(VALUES), normalizer(VALUES))


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_data_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match='not finite'):
        Normalizer(1).fit(torch.tensor([[0.0], [bad]]))


def fitted(*modes):
    made = Normalizer(3)
    made.fit(VALUES, modes)
    return made


def test_the_deviation_becomes_one():
    normalised = fitted('mean_std', 'mean_std', 'mean_std')(VALUES)[:, [0, 2]]
    torch.testing.assert_close(normalised.mean(dim=0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(normalised.std(dim=0, correction=0), torch.ones(2))


def test_none_changes_nothing():
    assert torch.equal(fitted('none', 'none', 'none')(VALUES), VALUES)


def test_every_dimension_has_a_mode_of_its_own():
    mixed = fitted('min_max', 'none', 'mean_std')
    expected = [fitted(*[mode] * 3)(VALUES) for mode in ('min_max', 'none', 'mean_std')]
    for index, values in enumerate(expected):
        torch.testing.assert_close(mixed(VALUES)[:, index], values[:, index])
    torch.testing.assert_close(mixed.inverse(mixed(VALUES)), VALUES)


@pytest.mark.parametrize('mode', ['min_max', 'mean_std'])
def test_a_constant_dimension_is_zero_in_both_modes(mode):
    assert (fitted(mode, mode, mode)(VALUES)[:, 1] == 0).all()


def test_what_varies_by_rounding_alone_is_constant():
    made = Normalizer(1)
    made.fit(torch.tensor([[0.5], [0.50003]]))
    assert made(torch.tensor([0.50003])).abs() < 1e-4
