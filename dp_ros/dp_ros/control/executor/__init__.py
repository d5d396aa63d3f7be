# SPDX-License-Identifier: Apache-2.0
"""From chunks to motion: joins, limits, pace, interlocks, and every brake."""
