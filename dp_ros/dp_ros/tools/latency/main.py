# SPDX-License-Identifier: Apache-2.0
"""Show where the time goes between an image's exposure and the arm's motion.

`ros2 run dp_ros latency` listens to the running nodes until Ctrl-C, or for `--seconds`.
`ros2 run dp_ros latency --bag DIR` reads recordings of `observation`, `policy/status` and
`executor/status` instead. Each stage's median, 95th percentile and maximum are over all chunks.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import contextlib
import json
from pathlib import Path
import sys
import time

from dp_ros.data.bags.storage import BagError
from dp_ros.data.datasets.dataset import DatasetError
from dp_ros.ros.domain import keep_to_this_machine
from dp_ros.ros.ledger import Ledger
from dp_ros.tools.latency.report import as_table, draw, figures
from dp_ros.tools.latency.sources import LedgerNode, read_bags
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from rich.console import Console
from rich.live import Live

_SHOW_EVERY = 1.0


def main() -> int:
    """Parse the command line, listen or read, and show the figures."""
    args = _parse(remove_ros_args(sys.argv)[1:])
    console, ledger = Console(), Ledger()
    hints: list[str] = []
    try:
        if args.bag:
            read_bags(args.bag, ledger)
        else:
            hints = _listen(args, ledger, console)
    except (BagError, DatasetError, OSError) as error:
        console.print(f'latency: {error}', style='red', markup=False, soft_wrap=True)
        return 1
    chunks = ledger.chunks()
    if not chunks:
        source = f'{args.bag}: no policy/status in it' if args.bag else 'no chunk came'
        console.print('latency: ' + '; '.join([source, *hints]), style='red', soft_wrap=True)
        return 1
    console.print(as_table(chunks))
    if args.json:
        args.json.write_text(json.dumps(figures(chunks), indent=2) + '\n')
    if args.plot:
        draw(chunks, args.plot)
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='ros2 run dp_ros latency', description=__doc__)
    parser.add_argument('--bag', type=Path, help='a recording, or a folder of recordings')
    parser.add_argument(
        '--seconds', type=float, help='time to listen to the running nodes (default: until Ctrl-C)'
    )
    parser.add_argument('--json', type=Path, help='file for the figures')
    parser.add_argument('--plot', type=Path, help='file for a picture (PNG)')
    args = parser.parse_args(argv)
    if args.seconds is not None and not args.seconds > 0.0:
        parser.error(f'--seconds {args.seconds}: needs to be positive')
    for file in (args.json, args.plot):
        if file is not None and not file.parent.is_dir():
            parser.error(f'{file}: there is no such folder')
    return args


def _listen(args: argparse.Namespace, ledger: Ledger, console: Console) -> list[str]:
    """Fill the ledger until the time is over or Ctrl-C; return what did not run."""
    keep_to_this_machine()
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    node, executor = LedgerNode(ledger), SingleThreadedExecutor()
    executor.add_node(node)
    began = shown = time.monotonic()
    try:
        with _live(console) as live:
            while args.seconds is None or time.monotonic() - began < args.seconds:
                executor.spin_once(timeout_sec=0.1)
                if time.monotonic() - shown > _SHOW_EVERY:
                    shown, chunks = time.monotonic(), ledger.chunks()
                    if live is not None:
                        live.update(
                            as_table(chunks) if chunks else '\n'.join(node.missing()), refresh=True
                        )
    except KeyboardInterrupt:
        pass
    finally:
        missing = node.missing()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    return missing


def _live(console: Console) -> contextlib.AbstractContextManager[Live | None]:
    """Return a display that the final table replaces; none where nobody sees it."""
    if not console.is_terminal:
        return contextlib.nullcontext()
    return Live(console=console, transient=True, auto_refresh=False)


if __name__ == '__main__':
    sys.exit(main())
