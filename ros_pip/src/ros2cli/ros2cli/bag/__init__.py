# SPDX-License-Identifier: Apache-2.0
"""Recording, playing and describing rosbag2 bags, over the `rosbags` library."""
