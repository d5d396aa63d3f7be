# SPDX-License-Identifier: Apache-2.0
"""From streams of samples to observation windows, live and from recordings."""
