# SPDX-License-Identifier: Apache-2.0
"""The task of reaching a goal disc around an obstacle, on either side."""
