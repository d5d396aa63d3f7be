#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run a command of the image in its environment.
set -eo pipefail
# shellcheck source=docker/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
exec "$@"
