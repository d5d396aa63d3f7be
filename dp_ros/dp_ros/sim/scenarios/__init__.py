# SPDX-License-Identifier: Apache-2.0
"""The simulated tasks, a folder each: scene, expert, success."""
