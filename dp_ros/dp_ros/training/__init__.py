# SPDX-License-Identifier: Apache-2.0
"""From windows to a checkpoint."""
