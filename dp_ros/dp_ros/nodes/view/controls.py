# SPDX-License-Identifier: Apache-2.0
"""The parts of the page that steer: episodes of a simulation, the policy, the executor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
import random
from typing import Any, Final

from dp_ros.nodes.view import texts
from dp_ros.nodes.view.page import Page
from dp_ros.nodes.view.remote import RemoteParameters, Values
from dp_ros.nodes.view.score import Row
from dp_ros.nodes.view.steering import Steering
from rclpy.node import Node

_POLICY: Final = (
    'sampler.name',
    'sampler.num_inference_steps',
    'n_samples',
    'show_denoising',
    'seed',
)
_EXECUTOR: Final = ('n_action_steps', 'speed_scale')
_SEEDS: Final = 100_000
_MOST_STEPS: Final = 100
_MOST_SAMPLES: Final = 64
_MOST_ACTIONS: Final = 32


class Controls:
    """The tabs *Play* and *Arm*, and the buttons above all tabs.

    :param samplers: names of the samplers to choose from.
    """

    def __init__(
        self, node: Node, page: Page, steering: Steering, samplers: Sequence[str]
    ) -> None:
        self._page, self._steering, self._gui = page, steering, page.server.gui
        self._shown: dict[tuple[str, str], Any] = {}
        self.policy = RemoteParameters(node, 'policy', _POLICY, partial(self._show, 'policy'))
        self.executor = RemoteParameters(
            node, 'executor', _EXECUTOR, partial(self._show, 'executor')
        )
        page.on_press(page.estop, steering.stop)
        page.go.on_click(self._go)
        self._press(page.release, 'clear the emergency stop', 'executor/reset')
        self._press(page.enable, 'enable', 'executor/enable')
        self._bind(self.policy, 'show_denoising', page.layers['denoising'])
        with page.play:
            self._add_play(samplers)
        with page.arm:
            self._add_arm()
        steering.refused = self._restore

    def show_score(self, rows: Sequence[Row]) -> None:
        """Show the score board."""
        self._score.content = texts.score_table(rows)

    def show_control(self, allowed: bool, owner: int | None) -> None:
        """Show which page steers, and what there is to steer."""
        simulated = self._steering.remote.simulated
        if self._episode.visible != simulated:
            self._episode.visible = simulated
        if not allowed:
            text = 'This view only watches; start it with --control to steer an arm.'
        elif owner is None:
            text = 'The next page that asks for something has the control.'
        else:
            text = f'Page {owner} has the control.'
        if self._control.content != texts.page(text):
            self._control.content = texts.page(text)

    def begin(self, page: int, new_scene: bool) -> None:
        """Begin an episode with new noise, in another scene or in the same."""
        if new_scene:
            self._scene.value = random.randrange(_SEEDS)
        scene, noise = int(self._scene.value), random.randrange(_SEEDS)
        remote, policy = self._steering.remote, self.policy
        what = f'scene {scene} with noise {noise}'
        self._steering.wish(page, what, lambda: remote.begin(policy, scene, noise))

    def follow_scene(self, scene: int) -> None:
        """Show the seed of the scene that is simulated."""
        if self._scene.value != scene and scene <= _SEEDS:
            self._scene.value = scene

    def _add_play(self, samplers: Sequence[str]) -> None:
        gui, page = self._gui, self._page
        with gui.add_folder('Episode') as self._episode:
            self._scene = gui.add_number('Scene', 0, min=0, max=_SEEDS, step=1)
            self._again = gui.add_button('Same scene, new noise', icon='dice-5')
            self._new = gui.add_button('New scene', icon='player-play')
            self.keep_going = gui.add_checkbox(
                'Keep going', False, hint='When an episode has ended, begin one in a new scene.'
            )
            gui.add_html(texts.page('<span class="dim">Drag the goal in the scene.</span>'))
        with gui.add_folder('Last episodes'):
            self._score = gui.add_html(texts.score_table([]))
            self.clear = gui.add_button('Clear', icon='eraser')
        with gui.add_folder('Policy'):
            self._bind(self.policy, 'sampler.name', gui.add_dropdown('Sampler', tuple(samplers)))
            steps = gui.add_slider('Denoising steps', 1, _MOST_STEPS, 1, 10)
            self._bind(self.policy, 'sampler.num_inference_steps', steps)
            samples = gui.add_slider('Samples drawn', 1, _MOST_SAMPLES, 1, 1)
            self._bind(self.policy, 'n_samples', samples)
            actions = gui.add_slider(
                'Actions followed', 0, _MOST_ACTIONS, 1, 0, hint='0: as the policy was trained.'
            )
            self._bind(self.executor, 'n_action_steps', actions)
        page.on_press(self._again, lambda who: self.begin(who, new_scene=False))
        page.on_press(self._new, lambda who: self.begin(who, new_scene=True))

    def _add_arm(self) -> None:
        gui, page = self._gui, self._page
        self._control = gui.add_html('')
        self._take = gui.add_button('Take control')
        page.on_press(self._take, self._steering.take)
        speed = gui.add_slider('Speed', 0.0, 1.0, 0.05, 1.0, hint='Share of the speed asked for.')
        self._bind(self.executor, 'speed_scale', speed)
        for name, what, service in (
            ('Disable: begin a dry run', 'disable', 'executor/disable'),
            ('Recover the robot', 'recover', 'executor/recover'),
        ):
            self._press(gui.add_button(name), what, service)

    def _go(self, event: Any) -> None:
        what = str(event.target.value).lower()
        self._steering.press(event.client_id, what, f'executor/{what}')

    def _press(self, button: Any, what: str, service: str) -> None:
        self._page.on_press(button, lambda who: self._steering.press(who, what, service))

    def _bind(self, parameters: RemoteParameters, name: str, control: Any) -> None:
        """Let a control show a parameter, and set it."""
        self._shown[parameters.other, name] = control
        self._page.on_change(
            control, lambda who, value: self._steering.set(who, parameters, name, value)
        )

    def _show(self, other: str, values: Values) -> None:
        for name, value in values.items():
            control = self._shown.get((other, name))
            if control is not None and control.value != value:
                control.value = _within(control, value)

    def _restore(self) -> None:
        self._show('policy', self.policy.values)
        self._show('executor', self.executor.values)


def _within(control: Any, value: Any) -> Any:
    """Return a value that a slider can show."""
    low, high = getattr(control, 'min', None), getattr(control, 'max', None)
    return value if low is None or high is None else min(max(value, low), high)
