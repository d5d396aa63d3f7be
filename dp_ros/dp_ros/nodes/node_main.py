# SPDX-License-Identifier: Apache-2.0
"""The one `main` of every node: init, spin, and an end without a traceback."""

from __future__ import annotations

from collections.abc import Callable
import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


def run_node(make_node: Callable[[], Node]) -> int:
    """Spin the node until Ctrl-C, SIGTERM or a shutdown; return the exit code.

    A node that commands hardware sends its last safe command in ``destroy_node``.
    """
    rclpy.init(args=sys.argv)
    node = None
    try:
        node = make_node()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except ValueError as error:
        if node is not None:
            raise
        rclpy.logging.get_logger('dp_ros').fatal(str(error))
        return 2
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
