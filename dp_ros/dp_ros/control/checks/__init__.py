# SPDX-License-Identifier: Apache-2.0
"""Checks that the robot and its controllers are those that commands are made for."""
