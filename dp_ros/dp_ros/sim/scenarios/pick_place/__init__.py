# SPDX-License-Identifier: Apache-2.0
"""A cube, wherever it lies, into a bin."""
