# SPDX-License-Identifier: Apache-2.0
"""Policies that others trained, made into ours; nothing of what a file holds is ever run."""
