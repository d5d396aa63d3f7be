# SPDX-License-Identifier: Apache-2.0
"""Figures of recorded episodes, and what they mean for training."""
