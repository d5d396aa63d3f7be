# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

NODES = (
    'demo_recorder',
    'episode_runner',
    'executor',
    'fake_gripper',
    'franka_sim',
    'gripper',
    'observation_aggregator',
    'policy',
    'teleop',
    'teleop_keyboard',
    'view',
)
TOOLS = (
    'bench',
    'camera_latency',
    'compare',
    'compare_delays',
    'demo',
    'evaluate',
    'evaluate_pusht',
    'import_checkpoint',
    'inspect',
    'latency',
    'parameters',
    'record_expert',
    'settings',
    'task',
    'train',
)
# The others are exec_depends of package.xml.
NOT_IN_ROSDEP = (
    'accelerate',
    'av',
    'backports.zstd',
    'diffusers',
    'franka-sim',
    'franky-sim',
    'lz4',
    'ruckig',
    'safetensors',
    'tensorboardX',
)

setup(
    name='dp_ros',
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'dp_ros': ['py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/dp_ros']),
        ('share/dp_ros', ['package.xml']),
    ],
    install_requires=['setuptools', *NOT_IN_ROSDEP],
    extras_require={
        'openvino': ['openvino'],
        'pusht': ['gym-pusht'],
        'test': ['pytest'],
        'view': ['pycollada', 'trimesh', 'viser', 'websockets'],
    },
    zip_safe=False,
    maintainer='dp_ros maintainers',
    maintainer_email='maintainers@dp-ros.example',
    description='Diffusion policies for manipulation with ROS 2',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [f'{name} = dp_ros.nodes.entry:main' for name in NODES]
        + [f'{name} = dp_ros.tools.entry:main' for name in TOOLS],
    },
)
