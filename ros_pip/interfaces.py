# SPDX-License-Identifier: Apache-2.0
"""Build interface packages for Python nodes: what rclpy and the wheels' middleware load, no more.

    python interfaces.py --out FOLDER [--include FOLDER] PACKAGE_FOLDER…

The generators are those of the wheels. Of each package they make its Python classes and one
extension module, which holds the C types, the conversions and the two type supports that the
middleware of the wheels looks up, in libraries of their names: Fast DDS to send a message, and
introspection to describe it. C++ and CMake files are left out: no Python node loads them.

FOLDER becomes a prefix like that of an installed package (`share/` with the definitions and the
ament index, `lib/`), with the Python packages in `python/`. It names no other place, so it may be
moved.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir
from functools import cache, partial
import os
from pathlib import Path
import shlex
import shutil
import subprocess
import sys
import sysconfig
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import numpy
from rosidl_adapter.cli import TranslateActionToIDL, TranslateMsgToIDL, TranslateSrvToIDL
from rosidl_generator_c.cli import GenerateC
from rosidl_generator_py.cli import GeneratePython
from rosidl_generator_type_description.cli import HashTypeDescription
from rosidl_parser import parser
from rosidl_typesupport_c.cli import GenerateCTypesupport
from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport
from rosidl_typesupport_introspection_c.cli import GenerateIntrospectionCTypesupport

PREFIX = Path(sys.prefix)
TYPE_SUPPORTS = ('rosidl_typesupport_fastrtps_c', 'rosidl_typesupport_introspection_c')
LIBRARIES = ('rosidl_generator_c', 'rosidl_generator_py', 'rosidl_typesupport_c', *TYPE_SUPPORTS)
RUNTIME = (
    'fastcdr',
    'rcutils',
    'rosidl_runtime_c',
    'rosidl_typesupport_c',
    *TYPE_SUPPORTS,
    'rosidl_typesupport_fastrtps_cpp',
)
TRANSLATORS = {
    '.msg': TranslateMsgToIDL,
    '.srv': TranslateSrvToIDL,
    '.action': TranslateActionToIDL,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the packages named on the command line, as many at a time as there are CPUs."""
    options = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    options.add_argument('--out', type=Path, required=True, help='becomes the prefix')
    options.add_argument('packages', type=Path, nargs='+', help='folders with a package.xml')
    options.add_argument(
        '--include', default=sysconfig.get_path('include'), help='where Python.h is (%(default)s)'
    )
    given = options.parse_args(arguments)
    # Every generator parses every definition, which takes longer than all else.
    parser.get_ast_from_idl_string = cache(parser.get_ast_from_idl_string)
    out = given.out.resolve()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        packages = sorted(given.packages, key=definition_size, reverse=True)
        for name in pool.map(partial(build, out=out, include=given.include), packages):
            print(f'built {name}', flush=True)


def definition_size(package: Path) -> int:
    """Return the size of a package's definitions [B], which is about how long it takes."""
    return sum(path.stat().st_size for path in definitions(package))


def definitions(package: Path) -> list[Path]:
    """Return the files of a package that define messages, services and actions."""
    return sorted(path for path in package.rglob('*') if path.suffix in TRANSLATORS)


def build(package: Path, out: Path, include: str) -> str:
    """Build one package into the prefix `out` and return its name."""
    package = package.resolve()
    name = ElementTree.parse(package / 'package.xml').findtext('name')
    with TemporaryDirectory() as folder:
        sources = Path(folder)
        install_definitions(package, name, out / 'share')
        generate(name, out / 'share' / name, sources)
        python = out / 'python' / name
        shutil.copytree(
            sources / 'py' / name, python, ignore=shutil.ignore_patterns('*.c'), dirs_exist_ok=True
        )
        (python / '__init__.py').touch()
        module = python / f'{name}_s__rosidl_typesupport_c.so'
        compile_module(sources, include, module)
        link_libraries(name, module, out / 'lib')
    return name


def install_definitions(package: Path, name: str, share: Path) -> None:
    """Copy the definitions and enter the package into the ament index."""
    folder = share / name
    files = [path.relative_to(package) for path in definitions(package)]
    for path in (Path('package.xml'), *files):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(package / path, folder / path)
    index = share / 'ament_index' / 'resource_index'
    listed = sorted(str(path) for file in files for path in (file, file.with_suffix('.idl')))
    for kind, text in (('packages', ''), ('rosidl_interfaces', '\n'.join(listed))):
        (index / kind).mkdir(parents=True, exist_ok=True)
        (index / kind / name).write_text(text)


def generate(name: str, share: Path, sources: Path) -> None:
    """Write the .idl and .json files beside the definitions, and the sources by generator."""
    include = [str(PREFIX / 'share')]
    with chdir(share):
        files = []
        for suffix, translator in TRANSLATORS.items():
            found = [f'{share}:{path.relative_to(share)}' for path in definitions(share)]
            found = [path for path in found if path.endswith(suffix)]
            files += map(str, translator(suffix).translate(name, found, include, share))
        hashes = HashTypeDescription('hash').generate_type_hashes(name, files, include, share)
        # By folder: it finds a hash by a file's name, which an action and a message may share.
        for kind in ('msg', 'srv', 'action'):
            some = [path for path in files if f':{kind}/' in path]
            known = [str(path) for path in hashes if path.parent.name == kind]
            if some:
                GenerateC('c').generate(name, some, include, sources / 'c' / name, known)
        GeneratePython('py', typesupport_implementations=['rosidl_typesupport_c']).generate(
            name, files, include, sources / 'py' / name
        )
        GenerateCTypesupport('ts', typesupport_implementations=list(TYPE_SUPPORTS)).generate(
            name, files, include, sources / 'ts' / name
        )
        GenerateFastRTPSCTypesupport('dds').generate(name, files, include, sources / 'dds' / name)
        GenerateIntrospectionCTypesupport('introspection').generate(
            name, files, include, sources / 'introspection' / name
        )


def compile_module(sources: Path, include: str, module: Path) -> None:
    """Compile the sources of each language as one file, because their headers cost the time.

    Only descriptions are compiled one by one: their static names are the same in every file.
    """
    units = sorted(sources.rglob('*__description.c'))
    for suffix in ('.c', '.cpp'):
        included = sorted(set(sources.rglob(f'*{suffix}')) - set(units))
        units.append(sources / f'all{suffix}')
        units[-1].write_text(''.join(f'#include "{path}"\n' for path in included))
    objects = [sources / f'{index}.o' for index in range(len(units))]
    for unit, built in zip(units, objects, strict=True):
        compiler = 'cc' if unit.suffix == '.c' else 'c++'
        run(compiler, '-O1', '-fPIC', *include_options(sources, include), '-c', unit, '-o', built)
    run('c++', '-shared', *objects, *link_options(), '-o', module)


def link_libraries(name: str, module: Path, folder: Path) -> None:
    """Give the module the names under which the middleware opens its type supports."""
    folder.mkdir(exist_ok=True)
    for kind in TYPE_SUPPORTS:
        library = folder / f'lib{name}__{kind}.so'
        library.unlink(missing_ok=True)
        library.symlink_to(os.path.relpath(module, folder))


def include_options(sources: Path, python: str) -> list[str]:
    """Return where the compiler finds headers; `python` is the folder of Python.h."""
    folders = [sources / kind for kind in ('c', 'py', 'ts', 'dds', 'introspection')]
    folders += [PREFIX / 'include', *(PREFIX / 'include').iterdir()]
    folders += [python, numpy.get_include()]
    return [f'-I{folder}' for folder in folders]


def link_options() -> list[str]:
    """Return the wheels' libraries, of which the linker takes those that are needed."""
    index = PREFIX / 'share' / 'ament_index' / 'resource_index' / 'rosidl_interfaces'
    libraries = [f'{package.name}__{kind}' for package in index.iterdir() for kind in LIBRARIES]
    libraries += RUNTIME
    return ['-Wl,--as-needed', f'-L{PREFIX / "lib"}', *(f'-l{library}' for library in libraries)]


def run(*command: str | Path) -> None:
    """Run a compiler; where it fails, its output is the error."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f'{shlex.join(map(str, command))}\n{done.stdout}')


if __name__ == '__main__':
    main()
