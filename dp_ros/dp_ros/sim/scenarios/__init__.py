# SPDX-License-Identifier: Apache-2.0
"""The simulated tasks, one per folder: scene, expert, success."""
