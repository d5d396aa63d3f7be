# SPDX-License-Identifier: Apache-2.0
"""Checks of one recorded episode by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dp_ros.data.inspection.figures import EpisodeFigures
from dp_ros.data.inspection.findings import LIMITS, Finding
from dp_ros.data.inspection.streams import allowed_silence
from dp_ros.data.windows.live import LiveLimits
from dp_ros.data.windows.window import WindowSpec, label
from dp_ros.robot.units import NS

Row = tuple[bool, str, str, float, str, str]
"""Whether to report it, and kind, what, size, training and advice of the `Finding`."""

_AS_THEY_ARE: Final = 'training takes them as they are'
_WITHOUT: Final = 'training leaves them out'
_AGAIN: Final = 'record it again, or remove its folder'
_LOAD: Final = 'reduce the load of computer, bus and network while recording'


def check_episode(episode: EpisodeFigures, spec: WindowSpec) -> Iterator[Finding]:
    """Yield findings about an episode; for one that training leaves out, the reason."""
    for stream in episode.streams:
        yield from _findings(episode, f'{label(stream)}: ', _stream(episode, stream, spec))
    if episode.skipped:
        what = episode.skipped
        yield Finding(f'left out: {what}', what, 1, 'training leaves it out', '', episode.name)
        return
    for rows in (_windows(episode, spec), _joints(episode), _commands(episode)):
        yield from _findings(episode, '', rows)
    for camera in episode.images:
        yield from _findings(episode, f'{label(camera)}: ', _images(episode, camera))


def most(counts: Mapping[str, int]) -> str:
    """Return a text with the most frequent reason, empty where there is none."""
    return f'; most often: {max(counts, key=lambda reason: counts[reason])}' if counts else ''


def _findings(episode: EpisodeFigures, prefix: str, rows: list[Row]) -> Iterator[Finding]:
    for is_so, kind, what, size, training, advice in rows:
        if is_so:
            yield Finding(prefix + kind, prefix + what, size, training, advice, episode.name)


def _windows(episode: EpisodeFigures, spec: WindowSpec) -> list[Row]:
    sets, lost = episode.sets, sum(episode.no_window.values())
    fewest = min((episode.streams[camera].messages for camera in episode.images), default=sets)
    single = fewest - sets
    messages = sum(figures.messages for figures in episode.streams.values())
    refused = sum(episode.refused.values())
    lost_messages = int(episode.info.get('messages_lost', '0') or 0)
    return [
        (
            lost > max(spec.n_obs_steps + 1, LIMITS.lost * sets),
            'windows lost',
            f'{lost} of {sets} images give no window{most(episode.no_window)}',
            lost / max(sets, 1),
            'training leaves them out',
            'check the stream that is named',
        ),
        (
            len(episode.images) > 1 and single > max(2, LIMITS.lost * fewest),
            'images alone',
            f'{single} of {fewest} images have none of each other camera within '
            f'{spec.slop_ns / 1e6:g} ms',
            single / max(fewest, 1),
            'training leaves them out',
            'run the cameras at one rate, better on one trigger',
        ),
        (
            refused > max(3, LIMITS.lost * messages),
            'messages refused',
            f'{refused} of {messages} messages are refused{most(episode.refused)}',
            refused / max(messages, 1),
            _WITHOUT,
            'check the driver: live they are refused as well',
        ),
        (
            bool(episode.cut),
            'cut off',
            episode.cut,
            1,
            'training takes what is whole',
            'look at its end: is the task done?',
        ),
        (
            lost_messages > 0,
            'messages lost',
            f'{lost_messages} messages never reached the recorder',
            lost_messages,
            _WITHOUT,
            'raise queue_size of demo_recorder, or record to a faster disk',
        ),
    ]


def _stream(episode: EpisodeFigures, stream: str, spec: WindowSpec) -> list[Row]:
    figures, allowed = episode.streams[stream], allowed_silence(spec, stream)
    gap, period = figures.largest_gap, 1 / figures.rate if figures.rate else 0.0
    share, least = LIMITS.jitter
    median, late = figures.latency or (0.0, 0.0)
    oldest, ahead = LiveLimits().max_age_ns / NS, LiveLimits().max_future_ns / NS
    return [
        (
            gap.value > allowed,
            'gap',
            f'nothing for {gap.value:.2f} s from {gap.at:.2f} s on, '
            f'{figures.dropped} messages missing in all',
            gap.value,
            'training leaves out the windows that need one there',
            _LOAD,
        ),
        (
            gap.value <= allowed and figures.dropped > LIMITS.lost * figures.messages,
            'dropped',
            f'{figures.dropped} messages are missing at {figures.rate:.3g} Hz, '
            f'{figures.messages} are there',
            figures.dropped / figures.messages,
            'training interpolates joints and takes the nearest images',
            _LOAD,
        ),
        (
            figures.disorder > 0,
            'disorder',
            f'{figures.disorder} stamps are not newer than those before',
            figures.disorder,
            _WITHOUT,
            'look for a second publisher of the topic, or a clock that is being set',
        ),
        (
            figures.jitter > max(share * period, least),
            'jitter',
            f'periods are up to {figures.jitter * 1e3:.0f} ms off their {period * 1e3:.0f} ms',
            figures.jitter,
            'training goes by the stamps',
            'have the driver stamp when it measures, not when it publishes',
        ),
        (
            late > oldest,
            'late',
            f'comes {late:.2f} s after its stamp',
            late,
            'training goes by the stamps',
            f'lower the latency: live, what is older than {oldest:g} s is refused',
        ),
        (
            median < -ahead,
            'ahead',
            f'comes {-median:.2f} s before its stamp',
            -median,
            'training goes by the stamps',
            f'synchronize the clocks: live, what is {ahead:g} s ahead is refused',
        ),
    ]


def _images(episode: EpisodeFigures, camera: str) -> list[Row]:
    figures, count = episode.images[camera], episode.streams[camera].messages
    share, longest = LIMITS.frozen
    freeze = figures.longest_freeze
    return [
        (
            figures.black > 0,
            'black',
            f'{figures.black} of {count} images are black, the first at {figures.black_at:.2f} s',
            figures.black,
            _AS_THEY_ARE,
            f'check the light, the lens and the driver; {_AGAIN}',
        ),
        (
            freeze.value > longest or figures.frozen > share * count,
            'frozen',
            f'{figures.frozen} of {count} images repeat the one before while the arm moves, '
            f'longest for {freeze.value:.2f} s from {freeze.at:.2f} s on',
            freeze.value,
            _AS_THEY_ARE,
            f'check the cable and the driver; {_AGAIN}',
        ),
    ]


def _joints(episode: EpisodeFigures) -> list[Row]:
    joints = episode.joints
    if joints is None:
        return []
    margins = [value for value in joints.margin if value is not None]
    margin = min(margins, default=1.0)
    closest = episode.joint_names[joints.margin.index(margin)] if margins else ''
    jump = joints.largest_jump
    where = 'beyond' if margin < 0 else 'from'
    return [
        (
            margin < LIMITS.margin,
            'joint limit',
            f"{closest} is {abs(margin):.3f} rad {where} the FR3's limit",
            -margin,
            'training takes it as it is, and the policy goes there',
            'the executor brakes before the limit; demonstrate another posture',
        ),
        (
            joints.jumps > 0,
            'jump',
            f'{joints.jumps} steps are faster than an FR3, {jump.joint} by {jump.value:.3f} rad '
            f'at {jump.at:.2f} s',
            jump.value,
            _AS_THEY_ARE,
            f'look for a second publisher of the joint states; {_AGAIN}',
        ),
        (
            joints.still_start > LIMITS.still_start and not episode.idle,
            'still at the start',
            f'nothing moves for {joints.still_start:.1f} s at the start',
            joints.still_start,
            'training includes it, and the policy may never start',
            'start recording when you start moving, or set train.trim_idle to true',
        ),
        (
            joints.still_end > LIMITS.still_end,
            'still at the end',
            f'nothing moves for {joints.still_end:.1f} s at the end',
            joints.still_end,
            'training includes it, and learns little else there',
            'stop recording when the task is done',
        ),
    ]


def _commands(episode: EpisodeFigures) -> list[Row]:
    commands = episode.commands
    if commands is None:
        return []
    rejected, error = sum(commands.rejected.values()), commands.error
    return [
        (
            rejected > LIMITS.lost * commands.trajectories,
            'commands refused',
            f'{rejected} of {commands.trajectories} commands are rejected by their controller'
            f'{most(commands.rejected)}',
            rejected,
            _WITHOUT,
            'check the node that commands the arm',
        ),
        (
            error.value > LIMITS.error,
            'tracking error',
            f'{error.joint} is {error.value:.3f} rad from its command at {error.at:.2f} s',
            error.value,
            'training takes the commands as actions',
            'check whether the controller is too soft, or the topic is that of another arm',
        ),
        (
            commands.ahead is not None and commands.ahead < LIMITS.ahead,
            'commands repeat the arm',
            f'the commands equal the positions that follow, within {commands.ahead or 0:.6f} rad',
            -(commands.ahead or 0.0),
            'training takes them as actions that lead nowhere, and the policy may creep or stay',
            'record what is sent to the controller, not joint states that are published again; '
            'mock hardware gives such recordings too',
        ),
    ]
