# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Source this: puts the venv, ROS 2 and the built workspace into the environment.
_dp=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.dp
_site=$(echo "$_dp"/venv/lib/python3*/site-packages)

export PATH="$_dp/venv/bin:$PATH"
if [ -f "$_dp/full_ros" ]; then
  # A full ROS 2 is sourced: its tools run under the system's Python, which finds the venv here.
  export PYTHONPATH="$_site${PYTHONPATH:+:$PYTHONPATH}"
else
  export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3
  export AMENT_PREFIX_PATH="$_dp/interfaces:$_dp/venv"
  export PYTHONPATH="$_dp/interfaces/python${PYTHONPATH:+:$PYTHONPATH}"
  export LD_LIBRARY_PATH="$_dp/interfaces/lib:$_dp/venv/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
# Who shares the network must not find, and command, the arm; another range is set by name.
export ROS_AUTOMATIC_DISCOVERY_RANGE="${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
if [ -z "${ROS_DOMAIN_ID:-}" ]; then
  # Two clones on one machine must not hear each other.
  ROS_DOMAIN_ID=$((1 + $(cksum <<<"$_dp" | cut -d' ' -f1) % 100))
  export ROS_DOMAIN_ID
fi
# shellcheck source=/dev/null
[ ! -f "$_dp/gl.sh" ] || . "$_dp/gl.sh"
for _base in interfaces install; do
  # shellcheck source=/dev/null
  [ ! -f "$_dp/$_base/local_setup.bash" ] || . "$_dp/$_base/local_setup.bash"
done
unset _dp _site _base
