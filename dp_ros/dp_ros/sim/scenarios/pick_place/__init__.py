# SPDX-License-Identifier: Apache-2.0
"""The task of putting a cube, wherever it lies, into a bin."""
