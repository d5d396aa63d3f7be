# SPDX-License-Identifier: Apache-2.0
"""A chunk to make, and the status that says how it was made and where its time went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dp_ros.arrays import Array
from dp_ros.nodes.policy.inbox import Received
from dp_ros.policy.policy import Policy
from dp_ros.robot.units import NS
from dp_ros.ros.conversions import ns_to_time
from dp_ros.ros.live_parameters import Values
from dp_ros_msgs.msg import PolicyStatus


@dataclass(frozen=True)
class Job:
    """A chunk to make: the observation and a snapshot of everything it depends on.

    :param run: number of the activation or reset; a chunk of an earlier one is not published.
    :param checkpoint: folder that the policy was loaded from; the parameter may have changed.
    :param prefix: (delay, J) committed actions that the chunk begins with.
    """

    run: int
    policy: Policy
    checkpoint: str
    received: Received
    seed: int
    values: Values
    prefix: Array

    @property
    def stamp_ns(self) -> int:
        """Stamp of the observation and of its chunk [ns]."""
        return self.received.stamp_ns

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of the policy."""
        conditioned = {'prefix': self.prefix, 'conditioning': self.values['conditioning']}
        return sampling(self.values) | conditioned


@dataclass(frozen=True)
class Inference:
    """When a chunk was made [ns] (node clock), and how long it took [s] (steady clock)."""

    begun_ns: int
    ended_ns: int
    duration: float


def sampling(values: Values) -> dict[str, Any]:
    """Return the options of the sampler."""
    return {
        'sampler': values['sampler.name'],
        'num_inference_steps': values['sampler.num_inference_steps'],
    }


def durations(job: Job, inference: Inference, published_ns: int) -> dict[str, float]:
    """Return where the time of a chunk went [s]."""
    received_ns = job.received.received_ns
    between = {
        'observation': received_ns - job.stamp_ns,
        'waiting': inference.begun_ns - received_ns,
        'inference': inference.ended_ns - inference.begun_ns,
        'publishing': published_ns - inference.ended_ns,
        'latency': published_ns - job.stamp_ns,
    }
    return {stage: duration_ns / NS for stage, duration_ns in between.items()}


def status_msg(job: Job, inference: Inference, published_ns: int, chunk_id: int) -> PolicyStatus:
    """Return how and when a chunk was made."""
    policy, method = job.policy, job.policy.config.method
    status = PolicyStatus(
        chunk_id=chunk_id,
        seed=job.seed,
        sampler=method.sampler(job.values['sampler.name']),
        num_inference_steps=job.values['sampler.num_inference_steps'] if method.samplers else 1,
        engine=policy.engine.name,
        device=policy.engine.device,
        checkpoint=job.checkpoint,
        checkpoint_digest=policy.digest,
        received=ns_to_time(job.received.received_ns),
        inference_begun=ns_to_time(inference.begun_ns),
        inference_ended=ns_to_time(inference.ended_ns),
        published=ns_to_time(published_ns),
        inference_time=inference.duration,
        latency=(published_ns - job.stamp_ns) / NS,
        delay=len(job.prefix),
        prefix=job.prefix.ravel().tolist(),
    )
    status.header.stamp = ns_to_time(job.stamp_ns)
    return status
