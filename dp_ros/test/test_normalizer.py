# SPDX-License-Identifier: Apache-2.0
"""Min-max normalisation."""

from dp_ros.policy.normalizer import MinMaxNormalizer
import pytest
import torch

VALUES = torch.tensor([[-2.0, 5.0, 0.1], [4.0, 5.0, 0.3], [1.0, 5.0, 0.2]])


@pytest.fixture
def normalizer():
    made = MinMaxNormalizer(3)
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
    other = MinMaxNormalizer(3)
    other.load_state_dict(normalizer.state_dict())
    assert torch.equal(other(VALUES), normalizer(VALUES))


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_data_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match='not finite'):
        MinMaxNormalizer(1).fit(torch.tensor([[0.0], [bad]]))
