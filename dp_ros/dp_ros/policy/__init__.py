# SPDX-License-Identifier: Apache-2.0
"""The learned policy: networks, samplers, normaliser, engines, checkpoint."""
