# SPDX-License-Identifier: Apache-2.0
"""Motions of joints that move almost alike, where ruckig's synchronization fails by rounding."""

from dp_ros.control.executor.ruckig_motion import solve
import numpy as np
import pytest
from ruckig import ControlInterface, InputParameter, OutputParameter, Ruckig, Synchronization

ALMOST_ALIKE = np.array([0, 10, 0, -90, 0, 10, 10]) * 1e-15


@pytest.mark.parametrize('synchronization', [Synchronization.Phase, Synchronization.Time])
def test_joints_that_move_almost_alike_can_be_brought_to_rest(synchronization):
    ruckig, output = Ruckig(7, 0.02), OutputParameter(7)
    problem = InputParameter(7)
    problem.control_interface = ControlInterface.Velocity
    problem.synchronization = synchronization
    problem.current_velocity = (
        [0.03662966437161781] * 3 + [0.03662966437161694] + ([0.03662966437161781] * 3)
    )
    problem.current_acceleration = -4.952525735973798 - ALMOST_ALIKE
    problem.max_acceleration, problem.max_jerk = [4.0] * 7, [80.0] * 7
    solve(lambda: ruckig.update(problem, output), problem)
    np.testing.assert_allclose(output.new_acceleration, np.full(7, -3.3525257), atol=1e-6)
    assert problem.synchronization is synchronization
