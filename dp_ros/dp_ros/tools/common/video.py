# SPDX-License-Identifier: Apache-2.0
"""Writer of mp4 files that every browser plays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
from dp_ros.arrays import Rgb


def write_video(frames: Iterable[Rgb], file: Path, fps: int) -> None:
    """Encode rgb frames (H, W, 3) as H.264; all have one size, with even height and width."""
    with av.open(str(file), 'w') as container:
        stream = container.add_stream('h264', rate=fps, options={'crf': '26', 'preset': 'fast'})
        stream.pix_fmt = 'yuv420p'
        for frame in frames:
            if not stream.codec_context.is_open:
                stream.height, stream.width = frame.shape[:2]
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
