# SPDX-License-Identifier: Apache-2.0
"""Episodes as rosbag2: recording, reading, checking for damage."""
