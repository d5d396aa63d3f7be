# SPDX-License-Identifier: Apache-2.0
"""What the nodes say of themselves, as text in the panel."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Final

from diagnostic_msgs.msg import DiagnosticArray
from dp_ros.nodes.view import texts
from dp_ros.nodes.view.ledger import stages
from dp_ros.nodes.view.page import Page
from dp_ros.ros.ledger import JOIN, Ledger
from dp_ros_msgs.msg import ExecutorStatus, PolicyStatus
from rcl_interfaces.msg import Log

MOST_LINES: Final = 6
_KEPT: Final = 6  # Chunks whose times are kept.
_REFUSALS: Final = ('goal refused', 'obstacle refused')


class Reports:
    """Takes statuses, diagnostics and warnings, and shows the last of each."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._ledger = Ledger(kept=_KEPT)
        self._policy = PolicyStatus()
        self._executor: ExecutorStatus | None = None
        self._nodes: dict[str, tuple[int, str]] = {}
        self.warnings: deque[tuple[str, str]] = deque(maxlen=MOST_LINES)

    @property
    def policy_name(self) -> str:
        """Name of the policy that made the last chunk; empty before the first."""
        return Path(self._policy.checkpoint).name

    @property
    def stopped(self) -> bool:
        """Whether an emergency stop holds the arm."""
        return self._executor is not None and 'estop' in self._executor.inhibited_by

    @property
    def dry_run(self) -> bool:
        """Whether the executor sends nothing until it is enabled."""
        return self._executor is not None and self._executor.state == ExecutorStatus.SHADOW

    def take_executor(self, message: ExecutorStatus) -> None:
        """Take a status of the executor, and show it at once."""
        self._executor = message
        self._ledger.add_executor(message)
        self.show_state()

    def take_policy(self, message: PolicyStatus) -> None:
        """Take a status of the policy."""
        self._policy = message
        self._ledger.add_policy(message)

    def take_diagnostics(self, message: DiagnosticArray) -> None:
        """Take what nodes report."""
        for status in message.status:
            level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            self._nodes[status.name] = level, status.message

    def take_log(self, message: Log) -> None:
        """Take a warning; what a person has just asked for is shown on top if it is refused."""
        if message.level < Log.WARN or message.name.startswith('view'):
            return
        self.warn(f'{message.name}: {message.msg}')
        if message.msg.startswith(_REFUSALS):
            self._page.notify(None, message.msg.split()[0], message.msg)

    def warn(self, text: str) -> None:
        """Show the first line of a warning, once among the last ones."""
        line = (texts.AMBER, text.splitlines()[0] if text else '')
        if line not in self.warnings:
            self.warnings.append(line)

    def show(self) -> None:
        """Show everything."""
        self.show_state()
        self._show_ledger()
        reports = [(name, *report) for name, report in self._nodes.items()]
        self._page.show_diagnostics(texts.diagnostics_table(reports))
        self._page.show_warnings(texts.notes(self.warnings))

    def show_state(self) -> None:
        """Show whether the arm may move, and by which policy."""
        status, policy = self._executor, self._policy
        name, figures = self.policy_name, ''
        if policy.chunk_id:
            name += f', {policy.sampler} {policy.num_inference_steps}'
            figures = (
                f'inference {texts.seconds(policy.inference_time)}, '
                f'from the observation {texts.seconds(policy.latency)}'
            )
        if status is None:
            card = texts.state_card(None, 'nothing on executor/status', (), name, figures)
        else:
            held = list(status.inhibited_by)
            card = texts.state_card(status.state, status.reason, held, name, figures)
        self._page.show_state(card)

    def _show_ledger(self) -> None:
        """Show the times of the last chunk that moved the arm, or of the last one."""
        chunks = self._ledger.chunks()
        moved = [times for times in chunks if JOIN in times]
        newest = (moved or chunks or [{}])[-1]
        self._page.show_ledger(texts.ledger_bar(stages(newest)))
