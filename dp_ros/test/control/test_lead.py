# SPDX-License-Identifier: Apache-2.0
"""The lead follows what planning and delivery took, between its floor and its ceiling."""

from dp_ros.control.executor.lead import Lead
import numpy as np
import pytest


def test_without_measurements_it_is_the_floor():
    lead = Lead(0.06, 0.2)
    assert lead.time == lead.stop == 0.06
    assert lead.on_the_way == 0.03
    assert np.isnan(lead.delivery)


def test_the_lead_follows_what_planning_and_delivery_took_lately():
    lead = Lead(0.06, 0.2)
    lead.planned(0.05)
    assert lead.time == pytest.approx(1.5 * 0.05 + 0.03)
    assert lead.stop == 0.06, 'a brake does not wait for a plan'
    lead.delivered(0.04)
    assert lead.on_the_way == pytest.approx(0.06)
    assert lead.stop == pytest.approx(0.09)
    assert lead.delivery == 0.04
    for _ in range(20):
        lead.planned(0.001)
        lead.delivered(0.001)
    assert lead.time == lead.stop == 0.06


def test_it_stays_below_the_ceiling_and_leaves_time_for_planning():
    lead = Lead(0.06, 0.08)
    lead.planned(10.0)
    lead.delivered(10.0)
    assert lead.time == 0.08 and lead.stop == pytest.approx(0.07)
    assert lead.on_the_way == pytest.approx(0.04)


def test_a_ceiling_below_the_floor_is_the_floor():
    assert Lead(0.3, 0.2).time == 0.3
