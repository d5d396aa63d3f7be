# SPDX-License-Identifier: Apache-2.0
"""From continuous widths to few goals of a gripper."""
