# SPDX-License-Identifier: Apache-2.0
"""`ros2 run dp_ros camera_latency`: a known latency is found, and too little motion is refused."""

from itertools import count
import sys
import time

from bag_maker import header, image, message, write
from cv_bridge import CvBridge
from dp_ros.data.inspection.camera_latency import LATEST
from dp_ros.data.windows.window import WindowBuilder, window_spec
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import MS, NS
from dp_ros.ros.conversions import ns_to_time
from dp_ros.sim.expert_motion import minimum_jerk
from dp_ros.sim.scenarios.registry import SCENARIOS
from dp_ros.sim.simulation import Simulation
from dp_ros.sim.world import FrankaWorld
from dp_ros.task.task import Camera, Task
from dp_ros.task.task_file import task_text
from dp_ros.tools.camera_latency import main as tool
from dp_ros.tools.camera_latency.listening import ListeningNode
import numpy as np
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, JointState

START = 1_700_000_000 * NS
LATENCY = 0.08
PERIOD = 50 * MS
TASK = Task(joints=JOINT_NAMES, cameras={'front': Camera((48, 48))})
SECONDS = 14


def motion(begin):
    """Return a trajectory to and fro from a position (7,), with pauses of different length."""
    rng = np.random.default_rng(0)
    grid = np.arange(0.0, SECONDS, 0.04)
    way, at, side = np.zeros(len(grid)), 0.2, 1.0
    while at < SECONDS - 2:
        duration = rng.uniform(0.5, 0.9)
        way += side * minimum_jerk((grid - at) / duration)
        at, side = at + duration + rng.uniform(0.0, 0.4), -side
    turn = np.array([0.35, 0.1, 0.0, 0.15, 0.0, 0.0, 0.2])
    return Trajectory(JOINT_NAMES, 0, grid[1:], begin + way[1:, None] * turn)


@pytest.fixture(scope='module')
def seen():
    """Return joint positions every 10 ms and images every 50 ms of a simulated arm that moves."""
    scenario = SCENARIOS['reach']
    world = FrankaWorld(scenario.sample(0), scenario)
    simulation = Simulation(world, START)
    simulation.accept(motion(world.start_positions))
    joints, images = [], []
    for stamp_ns in range(START, START + SECONDS * NS, 10 * MS):
        simulation.advance(stamp_ns)
        joints.append((stamp_ns, world.joint_positions[:7].copy()))
        if (stamp_ns - START) % PERIOD == 0:
            images.append((stamp_ns, world.render('front', 48, 48)))
    world.close()
    return joints, images


def joint_state(stamp_ns, positions):
    return message(
        'sensor_msgs/msg/JointState',
        header=header(stamp_ns),
        name=list(JOINT_NAMES),
        position=positions,
        velocity=np.zeros(0),
        effort=np.zeros(0),
    )


@pytest.fixture
def record(seen, tmp_path):
    """Return a function that writes a bag whose images are stamped ``latency`` [s] late."""

    def run(latency=LATENCY, until=SECONDS, joints=None, images=None, name='bag'):
        shift, end_ns = round(latency * NS), START + round(until * NS)
        given = joints or seen[0], images or seen[1]
        rows = [('/joint_states', t, joint_state(t, q)) for t, q in given[0] if t < end_ns]
        rows += [
            ('/camera/front/image_raw', t + shift, image(t + shift, pixels))
            for t, pixels in given[1]
            if t < end_ns
        ]
        rows.sort(key=lambda row: row[1])
        return write(tmp_path / 'bags' / name, rows, info={'task_file': task_text(TASK)})

    (tmp_path / 'bags').mkdir()
    return run


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    def run(*words):
        monkeypatch.setattr(sys, 'argv', ['camera_latency', *map(str, words)])
        code = tool.main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def found(said):
    return float(said.split('latency ')[1].split(' s')[0])


@pytest.mark.parametrize('latency', [0.0, LATENCY, 0.2, -0.03])
def test_a_known_latency_is_found_within_its_interval(command, record, tmp_path, latency):
    bag = record(latency)
    code, said, complaint = command('--bag', bag, '--plot', tmp_path / 'plot.png')
    assert code == 0, complaint
    low, high = (float(word.strip(';')) for word in said.split('interval ')[1].split()[0:3:2])
    assert low - 0.003 <= latency <= high + 0.003
    assert found(said) == pytest.approx(latency, abs=0.008)
    assert high - low < 0.03
    assert (tmp_path / 'plot.png').stat().st_size > 10_000


def test_it_says_what_to_write_or_that_the_task_file_agrees(command, record, tmp_path):
    bag = record()
    _, said, _ = command('--bag', bag)
    assert 'write into the task file (now 0), cameras.front:  latency: 0.0' in said
    file = tmp_path / 'mine.yaml'
    right = {'front': Camera((48, 48), latency=round(found(said), 3))}
    file.write_text(task_text(Task(joints=JOINT_NAMES, cameras=right)))
    code, said, _ = command('--bag', bag, '--task', file)
    assert code == 0 and f's in {file} agree with it' in said


def test_stamps_that_are_too_early_are_those_of_late_joint_states(command, record):
    code, said, _ = command('--bag', record(-0.03))
    assert code == 0 and 'synchronize their clocks, or raise joint_latency' in said


def test_the_latency_of_the_joint_states_counts(command, record, tmp_path):
    file = tmp_path / 'mine.yaml'
    late = Task(joints=JOINT_NAMES, cameras=TASK.cameras, joint_latency=0.03)
    file.write_text(task_text(late))
    _, said, _ = command('--bag', record(), '--task', file)
    assert found(said) == pytest.approx(LATENCY + 0.03, abs=0.008)


def test_several_recordings_count_together(command, record):
    folder = record(until=7, name='a').parent
    record(until=9, name='b')
    code, said, _ = command('--bag', folder)
    assert code == 0 and found(said) == pytest.approx(LATENCY, abs=0.01)


def test_an_arm_that_rests_is_refused_with_what_to_do(command, record, seen):
    rests = [(t, seen[0][0][1]) for t, _ in seen[0]]
    code, said, complaint = command('--bag', record(joints=rests))
    assert code == 1 and not said
    assert 'camera front: the arm moved for 0.0 s, needs 4 s: move the arm to and fro' in complaint


def test_a_short_motion_is_refused(command, record):
    code, _, complaint = command('--bag', record(until=3))
    assert code == 1 and 'needs 4 s' in complaint


def test_an_even_motion_is_refused(command, record, seen):
    turn = [(t, np.full(7, 0.2 * abs((t - START) / NS - SECONDS / 2))) for t, _ in seen[0]]
    rng = np.random.default_rng(0)
    noise = [(t, rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)) for t, _ in seen[1]]
    code, _, complaint = command('--bag', record(joints=turn, images=noise))
    assert code == 1 and 'move the arm to and fro in the picture for 20 s' in complaint.lower()


def test_a_motion_one_way_as_in_demonstrations_is_refused(command, record, seen):
    times = np.array([t - START for t, _ in seen[0]]) / NS
    forth = 0.1 * (times + np.sin(3 * times) / 3)[:, None] * np.ones(7)
    joints = [(t, q) for (t, _), q in zip(seen[0], forth, strict=True)]
    code, _, complaint = command('--bag', record(joints=joints))
    assert code == 1 and '100% of the way is not gone back' in complaint


def test_a_camera_that_sees_something_else_is_refused(command, record, seen):
    rng = np.random.default_rng(0)
    stamps = [t for t, _ in seen[1]]
    still = [(t, rng.integers(90, 110, (48, 48, 3), dtype=np.uint8)) for t in stamps]
    code, _, complaint = command('--bag', record(images=still))
    assert code == 1 and 'is it the right camera, and the arm in its picture?' in complaint


def test_a_latency_beyond_what_is_looked_for_is_refused(command, record):
    code, _, complaint = command('--bag', record(LATEST + 0.05))
    assert code == 1 and ('of one clock?' in complaint or 'needs 0.6' in complaint)


def test_a_frozen_or_slow_camera_does_not_mislead(command, record, seen):
    gaps = [each for k, each in enumerate(seen[1]) if k % 17 not in (3, 4)]
    code, said, _ = command('--bag', record(images=gaps))
    assert code == 0 and found(said) == pytest.approx(LATENCY, abs=0.01)


def test_without_a_camera_or_a_source_it_says_so(command, tmp_path):
    file = tmp_path / 'mine.yaml'
    file.write_text(task_text(Task(joints=JOINT_NAMES)))
    code, _, complaint = command('--task', file)
    assert code == 1 and 'the task has no camera' in complaint
    with pytest.raises(SystemExit):
        command()


def test_live_topics_fill_the_same_windows(ros_context, seen):
    task = Task(joints=JOINT_NAMES, cameras={'front': Camera((48, 48)), 'wrist': Camera((48, 48))})
    builder = WindowBuilder(window_spec(task))
    listener = ListeningNode(task, builder, context=ros_context)
    robot = Node('robot', context=ros_context)
    joints = robot.create_publisher(JointState, 'joint_states', 10)
    raw = robot.create_publisher(Image, 'camera/front/image_raw', 10)
    small = robot.create_publisher(CompressedImage, 'camera/wrist/image_raw/compressed', 10)
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(listener)
    executor.add_node(robot)
    bridge, pixels = CvBridge(), seen[1][0][1]
    step = count(1)

    def publish():
        stamp = ns_to_time(START + next(step) * 10 * MS)
        for publisher, content in (
            (joints, JointState(name=list(JOINT_NAMES), position=[0.1] * 7)),
            (raw, bridge.cv2_to_imgmsg(pixels, 'rgb8')),
            (small, bridge.cv2_to_compressed_imgmsg(pixels, 'png')),
        ):
            content.header.stamp = stamp
            publisher.publish(content)

    robot.create_timer(0.02, publish)
    end = time.monotonic() + 60
    streams = [builder.joints, *builder.images.values()]
    while any(len(stream.stamps) < 3 for stream in streams):
        assert time.monotonic() < end, [len(stream.stamps) for stream in streams]
        executor.spin_once(timeout_sec=0.1)
    listener.destroy_node()
    robot.destroy_node()
