# SPDX-License-Identifier: Apache-2.0
"""The simulated FR3 and its world, scripted experts, and the judge of the commands."""
