#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Build what an FR3 needs of franka_ros2 into /opt/franka (or $1), in a sourced ROS 2 Jazzy.
# Its simulations, mobile robots and MoveIt configurations are left out.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prefix=${1:-/opt/franka}
packages=(
  franka_bringup
  franka_example_controllers # The gravity compensation that an arm is guided by hand with.
  franka_gripper
  franka_hardware
  franka_msgs
  franka_robot_state_broadcaster
  franka_semantic_components
)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
vcs import --recursive src <"$here/franka.repos"
paths=(src/libfranka src/franka_description "${packages[@]/#/src/franka_ros2/}")

# franka_bringup names franka_mobile for other robots. franka_example_controllers needs
# moveit_core and moveit_msgs, and libfranka console_bridge, without saying so.
rosdep install -y --from-paths "${paths[@]}" --ignore-src --rosdistro jazzy \
  --dependency-types build --dependency-types buildtool --dependency-types build_export \
  --dependency-types buildtool_export --dependency-types exec \
  --skip-keys franka_mobile
colcon build --merge-install --install-base "$prefix" --base-paths "${paths[@]}" \
  --cmake-args -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF -DBUILD_TESTS=OFF -DBUILD_EXAMPLES=OFF
