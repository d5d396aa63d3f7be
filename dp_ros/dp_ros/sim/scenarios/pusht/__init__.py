# SPDX-License-Identifier: Apache-2.0
"""Push-T, the papers' task in the plane."""
