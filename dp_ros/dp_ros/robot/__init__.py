# SPDX-License-Identifier: Apache-2.0
"""What an arm is: the order of its joints, limits, kinematics, trajectories, units of time."""
