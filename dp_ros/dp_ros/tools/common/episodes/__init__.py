# SPDX-License-Identifier: Apache-2.0
"""Episodes of the launched simulation, for the commands that run a policy through the nodes."""
