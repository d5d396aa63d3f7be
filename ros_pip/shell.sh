# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the bash of `./dp shell` reads: your own settings, and a prompt that says where you are.
# shellcheck source=/dev/null
[ ! -f ~/.bashrc ] || . ~/.bashrc
PS1="(dp_ros) $PS1"
