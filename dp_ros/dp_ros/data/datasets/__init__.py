# SPDX-License-Identifier: Apache-2.0
"""From folders of episodes to training windows."""
