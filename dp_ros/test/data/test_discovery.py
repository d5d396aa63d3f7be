# SPDX-License-Identifier: Apache-2.0
"""A task found in a recording."""

from bag_maker import (
    IMAGE,
    JOINT_STATE,
    START,
    TRAJECTORY,
    episode,
    header,
    image,
    joint_state,
    message,
    pixels,
    trajectory,
    where,
    write,
)
import cv2
from dp_ros.data.datasets.dataset import DatasetError
from dp_ros.data.datasets.discovery import discover
from dp_ros.task.task import Camera, Task, Topics
import numpy as np
import pytest


def found(folder, *rows):
    return discover([write(folder / 'bag', [*episode(0.2), *rows])])


def test_joints_cameras_and_topics(tmp_path):
    command = trajectory(START, [1.0], [where(1.0)[:1]], ('fr3_joint2',))
    assert found(tmp_path, (TRAJECTORY, START, command)) == Task(
        joints=('fr3_joint2',),
        cameras={'front': Camera((16, 24), IMAGE)},
        start_positions=(0.0,),
        topics=Topics(joint_states=JOINT_STATE, commands=TRAJECTORY),
    )


def test_without_commands_all_joints_are_taken(tmp_path):
    task = found(tmp_path)
    assert task.joints == ('fr3_joint1', 'fr3_joint2')
    assert task.topics.commands == Topics.commands


def test_episodes_begin_where_the_arm_was_first(tmp_path):
    first = (JOINT_STATE, START, joint_state(START, [0.12345, -2.0], ('fr3_joint2', 'fr3_joint1')))
    assert discover([write(tmp_path / 'a', [first])]).start_positions == (0.123, -2.0)
    unknown = (JOINT_STATE, START, joint_state(START, [], ('fr3_joint1',)))
    assert discover([write(tmp_path / 'b', [unknown])]).start_positions == ()


def test_fingers_are_told_from_the_arms_joints_by_what_they_are_commanded(tmp_path):
    names = ('fr3_joint1', 'fr3_joint2', 'fr3_finger_joint1', 'other')
    hand = trajectory(START, [1.0], [[0.04]], ('fr3_finger_joint1',))
    rows = [
        (JOINT_STATE, START, joint_state(START, [0.0] * 4, names)),
        ('/gripper/target', START, hand),
        (TRAJECTORY, START, trajectory(START, [1.0], [where(1.0)])),
    ]
    task = discover([write(tmp_path / 'bag', rows)])
    assert (task.joints, task.gripper_joints) == (names[:2], names[2:3])
    assert (task.topics.commands, task.topics.gripper) == (TRAJECTORY, '/gripper/target')


def test_the_merged_joint_states_come_before_others(tmp_path):
    other = joint_state(START, [0.0] * 3, ('a', 'b', 'c'))
    task = found(tmp_path, ('/franka/joint_states', START, other))
    assert task.topics.joint_states == JOINT_STATE


def test_large_images_are_brought_down_by_a_whole_factor(tmp_path):
    task = found(tmp_path, ('/wrist/image_raw', START, image(START, pixels(0, 480, 640))))
    assert task.image_sizes == {'front': (16, 24), 'wrist': (96, 128)}


def test_compressed_images_are_a_camera_and_depth_is_none(tmp_path):
    data = cv2.imencode('.png', pixels(0))[1]
    kind = 'sensor_msgs/msg/CompressedImage'
    picture = message(kind, header=header(START), format='png', data=data.ravel())
    depth = image(START, np.zeros((16, 24, 1), np.uint16), '16UC1')
    task = found(
        tmp_path,
        ('/wrist/image_raw/compressed', START, picture),
        ('/depth/image_raw', START, depth),
    )
    assert task.camera_topics == {'front': IMAGE, 'wrist': '/wrist/image_raw'}


def test_cameras_of_one_name_are_told_apart(tmp_path):
    rows = [(f'/{side}/color/image_raw', START, image(START, pixels(0))) for side in ('a', 'b')]
    assert set(found(tmp_path, *rows).cameras) == {'camera_front', 'a_color', 'b_color'}


def test_bags_that_cannot_be_used_are_passed_over(tmp_path):
    blind = write(tmp_path / 'blind', [row for row in episode(0.2) if row[0] == IMAGE])
    assert discover([blind, write(tmp_path / 'good', episode(0.2))]).joints
    with pytest.raises(
        DatasetError, match='blind: no sensor_msgs/msg/JointState to take joints from, on any of'
    ):
        discover([blind])
