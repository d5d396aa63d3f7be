# SPDX-License-Identifier: Apache-2.0
"""The command that imports: a checkpoint that runs as its source does, or one line of why not."""

import json
import shutil

from dp_ros.policy.checkpoint import load_description, load_network, load_policy
from dp_ros.policy.importing import restricted_pickle
from dp_ros.tools import import_checkpoint
from golden import renew_importing as golden
import numpy as np
import pytest
from safetensors.torch import load_file, save_file
import torch

CHUNKS = json.loads((golden.FOLDER / 'chunks.json').read_text())
OBSERVATION = {'state': golden.observations(golden.N_STATES).numpy(), 'images': {}}
SOURCES = {'lerobot': 'lerobot', 'unet': 'unet.ckpt', 'transformer': 'transformer.ckpt'}


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Run the command; return its exit code, what it says and what it complains of."""

    def call(source, *words):
        monkeypatch.setattr(
            'sys.argv', ['import_checkpoint', str(source), '--out', str(tmp_path / 'out'), *words]
        )
        code = import_checkpoint.main()
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def refused(command, tmp_path):
    """Check that the command ends with one line that has all parts, and writes nothing."""

    def call(source, *parts, words=()):
        code, said, complaint = command(source, *words)
        assert (code, said) == (1, '')
        assert complaint.startswith('import_checkpoint: ')
        assert complaint.count('\n') == 1
        assert all(part in complaint for part in parts), complaint
        assert not (tmp_path / 'out').exists()

    return call


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(golden.FOLDER / 'lerobot', tmp_path / 'lerobot')
    return tmp_path / 'lerobot'


@pytest.fixture
def ckpt(tmp_path):
    """Return a maker of a `.ckpt` that ``change`` changed."""

    def make(change, name='unet'):
        payload = restricted_pickle.load(golden.FOLDER / f'{name}.ckpt')
        change(payload)
        torch.save(payload, tmp_path / 'changed.ckpt')
        return tmp_path / 'changed.ckpt'

    return make


def change_json(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def policy_key(key, value):
    return lambda payload: payload['cfg']['policy'].update({key: value})


def model_key(key, value):
    return lambda payload: payload['cfg']['policy']['model'].update({key: value})


def scheduler_key(key, value):
    return lambda payload: payload['cfg']['policy']['noise_scheduler'].update({key: value})


@pytest.mark.parametrize('name', SOURCES)
def test_the_checkpoint_makes_the_chunk_that_its_source_makes(command, tmp_path, name):
    code, said, complaint = command(golden.FOLDER / SOURCES[name])
    assert (code, complaint) == (0, '')
    assert 'ddpm in 100 steps' in said
    policy = load_policy(tmp_path / 'out', engine='torch')
    made = policy.infer(OBSERVATION, golden.SEED, sampler='ddpm', num_inference_steps=100)
    wanted = CHUNKS[name]['epsilon DDPM']
    np.testing.assert_allclose(made.actions[0], wanted, rtol=0, atol=1e-5)


def test_the_checkpoint_says_where_it_came_from(command, tmp_path):
    command(golden.FOLDER / 'unet.ckpt')
    record = load_description(tmp_path / 'out')['training']
    assert record.pop('sha256')[:4].isalnum()
    assert record == {
        'imported_from': 'unet.ckpt',
        'sampler': 'ddpm',
        'num_inference_steps': 100,
    }


def test_names_and_spacing(command, tmp_path):
    words = ['--joint-names', 'x', 'y', '--state-names', *'abcde', '--dt', '0.05']
    assert command(golden.FOLDER / 'unet.ckpt', *words)[0] == 0
    config = load_policy(tmp_path / 'out', engine='torch').config
    assert config.joint_names == ('x', 'y')
    assert config.observed_names == tuple('abcde')
    assert config.dt == 0.05


def test_names_are_numbers_where_none_are_given(command, tmp_path):
    command(golden.FOLDER / 'lerobot')
    config = load_policy(tmp_path / 'out', engine='torch').config
    assert config.joint_names == ('joint_0', 'joint_1')
    assert config.observed_names == tuple(f'state_{index}' for index in range(5))


def test_a_task_file_for_a_policy_that_cannot_take_one_is_refused(command, tmp_path):
    code, _, complaint = command(golden.FOLDER / 'unet.ckpt', '--task', 'task.yaml')
    assert code == 1 and '--task is for policies of dp_ros 0.1' in complaint
    assert not (tmp_path / 'out').exists()


def test_another_number_of_names(refused):
    source = golden.FOLDER / 'unet.ckpt'
    refused(source, "1 joint names ('x',): the policy has 2", words=['--joint-names', 'x'])
    refused(source, '3 state names', 'has 5', words=['--state-names', *'abc'])
    refused(source, "'x', 'x'", words=['--joint-names', 'x', 'x'])


def test_a_policy_is_not_written_over(command, tmp_path):
    assert command(golden.FOLDER / 'unet.ckpt')[0] == 0
    before = (tmp_path / 'out' / 'policy.json').read_bytes()
    code, _, complaint = command(golden.FOLDER / 'transformer.ckpt')
    assert code == 1
    assert 'holds a policy already' in complaint
    assert (tmp_path / 'out' / 'policy.json').read_bytes() == before


def test_files_that_are_missing(refused, folder, tmp_path):
    refused(tmp_path / 'none.ckpt', 'none.ckpt', 'No such file')
    for name in (
        'policy_postprocessor.json',
        'policy_preprocessor_step_3_normalizer_processor.safetensors',
        'model.safetensors',
        'config.json',
    ):
        (folder / name).unlink()
        refused(folder, name, 'cannot be read')


def test_files_that_are_broken(refused, folder, tmp_path):
    (tmp_path / 'text.ckpt').write_text('weights')
    refused(tmp_path / 'text.ckpt', 'not written by torch.save')
    weights = folder / 'model.safetensors'
    weights.write_bytes(weights.read_bytes()[:1000])
    refused(folder, 'model.safetensors', 'cannot be read')
    (folder / 'config.json').write_text('{')
    refused(folder, 'config.json', 'cannot be read')


def test_a_policy_of_another_kind(refused, folder, ckpt):
    change_json(folder / 'config.json', type='act')
    refused(folder, "type = 'act'", "only 'diffusion'")
    target = 'diffusion_policy.policy.ibc_dfo_lowdim_policy.IbcDfoLowdimPolicy'
    refused(ckpt(policy_key('_target_', target)), target)
    refused(ckpt(scheduler_key('_target_', 'diffusers.LMSDiscreteScheduler')), 'LMSDiscrete')
    refused(ckpt(lambda payload: payload.pop('cfg')), 'checkpoint.cfg: missing')


@pytest.mark.parametrize(
    ('name', 'change', 'message'),
    [
        ('unet', policy_key('obs_as_local_cond', True), 'obs_as_local_cond = True'),
        ('unet', policy_key('obs_as_global_cond', False), 'obs_as_global_cond = False'),
        ('unet', policy_key('pred_action_steps_only', True), 'pred_action_steps_only = True'),
        ('unet', policy_key('guidance', 2), "unknown settings ['guidance']"),
        ('unet', model_key('local_cond_dim', 4), 'local_cond_dim = 4'),
        ('unet', model_key('dilation', 2), "unknown settings ['dilation']"),
        ('unet', model_key('kernel_size', 4), 'kernel_size'),
        ('unet', model_key('n_groups', '${groups}'), 'was stored without its value'),
        ('unet', scheduler_key('variance_type', 'learned'), "variance_type = 'learned'"),
        ('unet', scheduler_key('clip_sample_range', 3.0), 'clip_sample_range = 3.0'),
        ('unet', scheduler_key('dynamic', True), "unknown settings ['dynamic']"),
        ('unet', scheduler_key('beta_schedule', 'cubic'), 'beta_schedule'),
        ('transformer', policy_key('obs_as_cond', False), 'obs_as_cond = False'),
        ('transformer', model_key('time_as_cond', False), 'time_as_cond = False'),
    ],
)
def test_settings_that_cannot_be_represented(refused, ckpt, name, change, message):
    refused(ckpt(change, name), message)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('horizon', 0, 'horizon = 0'),
        ('clip_sample_range', 2.0, 'clip_sample_range = 2.0'),
        ('kernel_size', 4, 'kernel_size'),
        ('prediction_type', 'score', 'prediction_type'),
        ('input_features', None, 'input_features'),
        ('noise_scheduler_type', 'LMS', "noise_scheduler_type = 'LMS'"),
        ('num_inference_steps', -1, 'num_inference_steps = -1'),
        ('use_peft', True, 'use_peft = True'),
        ('guidance_scale', 2.0, "unknown settings ['guidance_scale']"),
    ],
)
def test_lerobot_settings_that_cannot_be_represented(refused, folder, key, value, message):
    change_json(folder / 'config.json', **{key: value})
    refused(folder, message)


def test_weights_that_do_not_fit(refused, folder, ckpt):
    refused(ckpt(model_key('cond_predict_scale', True)), 'weights of the denoiser do not fit')
    refused(ckpt(model_key('down_dims', [8, 16])), 'weights of the denoiser do not fit', 'more')
    refused(ckpt(model_key('n_layer', 3), 'transformer'), 'do not fit: layers.2', 'missing')
    refused(ckpt(policy_key('obs_dim', 4)), 'do not fit')
    change_json(folder / 'config.json', kernel_size=5)
    refused(folder, 'weights of the unet do not fit')


def test_a_normaliser_that_does_not_fit(refused, ckpt):
    def shorten(payload):
        weights = payload['state_dicts']['ema_model']
        for name in ('scale', 'offset'):
            weights[f'normalizer.params_dict.obs.{name}'] = torch.ones(3)

    def spoil(payload):
        weights = payload['state_dicts']['ema_model']
        weights['normalizer.params_dict.action.scale'] = torch.zeros(2)

    refused(ckpt(shorten), 'normaliser of (3,) values: the policy has 5')
    refused(ckpt(spoil), 'not finite')


def test_a_limit_that_limits_nothing(command, ckpt, tmp_path):
    def change(payload):
        settings = {'clip_sample': False, 'clip_sample_range': 3.0}
        payload['cfg']['policy']['noise_scheduler'].update(settings)

    assert command(ckpt(change))[0] == 0
    assert not load_policy(tmp_path / 'out', engine='torch').config.method.clip_sample


def test_it_says_how_to_run_it_and_what_it_does_not_use(command, folder, tmp_path):
    change_json(folder / 'config.json', pretrained_revision='main', gradient_checkpointing=True)
    code, said, _ = command(folder)
    assert code == 0
    (unused,) = (line for line in said.splitlines() if line.startswith('settings without effect'))
    assert 'pretrained_revision' in unused and 'gradient_checkpointing' in unused
    assert f'ros2 run dp_ros task show {tmp_path / "out"}\n' in said
    assert f'ros2 launch dp_ros_bringup bringup.launch.py policy:={tmp_path / "out"}\n' in said
    assert 'ros2 param set /policy sampler.num_inference_steps 100\n' in said


def in_degrees(folder):
    """Let the ranges of actions and states be those of motors in degrees."""
    for file in folder.glob('policy_*.safetensors'):
        values = load_file(file)
        scaled = {n: v * 180 / np.pi if 'environment' not in n else v for n, v in values.items()}
        save_file(scaled, file)


def test_degrees_are_refused_until_they_are_stated(command, refused, folder, tmp_path):
    in_degrees(folder)
    refused(folder, 'reaches 8', 'may be degrees', '--unit', 'rad, deg, other')
    assert command(folder, '--unit', 'deg')[0] == 0
    policy = load_policy(tmp_path / 'out', engine='torch')
    made = policy.infer(OBSERVATION, golden.SEED, sampler='ddpm', num_inference_steps=100)
    np.testing.assert_allclose(made.actions[0], CHUNKS['lerobot']['epsilon DDPM'], atol=1e-5)


def test_motors_of_lerobot_need_a_unit_and_grippers_keep_theirs(
    command, refused, folder, tmp_path
):
    words = ['--joint-names', 'elbow.pos', 'gripper.pos']
    refused(folder, 'elbow.pos is a motor of LeRobot', '--unit', words=words)
    assert command(folder, *words, '--unit', 'deg')[0] == 0
    low = load_network(tmp_path / 'out').actions.low
    torch.testing.assert_close(low, torch.tensor([-1.5 * np.pi / 180, 0.2]).float())


@pytest.mark.parametrize('older', [False, True])
def test_names_and_rate_of_a_data_set(command, folder, tmp_path, older):
    names = {'action': ['shoulder', 'elbow'], 'observation.state': [*'abcde']}
    features = {
        key: {'names': {'motors': each} if older else each, 'shape': [len(each)]}
        for key, each in names.items()
    }
    info = tmp_path / 'data' / 'meta' / 'info.json'
    info.parent.mkdir(parents=True)
    info.write_text(json.dumps({'fps': 20, 'features': features}))
    assert command(folder, '--dataset', str(tmp_path / 'data'))[0] == 0
    config = load_policy(tmp_path / 'out', engine='torch').config
    assert config.joint_names == ('shoulder', 'elbow')
    assert config.observed_names == tuple('abcde')
    assert config.dt == 0.05


@pytest.mark.parametrize(
    ('info', 'message'),
    [
        ({'features': {}}, 'info.json.fps: missing'),
        ({'fps': 0, 'features': {}}, 'fps = 0: needs frames per second'),
        ({'fps': 10, 'features': {'action': {'names': [1, 2]}}}, 'names = [1, 2]: needs a list'),
    ],
)
def test_a_data_set_that_tells_nothing(refused, folder, tmp_path, info, message):
    (tmp_path / 'meta').mkdir()
    (tmp_path / 'meta' / 'info.json').write_text(json.dumps(info))
    refused(folder, message, words=['--dataset', str(tmp_path)])
    refused(folder, 'cannot be read', words=['--dataset', str(tmp_path / 'none')])
