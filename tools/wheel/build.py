"""Build a wheel that strangers' Linux machines take: `python tools/wheel/build.py` (pip install ".[wheel]" first).

It is compiled by the compiler that is here, and linked against the symbols of an old glibc, which the package
`ziglang` has: what a module then asks for is there on any Linux since 2018 (manylinux_2_28). Two libraries travel
along: libgomp, from the wheel of scikit-learn, which was built on such a system, and what the core and its bindings,
between which exceptions fly, need of the compiler's libstdc++. `auditwheel` has the last word.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
GLIBC = "2.28"
MOST_BYTES = 5 * 2**20  # that a wheel should have
STUBS = ("pthread.so.0", "m.so.6", "dl.so.2", "ld.so.2", "c.so.6")


def run(*command: str | Path, **environment: str) -> str:
    """Run a command, show it where it fails, and return what it printed."""
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # patchelf, activated or not
    everything = {**os.environ, "PATH": here, **environment}
    told = subprocess.run([str(word) for word in command], env=everything, cwd=ROOT, text=True, capture_output=True)
    if told.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{told.stdout}{told.stderr}")
    return told.stdout


def glibc_stubs(folder: Path) -> Path:
    """Libraries that have the names and the symbols of glibc's, and nothing in them; their folder."""
    source = folder / "empty.c"
    source.write_text("#include <math.h>\n#include <pthread.h>\ndouble of(double x) { return sin(x); }\n")
    target = f"{platform.machine()}-linux-gnu.{GLIBC}"
    libraries = ("-lm", "-lpthread", "-ldl")
    run(sys.executable, "-m", "ziglang", "cc", "-target", target, "-shared", "-o", folder / "empty.so", source,
        *libraries, ZIG_GLOBAL_CACHE_DIR=str(folder / "cache"), ZIG_LOCAL_CACHE_DIR=str(folder / "local"))  # fmt: skip
    return next((folder / "cache").rglob("libc.so.6")).parent


def libgomp(folder: Path) -> None:
    """Put scikit-learn's libgomp there, under its own name again."""
    files = importlib.metadata.files("scikit-learn") or []
    found = [file for file in files if file.name.startswith("libgomp") and ".libs" in str(file)]
    if not found:
        sys.exit("the scikit-learn that is installed carries no libgomp: install its wheel from the package index")
    folder.mkdir()
    shutil.copy(found[0].locate(), folder / "libgomp.so.1")
    run("patchelf", "--set-soname", "libgomp.so.1", folder / "libgomp.so.1")


class Libstdcxx:
    """A libstdc++ made of the compiler's static one, under a name and a symbol version of its own.

    No other libstdc++ in the process has that version, so that its symbols never stand in for these.
    """

    def __init__(self, folder: Path, linked: Sequence[str | Path]) -> None:
        folder.mkdir()
        self.file = folder / "liblamina_stdc++.so"
        self._map, self._linked = folder / "exports.map", linked

    def make(self, names: Iterable[str]) -> None:
        """Link it, with these symbols (or patterns) and what they need."""
        listed = "".join(f" {name};" for name in names)
        self._map.write_text(f"LAMINA_STDCXX {{ global:{listed} local: *; }};\n")
        parts = ("-Wl,--whole-archive", "-l:libstdc++.a", "-Wl,--no-whole-archive", *self._linked)
        run(os.environ.get("CXX", "g++"), "-shared", "-s", "-nodefaultlibs", "-Wl,--gc-sections", "-o", self.file,
            f"-Wl,-soname,{self.file.name}", f"-Wl,--version-script={self._map}", "-Wl,-Bsymbolic", *parts)  # fmt: skip


def modules(wheel: Path, folder: Path) -> list[Path]:
    """Unpack a wheel there; its modules and libraries."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return sorted(folder.glob("lamina/**/*.so"))


def asked_symbols(module: Path, kinds: str) -> list[str]:
    """Return the symbols that a module asks for, with their versions where they have one: U, or weak ones, w and v."""
    asked = [line.split() for line in run("nm", "-D", "--undefined-only", module).splitlines()]
    return [name for kind, name in asked if kind in kinds]


def check_symbols(module: Path) -> None:
    """Refuse a module that asks for what no library here says it has: at a stranger's, its import would fail."""
    unknown = [name for name in asked_symbols(module, "U") if "@" not in name and not name.startswith(("Py", "_Py"))]
    if unknown:
        sys.exit(f"{module.name} asks for symbols that glibc {GLIBC} does not have: {', '.join(unknown)}")


def main() -> None:
    """Build, repair and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        stubs = glibc_stubs(folder)
        compiler = os.environ.get("CC", "gcc")
        run(
            compiler, "-O2", "-fPIC", "-Wall", "-Werror", "-c", ROOT / "tools/wheel/old_glibc.c", "-o", folder / "old.o"
        )
        libgomp(folder / "libgomp")
        linked = [folder / "old.o", *(f"{stubs}/lib{name}" for name in STUBS), "-lgcc_s", "-lgcc"]
        libstdcxx = Libstdcxx(folder / "libstdc++", linked)
        libstdcxx.make("*")
        libraries = " ".join(map(str, [libstdcxx.file, *linked]))
        settings = {
            "CMAKE_MODULE_LINKER_FLAGS": "-nodefaultlibs",
            "CMAKE_SHARED_LINKER_FLAGS": "-nodefaultlibs",
            "LAMINA_PRECOMPILE": "OFF",  # so that a compiler cache, where there is one, serves every Python
            "CMAKE_CXX_STANDARD_LIBRARIES": libraries,
        }
        define = ";".join(f"{name}={value}" for name, value in settings.items())
        wheel = ("wheel", "--no-deps", "--wheel-dir", folder / "raw", ROOT)
        run(sys.executable, "-m", "pip", *wheel, SKBUILD_CMAKE_DEFINE=define)
        (raw,) = (folder / "raw").glob("*.whl")
        made = modules(raw, folder / "unpacked")
        for module in made:
            check_symbols(module)
        asked = [name.partition("@") for module in made for name in asked_symbols(module, "Uwv")]
        libstdcxx.make(sorted({name for name, _, version in asked if version == "LAMINA_STDCXX"}))
        options.out.mkdir(exist_ok=True)
        wanted = f"manylinux_{GLIBC.replace('.', '_')}_{platform.machine()}"
        repair = ("auditwheel", "repair", "--zip-compression-level", "9", "--plat", wanted, "--wheel-dir")
        libraries = f"{folder / 'libgomp'}:{libstdcxx.file.parent}"
        print(run(sys.executable, "-m", *repair, folder / "repaired", raw, LD_LIBRARY_PATH=libraries))
        (repaired,) = (folder / "repaired").glob("*.whl")
        target = options.out / repaired.name
        shutil.copy(repaired, target)
        print(run(sys.executable, "-m", "auditwheel", "show", target))
        size = target.stat().st_size
        print(f"{target}: {size / 2**20:.2f} MiB", "" if size <= MOST_BYTES else f"(more than {MOST_BYTES / 2**20:g})")


if __name__ == "__main__":
    main()
