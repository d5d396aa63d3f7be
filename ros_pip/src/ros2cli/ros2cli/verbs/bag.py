# SPDX-License-Identifier: Apache-2.0
"""`ros2 bag`: record, play and describe bags."""

from argparse import ArgumentParser, Namespace

from ..bag.arguments import add_bag_arguments, opened
from ..bag.summary import summary
from ..parser import Result, add_verbs
from . import bag_play, bag_record


def add_to(parser: ArgumentParser) -> None:
    """Add the command's verbs."""
    add_verbs(
        parser,
        {
            'info': (_info_arguments, info),
            'play': (bag_play.add_arguments, bag_play.play),
            'record': (bag_record.add_arguments, bag_record.record),
        },
    )


def _info_arguments(parser: ArgumentParser) -> None:
    add_bag_arguments(parser)
    parser.add_argument(
        '-t', '--topic-name', action='store_true', help='Only display topic names.'
    )


def info(args: Namespace) -> Result:
    """Print information about a bag to the screen."""
    with opened(args.bag_path) as reader:
        if args.topic_name:
            print(*(c.topic for c in reader.connections), sep='\n')
        else:
            print(summary(reader))
    return None
