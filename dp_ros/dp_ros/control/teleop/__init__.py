# SPDX-License-Identifier: Apache-2.0
"""From what a person does to chunks."""
