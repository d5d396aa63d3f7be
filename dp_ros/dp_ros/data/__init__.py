# SPDX-License-Identifier: Apache-2.0
"""From streams to observation windows, live and from rosbag2, by the same code."""
