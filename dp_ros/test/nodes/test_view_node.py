# SPDX-License-Identifier: Apache-2.0
"""The view's node, with pages that speak viser's protocol, against a stand-in for the others."""

from dp_ros.ros.guard import failures
from dp_ros_msgs.msg import EpisodeStatus, ExecutorStatus, PolicyStatus
from geometry_msgs.msg import Point, PoseStamped
import numpy as np
import pytest
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import Marker, MarkerArray

pytest.importorskip('viser', reason='viser is not installed: pip install viser pycollada')
from view_cell import NEW, cells

ROBOT = """<robot name="r"><link name="base"/><link name="tip"><visual><geometry>
<box size=".1 .1 .1"/></geometry></visual></link><joint name="j" type="revolute">
<parent link="base"/><child link="tip"/><axis xyz="0 0 1"/></joint></robot>"""


@pytest.fixture
def make(ros_context):
    with cells(ros_context) as make:
        yield make


@pytest.fixture
def cell(make):
    return make()


def link_of(cell):
    arm = cell.node._arm
    return None if arm is None else np.array(arm._links['tip'].wxyz)


def test_the_arm_moves_on_an_open_page_and_nothing_is_drawn_without_one(cell):
    joints = cell.world.say(JointState, 'joint_states', JointState(name=['j'], position=[0.0]))
    image = Image(height=2, width=2, encoding='rgb8', step=6, data=bytes(12))
    images = cell.world.say(Image, 'camera/front/image_raw', image)
    cell.world.say(String, 'robot_description', String(data=ROBOT))
    cell.until(lambda: cell.node._arm is not None and cell.node._arm._with_meshes)
    assert not cell.world.count_subscribers('joint_states')
    page = cell.open()
    received = page.n_received

    def moves():
        joints.publish(JointState(name=['j'], position=[np.pi / 2]))
        return np.allclose(link_of(cell), [0.5**0.5, 0, 0, 0.5**0.5])

    cell.until(moves)
    cell.until(lambda: images.publish(image) or 'front' in cell.page._cameras)
    cell.until(lambda: page.n_received > received)
    page.close()
    cell.until(lambda: not cell.node._pages)
    topics = ('joint_states', 'camera/front/image_raw', 'policy/markers')
    cell.until(lambda: not any(cell.world.count_subscribers(topic) for topic in topics))


@pytest.mark.parametrize('control', ['auto', 'off'])
def test_the_emergency_stop_is_there_also_where_nothing_else_is(make, control):
    cell = make(simulated=False, control=control)
    page = cell.open()
    page.set(cell.page.go, 'Resume')
    cell.until(lambda: cell.notes)
    assert '--control' in cell.notes[0][1]
    page.press(cell.page.estop)
    cell.until(lambda: cell.world.calls)
    assert cell.world.calls == ['executor/estop']


def test_a_page_steers_an_arm_with_control(make):
    cell = make(simulated=False, control='on')
    cell.open().set(cell.page.go, 'Pause')
    cell.until(lambda: cell.world.calls == ['executor/pause'])


def test_a_scene_begins_again_with_other_noise(cell):
    page = cell.open()
    page.set(cell.controls.play._scene, 5)
    cell.until(lambda: cell.controls.play._scene.value == 5)
    page.press(cell.controls.play._again)
    cell.until(lambda: cell.world.calls == NEW)
    noise = cell.controls.parameters.policy.values['seed']
    page.press(cell.controls.play._again)
    cell.until(lambda: len(cell.world.calls) == 2 * len(NEW))
    assert cell.world.scenes == [5, 5]
    assert cell.controls.parameters.policy.values['seed'] != noise
    cell.world.refuse = 'the arm is still braking'
    page.press(cell.controls.play._new)
    cell.until(lambda: (0, 'the arm is still braking') in cell.notes)


def test_parameters_are_set_and_a_refused_one_is_put_back_with_its_reason(cell):
    page = cell.open()
    samples, speed = (
        cell.controls.parameters._shown[key]
        for key in (('policy', 'n_samples'), ('executor', 'speed_scale'))
    )
    page.set(samples, 8)
    cell.until(lambda: 'n_samples' in cell.world.calls)
    page.set(speed, 0.7)
    cell.until(lambda: (0, 'too fast here') in cell.notes)
    assert speed.value == 1.0
    page.set(speed, 0.3)
    cell.until(lambda: cell.world.get_parameter('speed_scale').value == 0.3)
    cell.world.set_parameters([Parameter('n_action_steps', value=4)])
    actions = cell.controls.parameters._shown['executor', 'n_action_steps']
    cell.until(lambda: actions.value == 4)


def test_the_goal_is_dragged_and_put_back_where_it_is_not_taken(cell):
    goal = PoseStamped()
    goal.header.frame_id, goal.pose.position = 'base', Point(x=0.6, y=0.1, z=0.2)
    cell.world.say(PoseStamped, 'goal', goal)
    page = cell.open()
    cell.until(lambda: cell.node._dragging._handles['goal']._handle.visible)
    page.drag('/goal', (0.5, -0.1, 0.0))

    def asked():
        return [
            (g.pose.position.x, g.pose.position.y, g.pose.position.z) for g in cell.world.goals
        ]

    cell.until(lambda: (0.5, -0.1, 0.2) in asked())
    assert cell.world.goals[-1].header.frame_id == 'base'
    cell.until(
        lambda: np.allclose(cell.node._dragging._handles['goal']._handle.position, (0.6, 0.1, 0.0))
    )


def test_one_page_steers_at_a_time_and_one_that_vanishes_stops_nothing(cell):
    first, second = cell.open(), cell.open()
    first.set(cell.page.go, 'Resume')
    cell.until(lambda: cell.world.calls == ['executor/resume'])
    second.set(cell.page.go, 'Pause')
    cell.until(lambda: cell.notes)
    assert 'another page' in cell.notes[0][1]
    second.press(cell.page.estop)
    cell.until(lambda: cell.world.calls[-1] == 'executor/estop')
    second.press(cell.controls._take)
    cell.until(lambda: cell.steers(1))
    second.vanish()
    cell.until(lambda: cell.steers(None))
    first.set(cell.page.go, 'Pause')
    cell.until(lambda: cell.steers(0))
    cell.until(lambda: len(cell.world.calls) == 3)
    assert cell.world.calls == ['executor/resume', 'executor/estop', 'executor/pause']


def chunk_markers(y):
    names = ('executed', 'previous', 'committed', 'rest', 'denoising', 'denoising')
    markers = []
    for number, name in enumerate(names):
        marker = Marker(ns=name, id=number, type=Marker.LINE_STRIP, action=Marker.ADD)
        marker.points = [Point(x=0.0, y=y), Point(x=1.0, y=y)]
        markers.append(marker)
    return MarkerArray(markers=markers)


def test_the_chunk_is_drawn_by_layers_and_with_a_ghost(cell):
    cell.world.say(String, 'robot_description', String(data=ROBOT))
    page = cell.open()
    markers = cell.world.say(MarkerArray, 'policy/markers', chunk_markers(0.1))
    cell.until(lambda: 'committed' in cell.node._chunk_view._nodes)
    markers.publish(chunk_markers(0.2))
    nodes = cell.node._chunk_view._nodes
    cell.until(lambda: np.allclose(nodes['committed'].points[0, 0], (0.0, 0.2, 0.0)))
    assert 'previous' in nodes
    assert 'denoising' not in nodes
    page.set(cell.page.layers['denoising'], True)
    cell.until(lambda: 'denoising' in nodes and 'show_denoising' in cell.world.calls)
    page.set(cell.page.layers['previous'], False)
    cell.until(lambda: 'previous' not in nodes)
    chunk = JointTrajectory(joint_names=['j'])
    chunk.points = [JointTrajectoryPoint(positions=[np.pi * k]) for k in (0, 1)]
    cell.world.say(JointTrajectory, 'policy/chunk', chunk)
    page.set(cell.page.ghost_step, 1)
    page.set(cell.page.ghost, True)
    cell.until(lambda: cell.node._arm._ghosts['tip'].visible)
    cell.until(lambda: np.allclose(np.abs(cell.node._arm._ghosts['tip'].wxyz), (0, 0, 0, 1)))
    markers.publish(MarkerArray(markers=[Marker(action=Marker.DELETEALL)]))
    cell.until(lambda: not nodes)


def test_the_panel_says_what_the_nodes_say(cell):
    cell.open()
    status = ExecutorStatus(state=5, reason='emergency stop', inhibited_by=['estop'])
    cell.world.say(ExecutorStatus, 'executor/status', status)
    policy = PolicyStatus(checkpoint='/models/reach', chunk_id=1, sampler='ddim', latency=0.08)
    cell.world.say(PolicyStatus, 'policy/status', policy)
    cell.until(lambda: 'emergency stop' in cell.page._state.content)
    cell.until(lambda: '80 ms' in cell.page._state.content)
    assert cell.page.release.visible
    ended = EpisodeStatus(state=EpisodeStatus.SUCCESS, seed=3, elapsed=2.0, side='left')
    cell.world.say(EpisodeStatus, 'episode/status', ended)
    cell.until(lambda: '1 of 1' in cell.controls.play._score.content)
    cell.world.get_logger().warning('the camera is late')
    cell.until(lambda: 'the camera is late' in cell.page._warnings.content)


def test_messages_with_nan_and_without_sense_fail_nothing(cell):
    nan = float('nan')
    cell.open()
    for text in ('', '<robot/>', ROBOT):
        cell.world.say(String, 'robot_description', String(data=text))
    cell.world.say(JointState, 'joint_states', JointState(name=['j'], position=[nan]))
    cell.world.say(PolicyStatus, 'policy/status', PolicyStatus(latency=nan, inference_time=nan))
    marker = Marker(type=Marker.CUBE, action=Marker.ADD)
    marker.pose.position.x = nan
    cell.world.say(MarkerArray, 'scene/markers', MarkerArray(markers=[marker]))
    image = Image(height=9, width=9, encoding='nonsense')
    images = cell.world.say(Image, 'camera/front/image_raw', image)
    cell.until(lambda: cell.node._scene_view.left_out and link_of(cell) is not None)
    warnings = cell.node._reports.warnings
    cell.until(lambda: images.publish(image) or any('nonsense' in text for _, text in warnings))
    assert failures(cell.node).count == 0
