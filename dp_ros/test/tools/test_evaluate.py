# SPDX-License-Identifier: Apache-2.0
"""The commands that measure and show a policy: what they refuse, and the figures they write."""

from contextlib import contextmanager
from dataclasses import replace
import json
from pathlib import Path
import shutil
import threading
import time
from types import SimpleNamespace

from dp_ros.sim.scenarios.dash.scenario import DASH
from dp_ros.sim.scenarios.reach.scenario import REACH
from dp_ros.tools import evaluate
from dp_ros.tools.common.episodes import runs
from dp_ros.tools.common.episodes.launched_simulation import LaunchedSimulation
from dp_ros.tools.common.episodes.rollout import (
    EpisodeFault,
    Rollout,
    RolloutClient,
    RolloutError,
)
from dp_ros.tools.common.episodes.summary import EpisodeResult, EpisodeTiming
from dp_ros.tools.demo import main as demo
import pytest
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rich.console import Console

ROOT = Path(__file__).resolve().parents[3]
SUMMARY_KEYS = {
    'episodes',
    'success_rate',
    'wilson_95',
    'sides',
    'progress',
    'failures',
    'rerolls',
    'load',
    'added_delay_s',
    'collisions',
    'judge_violations',
    'latency_ms',
    'chunks',
    'late_chunks',
    'max_velocity_step_rad_s',
    'smoothness',
    'side_flips',
    'system_faults',
    'real_time_factor',
    'faults',
    'not_completed',
    'peak_rss_mb',
}
EPISODE_KEYS = {
    'seed',
    'success',
    'side',
    'collision',
    'final_distance_m',
    'duration_s',
    'judge_violations',
    'miss',
    'reroll',
    'smoothness',
    'side_flips',
    'progress',
    'failure',
}
SMOOTHNESS_KEYS = {
    'sparc',
    'ldlj',
    'speed_peaks',
    'path_ratio',
    'expert_sparc',
    'expert_ldlj',
    'expert_speed_peaks',
}
NODES = {'observation_aggregator': 200.0, 'policy': 400.0, 'executor': 100.0}


class Client:
    """Succeeds on the left in every episode that it is told to run."""

    latest_latency_ms = 40.0

    def __init__(self):
        self.asked, self.rerolls = [], []

    def run(self, seed, timeout, move_goal, show, reroll=0):
        self.asked.append((seed, timeout, move_goal))
        self.rerolls.append(reroll)
        side = ('left', 'right')[reroll % 2]
        return Rollout(
            EpisodeResult(seed, True, side, False, 0.012, 4.5, 0, reroll=reroll),
            EpisodeTiming((40.0, 60.0), 2, 0, 0.001),
            log=None,
            statuses=[],
            markers=[],
        )


@pytest.fixture
def launches(monkeypatch):
    """Return the launch arguments and the client of every simulation that was started."""
    launches = []

    @contextmanager
    def running(arguments, log, console, **options):
        launches.append((arguments, Client()))
        yield SimpleNamespace(peak_rss_mb=lambda: NODES, view=lambda: None), launches[-1][1]

    for tool in (evaluate, demo):
        monkeypatch.setattr(tool, 'running_simulation', running)
    monkeypatch.setattr(demo, '_draw', lambda *args: None)
    return launches


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('reach', 'reach_mse', 'dash', 'dash_mse', 'pusht'):
        folder = tmp_path / 'models' / name
        folder.mkdir(parents=True)
        shutil.copy(ROOT / 'models' / name / 'policy.json', folder)
    return tmp_path / 'models'


@pytest.fixture
def command(models, monkeypatch):
    def run(tool, *words):
        monkeypatch.setattr('sys.argv', [tool.__name__, *words])
        return tool.main()

    return run


@pytest.mark.parametrize(
    ('tool', 'words', 'reason'),
    [
        (
            evaluate,
            ['--policy', 'models/no'],
            'models/no: no policy.json in that folder; models has ',
        ),
        (
            evaluate,
            ['--policy', 'models/pusht'],
            "--policy models/pusht: task 'pusht': the simulation has reach, ",
        ),
        (evaluate, ['--task', 'nowhere.yaml'], 'nowhere.yaml: cannot be read'),
        (evaluate, ['--episodes', '0'], '--episodes 0: needs at least 1'),
        (evaluate, ['--episodes', 'many'], "invalid int value: 'many'"),
        (evaluate, ['--seed', '-1'], '--seed -1: needs at least 0'),
        (evaluate, ['--rerolls', '0'], '--rerolls 0: needs at least 1'),
        (evaluate, ['--jobs', '0'], '--jobs 0: needs to be between 1 and 64'),
        (evaluate, ['--turn', '0'], '--turn 0: needs at least 1'),
        (evaluate, ['--policy', 'models/reach', 'none'], 'none: no policy.json in that folder'),
        (evaluate, ['--policy', 'models/reach', 'models/../models/reach'], 'is named twice'),
        (
            evaluate,
            ['--policy', 'models/reach', 'models/reach_mse', '--card'],
            '--card: needs one --policy, not 2',
        ),
        (evaluate, ['--timeout', '0'], '--timeout 0.0: needs to be positive'),
        (evaluate, ['--timeout', 'nan'], '--timeout nan: needs to be positive'),
        (evaluate, ['--move-goal', 'inf'], '--move-goal inf: needs to be finite'),
        (evaluate, ['--move-obstacle', '0.1'], '--move-obstacle 0.1: needs -0.05 to 0.05 m'),
        (evaluate, ['--move-obstacle', 'nan'], '--move-obstacle nan: needs -0.05 to 0.05 m'),
        (
            evaluate,
            ['--move-obstacle', '0.03', '--task', 'pick_place'],
            '--move-obstacle 0.03: pick_place has no obstacle',
        ),
        (
            evaluate,
            ['--move-obstacle', '0.03', '--task', 'cooking.yaml'],
            'cooking.yaml: cannot be read',
        ),
        (evaluate, ['--added-delay', '-1'], '--added-delay -1.0: needs to be at least 0'),
        (evaluate, ['--json', 'nowhere/out.json'], '--json nowhere/out.json: cannot be written'),
        (evaluate, ['--json', 'models'], '--json models: cannot be written'),
        (demo, ['--models', 'nowhere'], 'no policy in nowhere/dash: say where with --models'),
        (demo, ['--episodes', '0'], '--episodes 0: needs at least 1'),
        (demo, ['--seed', '-1'], '--seed -1: needs at least 0'),
        (demo, ['--out', 'models/reach/policy.json'], '--out models/reach/policy.json: '),
    ],
)
def test_what_cannot_be_is_named_before_anything_is_launched(
    command, launches, capsys, tool, words, reason
):
    if tool is evaluate:
        words = ['--policy', 'models/reach', *words]
    with pytest.raises(SystemExit) as ended:
        command(tool, *words)
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err.splitlines()[-1]
    assert launches == []


def test_the_figures_have_the_keys_that_are_promised(command, launches, models):
    words = ['--episodes', '2', '--seed', '5', '--move-goal', '0.08', '--json', 'out.json']
    assert command(evaluate, '--policy', 'models/reach', *words, 'rviz:=true') == 0
    ((arguments, client),) = launches
    assert arguments == [f'policy:={models / "reach"}', 'rviz:=true']
    assert client.asked == [(5, 15.0, 0.08), (6, 15.0, 0.08)]
    summary = json.loads((models.parent / 'out.json').read_text())
    assert set(summary) == SUMMARY_KEYS
    assert [set(episode) for episode in summary['episodes']] == [EPISODE_KEYS] * 2
    assert set(summary['latency_ms']) == {'p50', 'p95'}
    assert set(summary['smoothness']) == SMOOTHNESS_KEYS
    assert summary['peak_rss_mb'] == NODES


def test_the_task_is_that_of_the_policy_unless_one_is_named(command, launches, models):
    words = ['--policy', 'models/reach', '--episodes', '1']
    assert command(evaluate, *words) == command(evaluate, *words, '--task', 'dash') == 0
    policy = f'policy:={models / "reach"}'
    assert [arguments for arguments, _ in launches] == [[policy], [policy, 'task:=dash']]


@pytest.fixture
def better(launches, monkeypatch):
    """Let `reach` succeed in every scene and other policies in none."""

    def run(self, seed, *args):
        rollout = Client.run_alike(self, seed, *args)
        alike = launches[-1][0][0].endswith('/reach')
        return (
            rollout if alike else replace(rollout, result=replace(rollout.result, success=False))
        )

    monkeypatch.setattr(Client, 'run_alike', Client.run, raising=False)
    monkeypatch.setattr(Client, 'run', run)


def scenes(launches):
    """Return the policy and the scenes of each launch."""
    return [
        (arguments[0].rpartition('/')[2], [seed for seed, *_ in client.asked])
        for arguments, client in launches
    ]


def test_policies_take_turns_in_the_same_scenes_until_it_is_decided(
    command, launches, better, models, capsys
):
    words = ['--policy', 'models/reach', 'models/reach_mse', '--seed', '5', '--json', 'out.json']
    assert command(evaluate, *words, '--turn', '6', '--episodes', '40') == 0
    first, second = [*range(5, 11)], [*range(11, 17)]
    turns = [('reach', first), ('reach_mse', first), ('reach', second), ('reach_mse', second)]
    assert scenes(launches) == turns
    found = json.loads((models.parent / 'out.json').read_text())
    assert set(found) == {'policies', 'comparisons'}
    for each in found['policies']:
        assert set(each) == SUMMARY_KEYS | {'policy', 'group', 'anytime_95'}
        assert [episode['seed'] for episode in each['episodes']] == first + second
        assert each['peak_rss_mb'] == NODES
    (pair,) = found['comparisons']
    assert (pair['better'], pair['decided_after'], pair['scenes']) == ('reach', 8, 12)
    assert 'reach is better than reach_mse (after 8 scenes)' in capsys.readouterr().out


def test_all_episodes_can_be_run_and_the_last_turn_is_the_rest(command, launches, better):
    words = ['--policy', 'models/reach', 'models/reach_mse', '--all-episodes']
    assert command(evaluate, *words, '--turn', '9', '--episodes', '11') == 0
    assert [len(seeds) for _, seeds in scenes(launches)] == [9, 9, 2, 2]


def test_a_policy_that_is_told_apart_from_all_others_runs_no_further(
    command, launches, better, models
):
    other = models / 'other'
    other.mkdir()
    shutil.copy(models / 'reach' / 'policy.json', other)
    names = ('reach', 'reach_mse', 'other')
    words = ['--policy', *(f'models/{name}' for name in names)]
    assert command(evaluate, *words, '--turn', '12', '--episodes', '20') == 0
    turns = [(name, len(seeds)) for name, seeds in scenes(launches)]
    assert turns == [*((name, 12) for name in names), ('reach_mse', 8), ('other', 8)]


def test_what_was_measured_before_an_interrupt_is_kept(
    command, launches, better, monkeypatch, models
):
    run = Client.run

    def interrupted(self, seed, *args):
        if seed == 4:
            raise KeyboardInterrupt
        return run(self, seed, *args)

    monkeypatch.setattr(Client, 'run', interrupted)
    words = ['--policy', 'models/reach', 'models/reach_mse', '--turn', '4']
    assert command(evaluate, *words) == 130
    found = json.loads((models.parent / 'evaluation.json').read_text())
    assert [len(each['episodes']) for each in found['policies']] == [4, 4]


def test_the_scenes_are_shared_out_to_several_jobs_and_merged_in_their_order(
    command, launches, better, monkeypatch, models, capsys
):
    asked = []

    def in_domains(work, parts, jobs):
        asked.append((jobs, [(part.name, [*part.seeds]) for part in parts]))
        return [(part, work(part)) for part in reversed(parts)]

    monkeypatch.setattr(evaluate, 'in_domains', in_domains)
    words = ['--episodes', '5', '--jobs', '4', '--policy', 'models/reach']
    assert command(evaluate, *words, 'models/reach_mse') == 0
    shares = [[0, 2, 4], [1, 3]]
    assert asked == [(4, [(name, seeds) for name in ('reach', 'reach_mse') for seeds in shares])]
    found = json.loads((models.parent / 'evaluation.json').read_text())
    for each in found['policies']:
        assert [episode['seed'] for episode in each['episodes']] == [0, 1, 2, 3, 4]
        assert (each['chunks'], each['peak_rss_mb']) == (10, NODES)
    assert 'reach_mse  seed    3  missed' in capsys.readouterr().out
    assert command(evaluate, *words) == 0
    assert asked[-1] == (4, [('reach', seeds) for seeds in ([0, 4], [1], [2], [3])])
    found = json.loads((models.parent / 'evaluation.json').read_text())
    assert [episode['seed'] for episode in found['episodes']] == [0, 1, 2, 3, 4]


def test_policies_of_one_name_are_told_apart_by_their_paths(command, launches, models):
    other = models.parent / 'runs' / 'reach'
    other.mkdir(parents=True)
    shutil.copy(models / 'reach' / 'policy.json', other)
    words = ['--policy', 'models/reach', 'runs/reach', 'rviz:=true', 'seed:=3']
    assert command(evaluate, *words, '--episodes', '1') == 0
    assert {tuple(arguments[1:]) for arguments, _ in launches} == {('rviz:=true', 'seed:=3')}
    found = json.loads((models.parent / 'evaluation.json').read_text())
    assert [each['policy'] for each in found['policies']] == ['models/reach', 'runs/reach']


def test_the_demo_runs_the_same_scenes_with_both_policies(command, launches, models, capsys):
    assert command(demo, '--episodes', '3', '--seed', '7') == 0
    shown = [[f'policy:={models / name}', 'view:=true'] for name in ('dash', 'dash_mse')]
    assert [arguments for arguments, _ in launches] == shown
    for _, client in launches:
        assert [seed for seed, *_ in client.asked] == [7, 8, 9]
    summary = json.loads((models.parent / 'demo_out' / 'summary.json').read_text())
    assert set(summary) == {'dash', 'dash_mse'}
    for figures in summary.values():
        assert set(figures) == SUMMARY_KEYS - {'load', 'added_delay_s'}
        assert [set(episode) for episode in figures['episodes']] == [EPISODE_KEYS] * 3
    said = capsys.readouterr().out
    assert said.count('3 of 3  [44 % to 100 %]') == 2
    assert 'as a video:  demo_out/video.mp4' in said


@pytest.mark.parametrize(
    ('tool', 'words'), [(evaluate, ['--policy', 'models/reach']), (demo, ['--seed', '0'])]
)
def test_an_episode_that_cannot_be_run_is_one_line_and_an_exit_code(
    command, launches, monkeypatch, capsys, models, tool, words
):
    def fail(self, *args):
        raise RolloutError('episode with seed 0: no chunk for 5.0 s')

    monkeypatch.setattr(Client, 'run', fail)
    assert command(tool, *words) == 1
    said = capsys.readouterr().out
    assert 'episode with seed 0: no chunk for 5.0 s' in said
    assert 'Traceback' not in said
    assert not (models.parent / 'evaluation.json').exists()
    assert not (models.parent / 'demo_out' / 'summary.json').exists()


def test_chunks_are_held_back_and_the_figures_say_so(
    command, launches, monkeypatch, capsys, models
):
    asked = []
    monkeypatch.setattr(
        Client, 'set_parameter', lambda self, *given: asked.append(given), raising=False
    )
    words = ['--episodes', '1', '--policy', 'models/reach']
    assert command(evaluate, *words, '--added-delay', '0.2') == 0
    assert asked == [('policy', 'added_delay', 0.2)]
    assert 'each chunk held back by 0.2 s' in capsys.readouterr().out
    assert json.loads((models.parent / 'evaluation.json').read_text())['added_delay_s'] == 0.2


def test_the_obstacle_moves_in_mid_run(command, launches, monkeypatch):
    asked = []
    monkeypatch.setattr(
        Client, 'set_parameter', lambda self, *given: asked.append(given), raising=False
    )
    words = ['--episodes', '1', '--policy', 'models/reach', '--task', 'reach']
    assert command(evaluate, *words, '--move-obstacle', '-0.03') == 0
    assert asked == [('episode_runner', 'move_obstacle', -0.03)]


@pytest.mark.parametrize('scenario', [REACH, DASH])
@pytest.mark.parametrize('aside', [-0.05, 0.05])
def test_the_obstacle_of_every_scene_may_be_moved_that_far(scenario, aside):
    for scene in map(scenario.sample, range(100)):
        x, y = scene.obstacle
        assert scene.with_obstacle((x, y + aside)).obstacle == (x, y + aside)


def test_a_parameter_of_a_node_is_set_or_its_refusal_raised(ros_context):
    node = Node('policy', context=ros_context)
    node.declare_parameter('added_delay', 0.0)
    refusal = SetParametersResult(successful=False, reason='nothing would be left to follow')
    node.add_on_set_parameters_callback(
        lambda given: refusal if given[0].value > 1.0 else SetParametersResult(successful=True)
    )
    executor = SingleThreadedExecutor(context=ros_context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    client = RolloutClient(context=ros_context)
    try:
        client.set_parameter('policy', 'added_delay', 0.2)
        assert node.get_parameter('added_delay').value == 0.2
        with pytest.raises(RolloutError, match='policy: nothing would be left to follow'):
            client.set_parameter('policy', 'added_delay', 2.0)
    finally:
        executor.shutdown()
        thread.join()
        client.destroy_node()
        node.destroy_node()


class Faulty(Client):
    """Has the system end every try of the episodes whose seeds are in ``ended``, that often."""

    def __init__(self, ended):
        super().__init__()
        self.ended = ended

    def run(self, seed, *args):
        rollout = super().run(seed, *args)
        if self.ended.get(seed, 0):
            self.ended[seed] -= 1
            raise EpisodeFault('executor: no joint states for 0.30 s')
        return rollout


@pytest.fixture
def faulty(launches, monkeypatch):
    """Return faulty({seed: tries that the system ends}), which gives the client in use."""

    def install(ended):
        client = Faulty(ended)
        monkeypatch.setattr(f'{__name__}.Client', lambda: client)
        return client

    return install


def test_what_the_system_ended_is_run_again_and_told_apart(command, faulty, capsys, models):
    client = faulty({1: 1})
    words = ['--episodes', '3', '--json', 'out.json']
    assert command(evaluate, '--policy', 'models/reach', *words) == 0
    assert [seed for seed, *_ in client.asked] == [0, 1, 1, 2]
    summary = json.loads((models.parent / 'out.json').read_text())
    assert summary['faults'] == [
        {'seed': 1, 'reason': 'executor: no joint states for 0.30 s', 'reroll': 0}
    ]
    assert summary['system_faults'] == ['executor: no joint states for 0.30 s']
    assert (summary['success_rate'], len(summary['episodes'])) == (1.0, 3)
    assert summary['not_completed'] == []
    said = capsys.readouterr().out
    assert 'seed    1  FAULT      executor: no joint states for 0.30 s' in said
    assert '1 x executor: no joint states for 0.30 s' in said
    assert 'not completed' not in said


def test_an_episode_that_never_comes_to_its_end_is_no_miss(command, faulty, capsys, models):
    client = faulty({1: 99})
    words = ['--episodes', '3', '--json', 'out.json']
    assert command(evaluate, '--policy', 'models/reach', *words) == 0
    assert [seed for seed, *_ in client.asked] == [0, 1, 1, 1, 2]
    summary = json.loads((models.parent / 'out.json').read_text())
    assert (summary['success_rate'], len(summary['episodes'])) == (1.0, 2)
    assert summary['not_completed'] == [1]
    said = capsys.readouterr().out
    assert '100.0% of 2' in said
    assert 'not completed seeds 1, not in the success rate' in said


def test_a_system_that_lets_no_episode_end_is_given_up(command, faulty, capsys):
    client = faulty(dict.fromkeys(range(100), 99))
    assert command(evaluate, '--policy', 'models/reach') == 1
    assert len(client.asked) == 9
    assert '3 episodes in a row could not be completed' in capsys.readouterr().out


class Complaining(LaunchedSimulation):
    """Instead of the nodes: one that says what is wrong, and lives on."""

    def __enter__(self):
        says = 'echo "[policy-4] [ERROR] weights were altered"; echo "[INFO] ready"'
        self._command = ['sh', '-c', f'{says}; exec sleep 60']
        return super().__enter__()


def test_what_the_nodes_complain_of_is_told_with_the_failure(monkeypatch, tmp_path):
    log = tmp_path / 'log'

    def wait_until_ready(failure, say):
        end = time.monotonic() + 60.0
        while 'ready' not in log.read_text():
            assert time.monotonic() < end

    client = SimpleNamespace(wait_until_ready=wait_until_ready, destroy_node=lambda: None)
    monkeypatch.setattr(runs, 'start_client', lambda **options: client)
    monkeypatch.setattr(runs, 'LaunchedSimulation', Complaining)
    with pytest.raises(RolloutError) as failed, runs.running_simulation([], log, Console()):
        raise RolloutError('no chunk for 5.0 s')
    expected = 'no chunk for 5.0 s\n[policy-4] [ERROR] weights were altered'
    assert str(failed.value) == expected


def test_scenes_are_run_again_with_other_noise(command, launches, models, capsys):
    words = ['--episodes', '2', '--rerolls', '3', '--json', 'out.json']
    assert command(evaluate, '--policy', 'models/reach', *words) == 0
    ((_, client),) = launches
    assert [seed for seed, *_ in client.asked] == [0, 0, 0, 1, 1, 1]
    assert client.rerolls == [0, 1, 2, 0, 1, 2]
    summary = json.loads((models.parent / 'out.json').read_text())
    assert summary['rerolls'] == {'runs': 3, 'scenes': 2, 'both_ways': 2}
    assert 'both ways     in 2 of 2 scenes, run 3 times each' in capsys.readouterr().out


def test_an_interrupt_is_no_traceback(command, launches, monkeypatch, capsys):
    def interrupt(self, *args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, 'run', interrupt)
    assert command(evaluate, '--policy', 'models/reach') == 130
    assert 'Traceback' not in capsys.readouterr().err
