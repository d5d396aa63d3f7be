# SPDX-License-Identifier: Apache-2.0
"""A page of the documentation that shows a comparison, between two marks of its name."""

from __future__ import annotations

from pathlib import Path
import shutil


class PageError(RuntimeError):
    """A page has no place for a comparison."""


class Page:
    """A Markdown file with the lines ``<!-- name -->`` and ``<!-- /name -->``.

    :param name: name of the comparison, and of its picture beside the page.
    :raises PageError: when the file cannot be read or does not have each line once, in order.
    """

    def __init__(self, file: Path, name: str) -> None:
        self._file, self._name = file, name
        self._parts()

    def replace(self, table: Path, picture: Path, caption: str) -> None:
        """Put a table and a picture between the marks.

        :param caption: description of the picture, for those who do not see it.
        """
        before, after = self._parts()
        shutil.copyfile(picture, self._file.parent / f'{self._name}.png')
        image = f'![{caption}]({self._name}.png)'
        self._file.write_text(f'{before}\n{table.read_text()}\n{image}\n{after}')

    def _parts(self) -> tuple[str, str]:
        """Return what comes before and after the old table, with the marks."""
        begin, end = f'<!-- {self._name} -->\n', f'<!-- /{self._name} -->\n'
        try:
            text = self._file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise PageError(f'--page {self._file}: cannot be read ({error})') from error
        before, begun, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (begun and ended) or begin in rest:
            raise PageError(
                f'--page {self._file}: needs the lines {begin.strip()} and {end.strip()} once, '
                'in this order'
            )
        return before + begun, ended + after
