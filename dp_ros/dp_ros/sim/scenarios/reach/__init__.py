# SPDX-License-Identifier: Apache-2.0
"""Around an obstacle, on either side, to a goal disc."""
