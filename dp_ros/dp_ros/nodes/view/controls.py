# SPDX-License-Identifier: Apache-2.0
"""The parts of the page that steer: the buttons above all tabs, and the tabs *Play* and *Arm*."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dp_ros.nodes.view import texts
from dp_ros.nodes.view.bindings import Bindings
from dp_ros.nodes.view.loading import Loader
from dp_ros.nodes.view.page import Page
from dp_ros.nodes.view.play import Play
from dp_ros.nodes.view.recorder import RecorderPanel
from dp_ros.nodes.view.steering import Steering
from rclpy.node import Node


class Controls:
    """What a person can press, and what it does.

    :param scene: function that returns the seed of the simulated scene, or None on an arm.
    """

    def __init__(
        self, node: Node, page: Page, steering: Steering, scene: Callable[[], int | None]
    ) -> None:
        self._page, self._steering = page, steering
        self.parameters = Bindings(node, page, steering)
        self.loader = Loader(node, steering.remote, self.parameters.policy)
        page.on_press(page.estop, steering.stop)
        page.go.on_click(self._go)
        self._press(page.release, 'clear the emergency stop', 'executor/reset')
        self._press(page.enable, 'enable', 'executor/enable')
        self.parameters.bind(self.parameters.policy, 'show_denoising', page.layers['denoising'])
        self.play = Play(page, steering, self.parameters, self.loader)
        with page.arm:
            self._add_arm()
            self.recorder = RecorderPanel(node, page, steering, scene)
        steering.refused = self._restore

    def show_control(self, allowed: bool, owner: int | None) -> None:
        """Show which page steers, and what there is to steer."""
        self.play.show_simulated(self._steering.remote.simulated)
        self.recorder.look()
        if not allowed:
            text = 'This view only watches; start it with --control to steer an arm.'
        elif owner is None:
            text = 'The next page that asks for something has the control.'
        else:
            text = f'Page {owner} has the control.'
        if self._control.content != texts.page(text):
            self._control.content = texts.page(text)

    def _add_arm(self) -> None:
        gui, page = self._page.server.gui, self._page
        self._control = gui.add_html('')
        self._take = gui.add_button('Take control')
        page.on_press(self._take, self._steering.take)
        speed = gui.add_slider('Speed', 0.0, 1.0, 0.05, 1.0, hint='Share of the speed asked for.')
        self.parameters.bind(self.parameters.executor, 'speed_scale', speed)
        for name, what, service in (
            ('Go to the start pose', 'go to the start pose', 'executor/go_to_start'),
            ('Disable: begin a dry run', 'disable', 'executor/disable'),
            ('Recover the robot', 'recover', 'executor/recover'),
        ):
            self._press(gui.add_button(name), what, service)

    def _go(self, event: Any) -> None:
        what = str(event.target.value).lower()
        self._steering.press(event.client_id, what, f'executor/{what}')

    def _press(self, button: Any, what: str, service: str) -> None:
        self._page.on_press(button, lambda who: self._steering.press(who, what, service))

    def _restore(self) -> None:
        self.parameters.restore()
        self.play.restore()
