# SPDX-License-Identifier: Apache-2.0
"""A page without a browser: what viser's client sends when a person does something."""

import threading

import msgspec
import viser
from viser import _messages
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

_CAMERA = _messages.ViewerCameraMessage(
    wxyz=(1.0, 0.0, 0.0, 0.0),
    position=(1.0, 0.0, 1.0),
    fov=1.0,
    near=0.01,
    far=100.0,
    image_height=800,
    image_width=1280,
    look_at=(0.0, 0.0, 0.0),
    up_direction=(0.0, 0.0, 1.0),
)


class ViewPage:
    """An open page; what it gets is only counted."""

    def __init__(self, port, **headers):
        self._socket = connect(
            f'ws://127.0.0.1:{port}',
            subprotocols=[Subprotocol(f'viser-v{viser.__version__}')],
            additional_headers=headers,
            max_size=None,
            compression=None,
        )
        self.n_received = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._send(_CAMERA)

    def press(self, control):
        """Press a button, or a name of a group of buttons."""
        self.set(control, True)

    def set(self, control, value):
        self._send(_messages.GuiUpdateMessage(control._impl.uuid, {'value': value}))

    def drag(self, name, position):
        """Drag a handle of the scene to a point."""
        self._send(_messages.TransformControlsDragStartMessage(name))
        self._send(_messages.TransformControlsUpdateMessage(name, (1.0, 0.0, 0.0, 0.0), position))
        self._send(_messages.TransformControlsDragEndMessage(name))

    def close(self):
        self._socket.close()
        self._reader.join()

    def vanish(self):
        """Go without a word, as a computer that is switched off."""
        self._socket.socket.close()

    def _send(self, message):
        self._socket.send(msgspec.msgpack.encode(message.as_serializable_dict([])))

    def _read(self):
        try:
            for _ in self._socket:
                self.n_received += 1
        except (ConnectionClosed, OSError):
            return
