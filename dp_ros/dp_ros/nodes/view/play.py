# SPDX-License-Identifier: Apache-2.0
"""The tab *Play*: episodes of a simulation, how they ended, and the policy that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import random
from typing import Any, Final

from dp_ros.nodes.view import texts
from dp_ros.nodes.view.bindings import Bindings
from dp_ros.nodes.view.loading import Loader
from dp_ros.nodes.view.page import Page
from dp_ros.nodes.view.score import Row
from dp_ros.nodes.view.steering import Steering

_SEEDS: Final = 100_000
_MOST_STEPS: Final = 100
_MOST_SAMPLES: Final = 64
_MOST_ACTIONS: Final = 32


class Play:
    """Asks for episodes and policies, and shows what came of them."""

    def __init__(self, page: Page, steering: Steering, bindings: Bindings, loader: Loader) -> None:
        self._page, self._steering, self._bindings = page, steering, bindings
        self._loader = loader
        self._policies: dict[str, str] = {}
        self._running = ''
        with page.play:
            self._add_episode()
            self._add_policy()
            self._add_score()

    def begin(self, page: int, new_scene: bool) -> None:
        """Begin an episode with new noise, in another scene or in the same."""
        if new_scene:
            self._scene.value = random.randrange(_SEEDS)
        scene, noise = int(self._scene.value), random.randrange(_SEEDS)
        remote, policy = self._steering.remote, self._bindings.policy
        what = f'scene {scene} with noise {noise}'
        self._steering.wish(page, what, lambda: remote.begin(policy, scene, noise))

    def follow_scene(self, scene: int) -> None:
        """Show the seed of the scene that is simulated."""
        if self._scene.value != scene and scene <= _SEEDS:
            self._scene.value = scene

    def show_simulated(self, simulated: bool) -> None:
        """Show the episodes only where there is a simulation to begin them."""
        if self._episode.visible != simulated:
            self._episode.visible = simulated

    def show_score(self, rows: Sequence[Row]) -> None:
        """Show the score board."""
        self._score.content = texts.score_table(rows)

    def show_policies(self, running: str, policies: Mapping[str, str]) -> None:
        """Show which policy runs, and which could.

        :param policies: their folders by their names.
        """
        self._running, self._policies = running, dict(policies)
        self._choice.options = tuple(policies)
        self.restore()

    def show_samplers(self, samplers: Sequence[str], most_steps: int) -> None:
        """Show how the running policy can be sampled, if it has samplers to choose from."""
        denoises = len(samplers) > 1
        if denoises:
            self._sampler.options = tuple(samplers)
            self._steps.max = max(2, min(most_steps, _MOST_STEPS))
        for control in (self._sampler, self._steps):
            control.visible = denoises
        self._bindings.restore()

    def restore(self) -> None:
        """Show the policy that runs."""
        if self._running in self._policies and self._choice.value != self._running:
            self._choice.value = self._running

    def _add_episode(self) -> None:
        gui, page = self._page.server.gui, self._page
        with gui.add_folder('Episode') as self._episode:
            self._scene = gui.add_number('Scene', 0, min=0, max=_SEEDS, step=1)
            self._again = gui.add_button('Same scene, new noise', icon='dice-5')
            self._new = gui.add_button('New scene', icon='player-play')
            self.keep_going = gui.add_checkbox(
                'Keep going', False, hint='When an episode has ended, begin one in a new scene.'
            )
            hint = 'Drag the goal or the obstacle in the scene.'
            gui.add_html(texts.page(f'<span class="dim">{hint}</span>'))
        page.on_press(self._again, lambda who: self.begin(who, new_scene=False))
        page.on_press(self._new, lambda who: self.begin(who, new_scene=True))

    def _add_policy(self) -> None:
        gui, bindings = self._page.server.gui, self._bindings
        with gui.add_folder('Policy'):
            hint = 'Those of this task in models/, and beside the one that runs.'
            self._choice = gui.add_dropdown('Policy', ('–',), hint=hint)
            self._sampler = gui.add_dropdown('Sampler', ('auto',), visible=False)
            self._steps = gui.add_slider('Denoising steps', 1, _MOST_STEPS, 1, 10, visible=False)
            samples = gui.add_slider('Samples drawn', 1, _MOST_SAMPLES, 1, 1)
            actions = gui.add_slider(
                'Actions followed', 0, _MOST_ACTIONS, 1, 0, hint='0: as the policy was trained.'
            )
        self._page.on_change(self._choice, self._load)
        bindings.bind(bindings.policy, 'sampler.name', self._sampler)
        bindings.bind(bindings.policy, 'sampler.num_inference_steps', self._steps)
        bindings.bind(bindings.policy, 'n_samples', samples)
        bindings.bind(bindings.executor, 'n_action_steps', actions)

    def _add_score(self) -> None:
        gui = self._page.server.gui
        with gui.add_folder('Last episodes'):
            self._score = gui.add_html(texts.score_table([]))
            self.clear = gui.add_button('Clear', icon='eraser')

    def _load(self, page: int, name: Any) -> None:
        """Load another policy; a simulation then begins its scene anew, an arm stays paused."""
        folder = self._policies.get(name)
        if folder is None:
            return
        scene, noise = int(self._scene.value), random.randrange(_SEEDS)
        remote, bindings = self._steering.remote, self._bindings

        async def work() -> None:
            self._page.notify(page, 'policy', f'{name} is being loaded', 'blue')
            await self._loader.load(folder)
            if remote.simulated:
                await remote.begin(bindings.policy, scene, noise)
            else:
                self._page.notify(page, 'policy', f'{name} runs; the arm is paused', 'green')

        self._steering.wish(page, f'policy {folder}', work)
