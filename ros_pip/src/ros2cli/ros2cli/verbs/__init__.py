# SPDX-License-Identifier: Apache-2.0
"""One module per command of `ros2`, each with `add_to(parser)`."""
