# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Source this in the image: ROS 2, franka_ros2 and this workspace.
# shellcheck disable=SC1091
. /opt/ros/jazzy/setup.bash
# shellcheck disable=SC1091
. /opt/franka/setup.bash
# shellcheck source=ros_pip/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/../ros_pip/env.sh"
