"""Compiles the kernel at install time, where it can be; everything else about the project is in pyproject.toml.

Without a C compiler, or where one fails, the same files run interpreted: one line says so. ``TIDEGATE_PURE=1``
compiles nothing.
"""

import os
import sys
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from wire.kernel import MODULES, PURE_VARIABLE

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": True,  # the kernel reads bytes from networks
    "wraparound": False,
    "annotation_typing": False,  # types come from the .pxd files only
}


def say(text: str) -> None:
    """Print a line that pip shows with -v, and always when something went wrong."""
    print(f"tidegate: {text}", file=sys.stderr)


class BuildKernel(build_ext):
    """Builds what can be built."""

    def run(self) -> None:
        """Compile all modules, or none: a kernel half compiled would be neither fast nor tested."""
        try:
            super().run()
        except Exception as error:
            say(f"the kernel is not compiled ({error}); it runs interpreted, which is slower and otherwise the same")
            for extension in self.extensions:
                path = self.get_ext_fullpath(extension.name)
                if os.path.exists(path):
                    os.remove(path)


def extensions() -> list[Any]:
    """Return the kernel modules as C extensions, or nothing where they are to run interpreted."""
    if os.environ.get(PURE_VARIABLE) == "1":
        return []
    try:
        from Cython.Build import cythonize

        sources = [Extension(name, [f"{name.replace('.', '/')}.py"], optional=False) for name in MODULES]
        return list(cythonize(sources, compiler_directives=DIRECTIVES, quiet=True, build_dir="build/kernel"))
    except Exception as error:
        say(f"the kernel is not compiled ({error}); it runs interpreted, which is slower and otherwise the same")
        return []


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildKernel})
