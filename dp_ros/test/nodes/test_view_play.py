# SPDX-License-Identifier: Apache-2.0
"""What a page changes beside the arm: the obstacle, the policy that runs, demonstrations."""

from pathlib import Path
import shutil

from dp_ros.data.bags.storage import bag_info
from dp_ros.nodes.demo_recorder.node import DemoRecorderNode
from dp_ros.nodes.policy.node import PolicyNode
from dp_ros.policy.methods.regression import Regression
from dp_ros_msgs.msg import EpisodeStatus
import numpy as np
import pytest
from rclpy.parameter import Parameter
import tiny_policy

pytest.importorskip('viser', reason='viser is not installed: pip install viser pycollada')
from view_cell import NEW, cells

ANEW = [call for call in NEW if call not in ('seed', 'policy/reset')]
"""What is asked of others than the policy."""


@pytest.fixture
def make(ros_context, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where there is no folder models/
    with cells(ros_context) as make:
        yield make


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """Policies of one task, one of them broken, and one of another task."""
    folder = tmp_path_factory.mktemp('models')
    tiny_policy.checkpoint(folder / 'diffusion', name='reach')
    tiny_policy.checkpoint(folder / 'mean', name='reach', method=Regression())
    tiny_policy.checkpoint(folder / 'other', name='pusht')
    shutil.copytree(folder / 'mean', folder / 'torn')
    (folder / 'torn' / 'policy.safetensors').write_bytes(b'')
    return folder


def policy_node(context, checkpoint):
    given = {'checkpoint': str(checkpoint), 'engine': 'torch', 'device': 'cpu'}
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    return PolicyNode(context=context, parameter_overrides=overrides)


def loaded(cell):
    policy = cell.nodes[-1]
    return Path(policy._checkpoint).name if policy._active else None


def test_a_policy_of_the_task_is_chosen_and_one_that_cannot_be_loaded_is_refused(
    make, ros_context, models
):
    cell = make(policy=policy_node(ros_context, models / 'diffusion'))
    page, play = cell.open(), cell.controls.play
    cell.until(lambda: play._choice.value == 'diffusion' and play._sampler.visible)
    assert play._choice.options == ('diffusion', 'mean', 'torn')
    assert play._sampler.options == ('auto', 'ddim', 'ddpm', 'dpmsolver++')
    assert play._steps.max == 20
    page.set(play._sampler, 'ddpm')
    cell.until(lambda: cell.nodes[-1]._values['sampler.name'] == 'ddpm')
    page.set(play._choice, 'mean')
    cell.until(lambda: loaded(cell) == 'mean')
    cell.until(lambda: cell.world.calls[-1:] == ['executor/resume'])
    assert cell.world.calls == ['executor/pause', *ANEW]
    cell.until(lambda: not play._sampler.visible and not play._steps.visible)
    cell.world.calls.clear()
    page.set(play._choice, 'torn')
    cell.until(lambda: any('policy.safetensors' in text for _, text in cell.notes))
    assert cell.notes[-1][1].endswith(f'{models / "mean"} is loaded again')
    cell.until(lambda: loaded(cell) == 'mean' and play._choice.value == 'mean')
    assert cell.world.calls == ['executor/pause']


def test_an_arm_stays_paused_with_another_policy_and_only_with_control(make, ros_context, models):
    cell = make(
        simulated=False, control='on', policy=policy_node(ros_context, models / 'diffusion')
    )
    page, play = cell.open(), cell.controls.play
    cell.until(lambda: 'mean' in play._choice.options)
    page.set(play._choice, 'mean')
    cell.until(lambda: (0, 'mean runs; the arm is paused') in cell.notes)
    assert cell.world.calls == ['executor/pause']


def test_the_obstacle_is_dragged_where_there_is_one(make):
    cell = make()
    status = EpisodeStatus(state=EpisodeStatus.RUNNING, seed=3, obstacle_radius=0.05)
    status.header.frame_id = 'base'
    status.obstacle.x, status.obstacle.y = 0.55, 0.02
    statuses = cell.world.say(EpisodeStatus, 'episode/status', status)
    page, handle = cell.open(), cell.node._dragging._handles['obstacle']._handle

    def shown():
        statuses.publish(status)
        return handle.visible

    cell.until(shown)
    assert np.allclose(handle.position, (0.55, 0.02, 0.11))
    page.drag('/obstacle', (0.57, -0.01, 0.11))
    cell.until(lambda: cell.world.obstacles)
    asked = cell.world.obstacles[-1]
    assert (asked.header.frame_id, asked.pose.position.y) == ('base', -0.01)
    assert not cell.world.goals
    status.obstacle_radius = 0.0
    cell.until(lambda: not shown())


def test_demonstrations_are_started_kept_and_discarded_with_their_counts(
    make, ros_context, tmp_path
):
    given = {'directory': str(tmp_path), 'warn_free_space': 0, 'min_free_space': 0}
    recorder = DemoRecorderNode(
        context=ros_context,
        parameter_overrides=[Parameter(name, value=value) for name, value in given.items()],
    )
    cell = make(others=(recorder,))
    running = EpisodeStatus(state=EpisodeStatus.RUNNING, seed=7)
    cell.world.say(EpisodeStatus, 'episode/status', running)
    page, panel = cell.open(), cell.controls.recorder

    def told(text):
        cell.until(lambda: any(text in note for _, note in cell.notes))
        cell.notes.clear()

    cell.until(lambda: panel.folder.visible and cell.node._episodes.scene == 7)
    page.press(panel.discard)
    told('no episode is open')
    page.press(panel.start)
    told('recording episode_000000')
    cell.until(lambda: 'recording episode_000000' in panel._counts.content)
    page.press(panel.discard)
    told('episode_000000 discarded')
    for button, how in ((panel.keep, 'a success'), (panel.keep_failure, 'a failure')):
        page.press(panel.start)
        told('recording')
        page.press(button)
        told(f'kept as {how}')
    cell.until(lambda: '1 of 2 episodes succeeded' in panel._counts.content)
    assert bag_info(tmp_path / 'episode_000000')['seed'] == '7'
