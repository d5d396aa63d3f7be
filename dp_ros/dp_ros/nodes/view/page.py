# SPDX-License-Identifier: Apache-2.0
"""Layout of the page: the panel beside the scene, and the points to look from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dp_ros.arrays import Rgb
from dp_ros.nodes.view import texts
from dp_ros.nodes.view.chunk_view import LAYERS, LEGEND

ESTOP: Final = 'EMERGENCY STOP'
# Name: (position of the camera [m], point it looks at [m], up)
VIEWPOINTS: Final = {
    '3D': ((1.35, -0.62, 0.72), (0.42, 0.0, 0.2), (0.0, 0.0, 1.0)),
    'Above': ((0.5, 0.0, 1.3), (0.501, 0.0, 0.0), (1.0, 0.0, 0.0)),
    'Side': ((0.4, -1.25, 0.3), (0.4, 0.0, 0.27), (0.0, 0.0, 1.0)),
    'Front': ((1.6, 0.0, 0.45), (0.3, 0.0, 0.25), (0.0, 0.0, 1.0)),
}
_LAYER_NAMES: Final = dict(
    zip(LAYERS, ('Executed path', 'Previous chunk', 'Samples (fan)', 'Denoising'), strict=True)
)

Press = Callable[[int], None]
"""Function that gets the page on which something was pressed."""
Change = Callable[[int, Any], None]
"""Function that gets the page on which a value was changed, and the value."""


class Page:
    """The panel; what every open page shows is the same.

    :param server: the running viser.ViserServer.
    """

    def __init__(self, server: Any, title: str) -> None:
        self.server = server
        self._gui = gui = server.gui
        gui.configure_theme(show_logo=False, show_share_button=False, brand_color=(24, 100, 171))
        gui.set_panel_label(title)
        gui.main_panel.dock_right()
        gui.main_panel.set_width(330)
        _light(server.scene)
        self._state = gui.add_html(texts.STYLE)
        self.estop = gui.add_button(ESTOP, color=(224, 49, 49), icon='hand-stop')
        self.release = gui.add_button('Clear the emergency stop', visible=False)
        self.enable = gui.add_button('Enable: leave the dry run', visible=False, color='blue')
        self.go = gui.add_button_group('', ('Pause', 'Resume'))
        self.tabs = gui.add_tab_group()
        with self.tabs.add_tab('See'):
            self._add_see()
        self.play, self.arm = self.tabs.add_tab('Play'), self.tabs.add_tab('Arm')
        with self.tabs.add_tab('Figures'):
            with gui.add_folder('Where the time of a chunk goes'):
                self._ledger = gui.add_html(texts.ledger_bar([]))
            with gui.add_folder('Nodes'):
                self._diagnostics = gui.add_html(texts.diagnostics_table([]))
            with gui.add_folder('Warnings'):
                self._warnings = gui.add_html('')

    def _add_see(self) -> None:
        gui = self._gui
        look = gui.add_button_group('Look from', tuple(VIEWPOINTS))
        look.on_click(lambda event: look_from(event.client, str(look.value)))
        with gui.add_folder('Cameras') as self._camera_folder:
            self._cameras: dict[str, Any] = {}
            self._no_camera = gui.add_html(texts.page('no images yet'))
        with gui.add_folder('Chunk'):
            gui.add_html(texts.legend(LEGEND))
            self.layers = {
                layer: gui.add_checkbox(name, layer != 'denoising')
                for layer, name in _LAYER_NAMES.items()
            }
            self.step = gui.add_slider('Denoising step', 0, 12, 1, 12)
        with gui.add_folder('Arm'):
            self.opacity = gui.add_slider('Opacity', 0.1, 1.0, 0.05, 0.7)
            self.ghost = gui.add_checkbox('Ghost along the chunk', False)
            self.ghost_step = gui.add_slider('Point of the chunk', 0, 15, 1, 8)
        self._missing = gui.add_html('')

    def show_state(self, html: str) -> None:
        """Show the state of the executor and the policy."""
        _write(self._state, texts.STYLE + html)

    def show_offers(self, stopped: bool, is_dry_run: bool) -> None:
        """Show the buttons that only one state needs."""
        for button, wanted in ((self.release, stopped), (self.enable, is_dry_run)):
            if button.visible != wanted:
                button.visible = wanted

    def show_ledger(self, html: str) -> None:
        """Show where the time of the last chunk went."""
        _write(self._ledger, html)

    def show_diagnostics(self, html: str) -> None:
        """Show the reports of the nodes."""
        _write(self._diagnostics, html)

    def show_warnings(self, html: str) -> None:
        """Show the last warnings of the log."""
        _write(self._warnings, html)

    def show_missing(self, html: str) -> None:
        """Show what is missing to draw the robot."""
        _write(self._missing, html)

    def show_image(self, camera: str, image: Rgb) -> None:
        """Show the newest image of a camera."""
        if camera in self._cameras:
            self._cameras[camera].image = image
            return
        with self._camera_folder:
            self._cameras[camera] = self._gui.add_image(image, label=camera, format='jpeg')
        self._no_camera.visible = False

    def set_steps(self, n_steps: int) -> int:
        """Let the slider reach the last denoising step, and return the step it is at.

        It stays at the end if it was there.
        """
        last = max(1, n_steps - 1)
        if n_steps and self.step.max != last:
            at_end = self.step.value >= self.step.max
            self.step.max = last
            self.step.value = last if at_end else min(self.step.value, last)
        return int(self.step.value)

    def notify(self, page: int | None, title: str, text: str, colour: str = 'red') -> None:
        """Show a message on one page, or on all of them."""
        for number, client in self.server.get_clients().items():
            if page in (None, number):
                client.add_notification(title, text, color=colour, auto_close_seconds=8.0)

    def on_press(self, button: Any, press: Press) -> None:
        """Call a function when a button is pressed on a page."""
        button.on_click(lambda event: press(event.client_id))

    def on_change(self, control: Any, change: Change) -> None:
        """Call a function when a person changes a value, not when the node does."""

        def changed(event: Any) -> None:
            if event.client_id is not None:
                change(event.client_id, control.value)

        control.on_update(changed)


def look_from(client: Any, name: str) -> None:
    """Move the camera of a page to a named point."""
    if client is not None:
        position, look_at, up = VIEWPOINTS[name]
        with client.atomic():
            client.camera.up_direction = up
            client.camera.position = position
            client.camera.look_at = look_at


def _write(element: Any, html: str) -> None:
    """Send a text if it is another one."""
    if element.content != html:
        element.content = html


def _light(scene: Any) -> None:
    """Prepare the scene: the table, its grid, and where a page first looks from."""
    scene.set_up_direction('+z')
    scene.add_grid(
        '/grid',
        width=1.6,
        height=1.6,
        cell_size=0.1,
        section_size=0.4,
        cell_color=(225, 228, 232),
        section_color=(200, 205, 212),
        position=(0.4, 0.0, -0.001),
    )
    position, look_at, _ = VIEWPOINTS['3D']
    camera = scene._owner.initial_camera
    camera.position, camera.look_at = position, look_at
