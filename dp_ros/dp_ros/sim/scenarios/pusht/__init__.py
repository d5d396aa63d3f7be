# SPDX-License-Identifier: Apache-2.0
"""Push-T, the planar task of the papers."""
