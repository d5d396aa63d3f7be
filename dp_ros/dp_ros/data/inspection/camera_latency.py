# SPDX-License-Identifier: Apache-2.0
"""A camera's own latency, from the motion in its images against the motion of the joints.

An image with the stamp t shows the arm at t - latency. So the difference of two images, stamped a
and b, goes with the way of the joints from a - latency to b - latency: of all latencies, the one
with the highest correlation is the camera's. Its interval is that of a bootstrap over blocks of
time (Künsch 1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Array, Rgb, Times
from dp_ros.data.datasets.dataset import resample
from dp_ros.robot.units import NS, to_ns
import numpy as np

EARLIEST: Final = -0.1
"""Lowest latency that is looked for [s]; one below 0 is of stamps that are too early."""
LATEST: Final = 0.5
"""Highest latency that is looked for [s]."""

_STEP: Final = 0.005
_LONG: Final = 1.5  # Longest time between two images, as a multiple of the median one.
_MOVING: Final = 0.02  # [rad/s], of all joints together
_BLOCK: Final = 1.0  # [s]; images closer than this are not independent of each other.
_DRAWS: Final = 400
_LEAST_TIME: Final = 4.0  # [s]
_LEAST_CORRELATION: Final = 0.6
_MOST_ONE_WAY: Final = 0.3
_WIDEST: Final = 0.02  # Half of the 95 % interval [s].
_WHAT_TO_DO: Final = (
    'move the arm to and fro in the picture for 20 s, quickly and with pauses of different '
    'length; nothing else may move there'
)


class TooLittleMotion(ValueError):
    """The latency cannot be told; the message says why, and what to do."""


@dataclass(frozen=True)
class Motion:
    """The motion between images that follow each other, n of them.

    :param times: (n,) time of the second image of each pair [s from the first image of all].
    :param of_images: (n,) mean absolute difference of their pixels, 0 to 255.
    :param of_joints: (n_lags, n) way of the joints [rad], with the images ``lags`` earlier.
    :param periods: (n,) times between the two images [s].
    :param steps: (n, J) ways of each joint, with its sign, by the stamps [rad].
    """

    times: Array
    of_images: Array
    of_joints: Array
    periods: Array
    steps: Array


@dataclass(frozen=True)
class CameraLatency:
    """The latency of a camera.

    :param latency: latency [s]; ``low`` and ``high``: its 95 % interval.
    :param correlation: correlation of the motions with that latency.
    :param correlations: (n_lags,) correlations with each of the ``lags`` (n_lags,) [s].
    :param motion: what it was measured from.
    """

    latency: float
    low: float
    high: float
    correlation: float
    lags: Array
    correlations: Array
    motion: Motion


def lags() -> Array:
    """Return the latencies that are tried [s]."""
    return np.arange(EARLIEST, LATEST + _STEP / 2, _STEP)


def measure_motion(
    image_stamps: Times, images: Sequence[Rgb], joint_stamps: Times, positions: Array
) -> Motion:
    """Measure the motion between images, and that of the joints.

    Pairs without joint states for every latency are left out, and those with an image missing.

    :param image_stamps: (k,) stamps [ns] of ``images``, k of (H, W, 3).
    :param joint_stamps: (m,) stamps [ns] of ``positions`` (m, J) [rad].
    """
    tried = lags()
    periods = np.diff(image_stamps) / NS
    early, late = joint_stamps[0] + to_ns(LATEST), joint_stamps[-1] + to_ns(EARLIEST)
    kept = (image_stamps[:-1] >= early) & (image_stamps[1:] <= late)
    if len(periods):
        kept &= periods < _LONG * np.median(periods)
    first = np.flatnonzero(kept)
    grey = {k: images[k].mean(axis=2) for k in sorted({*first.tolist(), *(first + 1).tolist()})}
    differences = [float(np.abs(grey[k + 1] - grey[k]).mean()) for k in first.tolist()]
    return Motion(
        (image_stamps[first + 1] - image_stamps[0]) / NS,
        np.array(differences),
        np.array([_way(image_stamps, first, lag, joint_stamps, positions) for lag in tried]),
        periods[first],
        np.diff(resample(joint_stamps, positions, image_stamps), axis=0)[first],
    )


def joined(motions: Sequence[Motion]) -> Motion:
    """Return the motions of several recordings as one, each after the one before."""
    ends = np.cumsum([0.0, *(float(each.times.max(initial=0.0)) for each in motions)])
    return Motion(
        np.concatenate([each.times + end for each, end in zip(motions, ends, strict=False)]),
        np.concatenate([each.of_images for each in motions]),
        np.concatenate([each.of_joints for each in motions], axis=1),
        np.concatenate([each.periods for each in motions]),
        np.concatenate([each.steps for each in motions]),
    )


def estimate(motion: Motion) -> CameraLatency:
    """Estimate the latency of a camera, with its uncertainty.

    :raises TooLittleMotion: when the motion does not tell it.
    """
    seconds = float(motion.periods[_moves(motion)].sum())
    if seconds < _LEAST_TIME:
        raise TooLittleMotion(
            f'the arm moved for {seconds:.1f} s, needs {_LEAST_TIME:.0f} s: {_WHAT_TO_DO}'
        )
    one_way = _one_way(motion)
    if one_way > _MOST_ONE_WAY:
        # What is nearer to the camera changes more of its picture; the way back balances that.
        raise TooLittleMotion(
            f'{one_way:.0%} of the way is not gone back, as in demonstrations, which biases the '
            f'result: {_WHAT_TO_DO}'
        )
    tried, n = lags(), len(motion.times)
    correlations = _correlations(np.ones((1, n)), motion)[0]
    best = float(correlations.max())
    if best < _LEAST_CORRELATION:
        raise TooLittleMotion(
            f'the images follow the joints with a correlation of {best:.2f} only, needs '
            f'{_LEAST_CORRELATION}: is it the right camera, and the arm in its picture? '
            f'{_WHAT_TO_DO[0].upper()}{_WHAT_TO_DO[1:]}'
        )
    if correlations.argmax() in (0, len(tried) - 1):
        raise TooLittleMotion(
            f'the latency is not between {EARLIEST} and {LATEST} s: are the stamps of the camera '
            'and of the joint states of one clock?'
        )
    low, high = np.percentile(_peaks(_correlations(_draws(motion), motion)), [2.5, 97.5])
    if (high - low) / 2 > _WIDEST:
        raise TooLittleMotion(
            f'the latency is between {low:.3f} and {high:.3f} s: the motion is too even. '
            f'{_WHAT_TO_DO[0].upper()}{_WHAT_TO_DO[1:]}'
        )
    latency = float(_peaks(correlations[None])[0])
    return CameraLatency(latency, float(low), float(high), best, tried, correlations, motion)


def _way(stamps: Times, first: Times, lag: float, joint_stamps: Times, positions: Array) -> Array:
    """Return the way (n,) of the joints between images, if those are ``lag`` [s] late [rad]."""
    at = resample(joint_stamps, positions, stamps - to_ns(lag))
    way: Array = np.linalg.norm(at[first + 1] - at[first], axis=1)
    return way


def _moves(motion: Motion) -> Array:
    """Tell for each pair of images (n,) whether the arm moved, with whatever latency."""
    moves: Array = motion.of_joints.mean(axis=0) > _MOVING * motion.periods
    return moves


def _one_way(motion: Motion) -> float:
    """Return the share of the way along the main direction of the joints that is not gone back."""
    _, _, axes = np.linalg.svd(motion.steps, full_matrices=False)
    along = motion.steps @ axes[0]
    return float(np.abs(along.sum()) / max(1e-9, np.abs(along).sum()))


def _draws(motion: Motion) -> Array:
    """Return how often each pair (n,) is in each draw (d, n) of the bootstrap."""
    blocks = (motion.times / _BLOCK).astype(np.int64)
    _, block = np.unique(blocks, return_inverse=True)
    count = int(block.max()) + 1
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=_DRAWS)
    return drawn[:, block].astype(np.float64)


def _correlations(weights: Array, motion: Motion) -> Array:
    """Return the correlations (d, n_lags) of images and joints, with weights (d, n) of pairs."""
    total = weights.sum(axis=1, keepdims=True)
    x, y = motion.of_images, motion.of_joints
    mean_x, mean_y = weights @ x[:, None] / total, weights @ y.T / total
    xy = weights @ (x * y).T / total - mean_x * mean_y
    xx = weights @ (x**2)[:, None] / total - mean_x**2
    yy = weights @ (y**2).T / total - mean_y**2
    found: Array = xy / np.sqrt(np.maximum(xx * yy, 1e-12))
    return found


def _peaks(correlations: Array) -> Array:
    """Return the latency (d,) of each highest correlation of (d, n_lags), between the lags [s]."""
    tried = lags()
    top = np.clip(correlations.argmax(axis=1), 1, len(tried) - 2)
    rows = np.arange(len(correlations))
    before, peak, after = (correlations[rows, top + k] for k in (-1, 0, 1))
    bend = np.minimum(before - 2 * peak + after, -1e-9)
    shift: Array = tried[top] + _STEP * np.clip((before - after) / (2 * bend), -1, 1)
    return shift
