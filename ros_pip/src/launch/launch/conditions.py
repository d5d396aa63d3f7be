# SPDX-License-Identifier: Apache-2.0
"""Conditions on a text that says true or false."""

from __future__ import annotations

from .condition import Condition
from .lacking import lacking
from .launch_context import LaunchContext
from .substitution import SomeSubstitutionsType, Substitution
from .utilities import normalize_to_list_of_substitutions, perform_substitutions

__all__ = [
    'IfCondition',
    'InvalidConditionExpressionError',
    'UnlessCondition',
    'evaluate_condition_expression',
]

__getattr__ = lacking(__name__, ('LaunchConfigurationEquals', 'LaunchConfigurationNotEquals'))

_MEANING = {'true': True, '1': True, 'false': False, '0': False}


class InvalidConditionExpressionError(Exception):
    """A text is neither true nor false."""


def evaluate_condition_expression(context: LaunchContext, expression: list[Substitution]) -> bool:
    """Return what the text says: true or 1, false or 0, in any case.

    :raises InvalidConditionExpressionError: for any other text.
    """
    text = perform_substitutions(context, expression).strip().lower()
    if text not in _MEANING:
        raise InvalidConditionExpressionError(
            f"invalid condition expression, expected one of {list(_MEANING)} but got '{text}'"
        )
    return _MEANING[text]


class IfCondition(Condition):
    """Holds where the text is true."""

    def __init__(self, predicate_expression: SomeSubstitutionsType) -> None:
        super().__init__(predicate=self._holds)
        self._expression = normalize_to_list_of_substitutions(predicate_expression)

    def _holds(self, context: LaunchContext) -> bool:
        return evaluate_condition_expression(context, self._expression)


class UnlessCondition(IfCondition):
    """Holds where the text is false."""

    def _holds(self, context: LaunchContext) -> bool:
        return not super()._holds(context)
