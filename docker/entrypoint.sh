#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run a command of the image in its environment.
set -eo pipefail
# shellcheck source=docker/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
echo "ROS domain $ROS_DOMAIN_ID, discovery $ROS_AUTOMATIC_DISCOVERY_RANGE $ROS_STATIC_PEERS" >&2
exec "$@"
