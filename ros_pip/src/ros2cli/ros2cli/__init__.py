# SPDX-License-Identifier: Apache-2.0
"""The `ros2` command: a stand-in for ros2cli, ros2launch and ros2bag (jazzy).

Option names, printed output and exit codes are upstream's. There is no daemon: each call looks
at the graph itself and returns as soon as it saw what it was asked for.
"""
