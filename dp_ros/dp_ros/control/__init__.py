# SPDX-License-Identifier: Apache-2.0
"""Chunks in time: which points to follow, how to join them, and the arm's limits."""
