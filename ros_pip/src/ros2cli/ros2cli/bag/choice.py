# SPDX-License-Identifier: Apache-2.0
"""Which topics of a graph or a bag are meant."""

from argparse import Namespace
from dataclasses import dataclass
import re


@dataclass(frozen=True)
class TopicChoice:
    """What the options of `ros2 bag` say about topics.

    :param all_topics: overrides topics, types and regex.
    """

    all_topics: bool = False
    topics: tuple[str, ...] = ()
    topic_types: tuple[str, ...] = ()
    regex: str = ''
    exclude_regex: str = ''
    exclude_topics: tuple[str, ...] = ()
    exclude_types: tuple[str, ...] = ()

    @classmethod
    def from_args(cls, args: Namespace, all_topics: bool) -> 'TopicChoice':
        """Read the options that the verbs share."""
        return cls(
            all_topics,
            tuple(map(_absolute, args.topics)),
            tuple(getattr(args, 'topic_types', ())),
            args.regex,
            args.exclude_regex,
            tuple(map(_absolute, args.exclude_topics)),
            tuple(getattr(args, 'exclude_topic_types', ())),
        )

    def takes(self, topic: str, kind: str) -> bool:
        """Tell whether a topic is chosen."""
        if topic in self.exclude_topics or kind in self.exclude_types:
            return False
        if self.exclude_regex and re.search(self.exclude_regex, topic):
            return False
        if self.all_topics or topic in self.topics or kind in self.topic_types:
            return True
        return bool(self.regex and re.search(self.regex, topic))


def _absolute(topic: str) -> str:
    return topic if topic.startswith('/') else f'/{topic}'
