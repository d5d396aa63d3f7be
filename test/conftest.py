# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that start processes."""

from contextlib import contextmanager

from launched import Launch
import pytest


@pytest.fixture
def launch(tmp_path, domain_id):
    """Return launch(*words), which is ended after the `with` block whatever happened."""

    @contextmanager
    def start(*words, **variables):
        launched = Launch(tmp_path, *words, ROS_DOMAIN_ID=str(domain_id), **variables)
        try:
            yield launched
        finally:
            launched.process.kill()
            launched.process.wait()

    return start
