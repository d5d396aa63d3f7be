# SPDX-License-Identifier: Apache-2.0
"""The task file: what recording, training and running agree on, written down once."""
