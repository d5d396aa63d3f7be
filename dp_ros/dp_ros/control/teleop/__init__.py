# SPDX-License-Identifier: Apache-2.0
"""From inputs of a person to chunks."""
