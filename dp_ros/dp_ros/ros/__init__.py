# SPDX-License-Identifier: Apache-2.0
"""Common parts of the nodes: main, life cycle, parameters, diagnostics, conversions, clocks."""
