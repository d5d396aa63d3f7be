# SPDX-License-Identifier: Apache-2.0
"""The task of dashing around an obstacle close ahead: the side has to be chosen at rest."""
