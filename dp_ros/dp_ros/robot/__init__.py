# SPDX-License-Identifier: Apache-2.0
"""Models of an arm: order of its joints, limits, kinematics, trajectories, units of time."""
