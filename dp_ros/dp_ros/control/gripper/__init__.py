# SPDX-License-Identifier: Apache-2.0
"""From continuous widths of a policy to few goals of a gripper."""
