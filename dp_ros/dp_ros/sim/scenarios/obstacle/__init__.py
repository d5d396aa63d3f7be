# SPDX-License-Identifier: Apache-2.0
"""What tasks have in common that lead around an obstacle, on either side, to a goal disc."""
