# SPDX-License-Identifier: Apache-2.0
"""Where the text of a launch goes: the screen, and one log file per launch.

`[INFO] [name]: text` for what the launch says, the bare text for what a process says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import datetime
from functools import cache
import logging
import os
from pathlib import Path
import socket
import sys

from .lacking import lacking

__all__ = ['get_logger', 'get_output_loggers', 'launch_config', 'log_launch_config']

__getattr__ = lacking(__name__, ('LaunchConfig', 'handlers', 'reset'))

_SPOKEN = '[{levelname}] [{name}]: {msg}'
_OUTPUTS = {
    'screen': {'both': {'screen'}},
    'log': {'both': {'log'}, 'stderr': {'screen'}},
    'both': {'both': {'screen', 'log'}},
}


class _Screen(logging.Handler):
    """Writes to what is stdout at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; where nobody reads any more, none."""
        try:
            print(self.format(record), flush=True)
        except (OSError, ValueError):
            sys.stdout = Path(os.devnull).open('w')


class _File(logging.FileHandler):
    """Writes to the log file of this launch, each record in the form of its kind."""

    def __init__(self) -> None:
        super().__init__(Path(launch_config.log_dir, 'launch.log'), encoding='utf-8')


class _LaunchConfig:
    """What holds for all loggers."""

    @property
    def level(self) -> int:
        """Least severity that is logged."""
        return logging.root.getEffectiveLevel()

    @level.setter
    def level(self, new_level: int) -> None:
        logging.root.setLevel(new_level)

    @property
    def log_dir(self) -> str:
        """Folder of the log file, made when first asked for."""
        return _make_log_dir()


launch_config = _LaunchConfig()
launch_config.level = logging.INFO


@cache
def _make_log_dir() -> str:
    home = os.environ.get('ROS_HOME') or str(Path('~', '.ros'))
    root = Path(os.environ.get('ROS_LOG_DIR') or Path(home, 'log')).expanduser()
    now = datetime.datetime.now().strftime('%Y-%m-%d-%H-%M-%S-%f')
    folder = root / f'{now}-{socket.gethostname()}-{os.getpid()}'
    folder.mkdir(parents=True)
    return str(folder)


@cache
def _screen(form: str) -> logging.Handler:
    return _formatted(_Screen(), form)


@cache
def _file(form: str) -> logging.Handler:
    return _formatted(_File(), form)


def _formatted(handler: logging.Handler, form: str) -> logging.Handler:
    handler.setFormatter(logging.Formatter(form, style='{'))
    return handler


def _logger(name: str | None, handlers: Iterable[logging.Handler]) -> logging.Logger:
    logger = logging.getLogger(name)
    logger.propagate = False
    for handler in handlers:
        if handler not in logger.handlers:
            logger.addHandler(handler)
    return logger


def get_logger(name: str | None = None) -> logging.Logger:
    """Return a logger to the screen and the log file."""
    return _logger(name, (_screen(_SPOKEN), _file('{created:.7f} ' + _SPOKEN)))


def log_launch_config(*, logger: logging.Logger) -> None:
    """Say where the log file is."""
    logger.info(f'All log files can be found below {launch_config.log_dir}')
    level = logging.getLevelName(launch_config.level)
    logger.info(f'Default logging verbosity is set to {level}')


def get_output_loggers(
    process_name: str, output_config: str | Mapping[str, str | Iterable[str]]
) -> tuple[logging.Logger, logging.Logger]:
    """Return the loggers of a process' stdout and stderr.

    :param output_config: 'screen', 'log' (stderr also to the screen), 'both', or for 'stdout',
        'stderr' and 'both' the destinations: 'screen', 'log'.
    :raises ValueError: for anything else.
    """
    outputs = _OUTPUTS.get(output_config) if isinstance(output_config, str) else output_config
    if outputs is None:
        raise ValueError(
            f'{output_config} is not a valid standard output config i.e. one of {list(_OUTPUTS)}'
        )
    both = _destinations(outputs.get('both', ()))
    stdout, stderr = (
        _logger(f'{process_name}-{source}', map(_handler, both | _destinations(own)))
        for source, own in ((name, outputs.get(name, ())) for name in ('stdout', 'stderr'))
    )
    return stdout, stderr


def _destinations(some: str | Iterable[str]) -> set[str]:
    return {some} if isinstance(some, str) else set(some)


def _handler(destination: str) -> logging.Handler:
    if destination == 'screen':
        return _screen('{msg}')
    if destination == 'log':
        return _file('{created:.7f} {msg}')
    raise ValueError(f'{destination} is not a valid output destination i.e. "screen" or "log"')
