# SPDX-License-Identifier: Apache-2.0
"""What recorded episodes hold, in figures, and what that means for training on them."""
