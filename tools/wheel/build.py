"""Build a wheel that strangers' Linux machines take: `python tools/wheel/build.py` (pip install ".[wheel]" first).

It is compiled by the compiler that is here, and linked against the symbols of an old glibc, which the package
`ziglang` has: what a module then asks for is there on any Linux since 2018 (manylinux_2_28). libstdc++ is linked in;
libgomp comes from the wheel of scikit-learn, which was built on such a system, and travels along. `auditwheel` has the
last word.
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
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
GLIBC = "2.28"
MOST_BYTES = 5 * 2**20  # that a wheel should have
STUBS = ("pthread.so.0", "m.so.6", "dl.so.2", "ld.so.2", "c.so.6")


def run(*command: str | Path, **environment: str) -> str:
    """Run a command, show it where it fails, and return what it printed."""
    told = subprocess.run(
        [str(word) for word in command], env={**os.environ, **environment}, cwd=ROOT, text=True, capture_output=True
    )
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


def check_symbols(wheel: Path, folder: Path) -> None:
    """Refuse modules that ask for what no library here says it has: at a stranger's, their import would fail."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for module in folder.glob("lamina/*.so"):
        asked = [line.split() for line in run("nm", "-D", "--undefined-only", module).splitlines()]
        needed = [name for kind, name in asked if kind == "U" and "@" not in name]  # others may be missing
        unknown = [name for name in needed if not name.startswith(("Py", "_Py"))]
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
        linked = [folder / "old.o", *(f"{stubs}/lib{name}" for name in STUBS)]
        settings = {
            "CMAKE_MODULE_LINKER_FLAGS": "-nodefaultlibs",
            "LAMINA_PRECOMPILE": "OFF",  # so that a compiler cache, where there is one, serves every Python
            "CMAKE_CXX_STANDARD_LIBRARIES": " ".join(["-l:libstdc++.a", *map(str, linked), "-lgcc_s -lgcc"]),
        }
        define = ";".join(f"{name}={value}" for name, value in settings.items())
        run(
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--wheel-dir",
            folder / "raw",
            ROOT,
            SKBUILD_CMAKE_DEFINE=define,
        )
        (raw,) = (folder / "raw").glob("*.whl")
        check_symbols(raw, folder / "unpacked")
        options.out.mkdir(exist_ok=True)
        wanted = f"manylinux_{GLIBC.replace('.', '_')}_{platform.machine()}"
        repair = ("auditwheel", "repair", "--plat", wanted, "--wheel-dir", folder / "repaired", raw)
        print(run(sys.executable, "-m", *repair, LD_LIBRARY_PATH=str(folder / "libgomp")))
        (made,) = (folder / "repaired").glob("*.whl")
        target = options.out / made.name
        shutil.copy(made, target)
        print(run(sys.executable, "-m", "auditwheel", "show", target))
        size = target.stat().st_size
        print(f"{target}: {size / 2**20:.2f} MiB", "" if size <= MOST_BYTES else f"(more than {MOST_BYTES / 2**20:g})")


if __name__ == "__main__":
    main()
