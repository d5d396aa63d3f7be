# SPDX-License-Identifier: Apache-2.0
"""Importers of policies that other libraries trained; no code from a file is ever run."""
