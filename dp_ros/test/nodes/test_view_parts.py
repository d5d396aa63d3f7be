# SPDX-License-Identifier: Apache-2.0
"""The parts of the view that need no page: who may enter and steer, counts, times, shapes."""

from http import HTTPStatus
import json
import socket

from dp_ros.nodes.view.chunk_view import paths_of
from dp_ros.nodes.view.control import Control
from dp_ros.nodes.view.door import Door, DoorError, door_for, link, open_server
from dp_ros.nodes.view.ledger import Stage, stages
from dp_ros.nodes.view.link_tree import LinkTree
from dp_ros.nodes.view.meshes import MeshError, coarse, path_of, read_meshes
from dp_ros.nodes.view.node import _overrides
from dp_ros.nodes.view.policies import policies_beside
from dp_ros.nodes.view.score import Row, ScoreBoard
from dp_ros.nodes.view.texts import diagnostics_table, ledger_bar, score_table, state_card
from dp_ros.robot.chain import quaternion
from dp_ros.robot.description import DescriptionError
from dp_ros.robot.kinematics import JOINT_NAMES, link_poses
from dp_ros.ros.ledger import EXECUTOR, POLICY
from dp_ros.sim.urdf import robot_description
from dp_ros.task.task import Task, task_to_dict
from geometry_msgs.msg import Point
import numpy as np
import pytest
from visualization_msgs.msg import Marker, MarkerArray

LOCAL = {'Host': '127.0.0.1:8080'}
OTHER = {'Host': 'cell:8080'}


@pytest.mark.parametrize(
    'headers',
    [
        LOCAL,
        {'Host': 'localhost:8080'},
        {'Host': '[::1]:8080'},
        LOCAL | {'Origin': 'http://127.0.0.1:8080'},
    ],
)
def test_the_machine_itself_enters(headers):
    assert door_for('127.0.0.1', 'unused').answer('/', headers) is None


@pytest.mark.parametrize(
    'headers',
    [
        {},
        OTHER,
        {'Host': '127.0.0.1.evil.example:8080'},
        LOCAL | {'Origin': 'http://evil.example'},
        LOCAL | {'Origin': 'http://127.0.0.1:9090'},
        LOCAL | {'Origin': 'null'},
    ],
)
def test_a_page_of_another_site_does_not_enter(headers):
    assert Door().answer('/', headers).status == HTTPStatus.FORBIDDEN


def test_another_machine_enters_by_the_token_of_the_link_and_stays_by_its_cookie():
    door = door_for('0.0.0.0', 'word')
    assert link('0.0.0.0', 8080, door).endswith(':8080/?token=word')
    answer = door.answer('/?token=word', OTHER)
    assert answer.status == HTTPStatus.FOUND
    assert 'HttpOnly; SameSite=Strict' in answer.headers['Set-Cookie']
    cookie = {'Cookie': answer.headers['Set-Cookie'].split(';')[0]}
    assert door.answer('/', OTHER | cookie) is None
    for path, headers in (
        ('/', OTHER),
        ('/?token=', OTHER),
        ('/?token=words', OTHER),
        ('/', OTHER | {'Cookie': 'dp_ros_view=other'}),
        ('/', OTHER | {'Cookie': 'dp_ros_view="\\"'}),
        ('/', OTHER | cookie | {'Origin': 'http://evil.example'}),
    ):
        assert door.answer(path, headers).status == HTTPStatus.FORBIDDEN
    assert len(door_for('0.0.0.0', '').token) >= 12


def test_a_taken_port_is_named():
    pytest.importorskip('viser')
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(DoorError, match=f'port {port} .* is taken.*--port {port + 1}'):
            open_server('127.0.0.1', port, Door())


def test_one_page_steers_at_a_time():
    control = Control(True)
    assert not control.admit(1)
    assert 'another page' in control.admit(2)
    assert not control.take(2)
    assert 'another page' in control.admit(1)
    control.leave(1)
    assert control.owner == 2
    control.leave(2)
    assert not control.admit(1)


def test_no_page_steers_where_it_is_not_allowed():
    control = Control(False)
    assert '--control' in control.admit(1)
    assert '--control' in control.take(1)
    assert control.owner is None


def test_policies_of_the_task_lie_beside_the_running_one_or_among_the_models(tmp_path):
    def store(place, name):
        (tmp_path / place).mkdir(parents=True)
        task = task_to_dict(Task(name=name, joints=('a',)))
        (tmp_path / place / 'policy.json').write_text(json.dumps({'task': task}))
        return str(tmp_path / place)

    beside, running = store('runs/b', 'reach'), store('runs/a', 'reach')
    store('runs/c', 'pusht')
    shipped = store('models/reach', 'reach')
    store('models/b', 'reach')
    (tmp_path / 'runs' / 'torn').mkdir()
    (tmp_path / 'runs' / 'torn' / 'policy.json').write_text('{')
    task = Task(name='reach', joints=('a',))
    found = policies_beside(running, task, tmp_path / 'models')
    assert list(found.items()) == [('a', running), ('b', beside), ('reach', shipped)]
    remote = policies_beside('elsewhere/a', task, tmp_path / 'none')
    assert remote == {'a': 'elsewhere/a'}


def test_every_episode_is_counted_once():
    board = ScoreBoard()
    for seed, elapsed, ending, side, ended in (
        (1, 0.1, '', '', False),
        (1, 3.0, 'success', 'left', True),
        (1, 3.1, 'success', 'left', False),
        (1, 0.5, '', '', False),
        (1, 3.0, 'success', 'right', True),
        (2, 2.0, 'collision', 'left', True),
        (2, 1.0, 'failure', '', True),
    ):
        assert board.see(seed, elapsed, ending, side, 'reach') is ended
    board.see(3, 1.0, 'collision', '', '<mse>')
    assert board.rows() == [Row('reach', 1, 1, 2, 1, 1), Row('<mse>', 0, 0, 0, 1, 0)]
    assert '2 of 4' in score_table(board.rows())
    assert '&lt;mse&gt;' in score_table(board.rows())
    board.clear()
    assert 'no episode' in score_table(board.rows())


def test_the_ledger_skips_unknown_times_and_ends_where_clocks_differ():
    ms = 1_000_000
    times = {
        POLICY['received']: 30 * ms,
        POLICY['inference_ended']: 62 * ms,
        POLICY['published']: 64 * ms,
    }
    known = [Stage('observation', 30.0), Stage('inference', 32.0), Stage('publishing', 2.0)]
    assert stages(times) == known
    assert stages(times | {EXECUTOR['chunk_received']: 1}) == known
    assert stages({}) == []
    assert '64 ms' in ledger_bar(known)
    assert 'no chunk' in ledger_bar([])


def test_what_comes_from_topics_is_escaped():
    evil = '<script>alert(1)</script>'
    for html in (
        state_card(1, evil, [evil], evil, evil),
        diagnostics_table([(evil, 9, evil)]),
        ledger_bar([Stage(evil, 1.0)]),
    ):
        assert '<script' not in html


def test_links_are_where_the_kinematics_say():
    tree = LinkTree(robot_description('base'))
    q = np.random.default_rng(0).uniform(-1, 1, 7)
    poses = tree.poses(dict(zip(JOINT_NAMES, q.tolist(), strict=True)))
    assert tree.joint_names == list(JOINT_NAMES)
    assert np.allclose(poses['fr3_hand_tcp'], link_poses(q)[-1], atol=1e-9)
    tree.poses({'fr3_joint1': float('nan')})


def test_another_robot_has_its_own_shapes():
    tree = LinkTree("""<robot name="r"><material name="m"><color rgba="1 0 0 1"/></material>
        <link name="a">
        <visual><geometry><box size="1 2 3"/></geometry><material name="m"/></visual>
        <visual><geometry><sphere radius="x"/></geometry></visual><visual/></link>
        <link name="b"><visual><geometry><cylinder radius=".1" length="2"/></geometry></visual>
        </link><joint name="j" type="prismatic"><parent link="a"/><child link="b"/>
        <axis xyz="0 0 1"/></joint></robot>""")
    (box,), (cylinder,) = tree.shapes['a'], tree.shapes['b']
    assert (box.kind, box.size, box.colour) == ('box', (1.0, 2.0, 3.0), (255, 0, 0))
    assert cylinder.size == (0.1, 0.1, 2.0)
    assert tree.poses({'j': 0.5})['b'][2, 3] == 0.5
    with pytest.raises(DescriptionError, match='loop'):
        LinkTree("""<robot><link name="a"/><link name="b"/>
            <joint name="x"><parent link="a"/><child link="b"/></joint>
            <joint name="y"><parent link="b"/><child link="a"/></joint></robot>""")


def test_shapes_become_triangles_and_a_coarse_mesh():
    pytest.importorskip('trimesh')
    tree = LinkTree(robot_description('base'))
    meshes = read_meshes(tree.shapes['fr3_link1'][0])
    assert np.ptp(meshes[0].vertices, axis=0).max() < 0.5
    ghost = coarse(meshes)
    assert len(ghost.faces) < len(meshes[0].faces)
    assert coarse([]) is None


@pytest.mark.parametrize(
    ('address', 'why'),
    [
        ('package://no_such_package/a.dae', 'no_such_package is not here'),
        ('file:///nowhere/a.stl', 'no such file'),
        ('file:///etc/passwd', 'needs one of'),
        ('http://example.com/a.stl', 'neither a file'),
    ],
)
def test_a_mesh_that_is_missing_is_named(address, why):
    with pytest.raises(MeshError, match=why):
        path_of(address)


def test_a_rotation_has_its_quaternion():
    for q in np.vstack([np.eye(4), [0.0, 0.6, 0.8, 0.0], [0.5, -0.5, 0.5, -0.5]]):
        w, x, y, z = q
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        assert abs(quaternion(rotation) @ q) == pytest.approx(1.0)


def line(namespace, number, points, kind=Marker.LINE_STRIP):
    marker = Marker(ns=namespace, id=number, type=kind, action=Marker.ADD)
    marker.points = [Point(x=float(x)) for x in points]
    return marker


def test_paths_come_in_the_order_of_their_numbers_without_nan():
    message = MarkerArray(
        markers=[
            line('fan', 1, [1, 2]),
            line('fan', 0, [3, 4]),
            line('committed', 0, [0, 1]),
            line('rest', 0, [1, float('nan')]),
            line('points', 0, [1], Marker.SPHERE_LIST),
        ]
    )
    paths = paths_of(message)
    assert [path[0, 0] for path in paths['fan']] == [3.0, 1.0]
    assert set(paths) == {'fan', 'committed'}


def test_the_command_line_gives_parameters():
    given = _overrides(['--port', '9000', '--control', '--ros-args', '-p', 'x:=1'])
    assert {p.name: p.value for p in given} == {'port': 9000, 'control': 'on'}
    assert _overrides([]) == []
    with pytest.raises(SystemExit):
        _overrides(['--port', 'x'])
