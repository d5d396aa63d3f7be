# SPDX-License-Identifier: Apache-2.0
"""Whether the robot and its controllers are what commands are made for."""
