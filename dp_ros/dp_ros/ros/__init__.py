# SPDX-License-Identifier: Apache-2.0
"""What every node shares: main, life cycle, parameters, diagnostics, conversions, clocks."""
