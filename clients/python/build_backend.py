"""Builds the wheel. It needs nothing but Python, so it also works without a package index.

`python3 build_backend.py FOLDER` writes the wheel into a folder and prints its name. `pip` finds
the same functions by pyproject.toml (PEP 517).
"""

from __future__ import annotations

import base64
import hashlib
import io
import pathlib
import sys
import tarfile
import tomllib
import zipfile
from typing import Any, Final

HERE: Final = pathlib.Path(__file__).parent
PROJECT: Final[dict[str, Any]] = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
PACKAGE: Final = "lockstep_client"
NAME: Final = f"{PACKAGE}-{PROJECT['version']}"
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The same sources give the same file, whenever it is built."""


def build_wheel(
    wheel_directory: str, config_settings: object = None, metadata_directory: str | None = None
) -> str:
    name = f"{NAME}-py3-none-any.whl"
    info = f"{NAME}.dist-info"
    wheel = "Wheel-Version: 1.0\nGenerator: lockstep\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {f"{PACKAGE}/{path.name}": path.read_bytes() for path in _sources()}
    files[f"{info}/METADATA"] = _metadata().encode()
    files[f"{info}/WHEEL"] = wheel.encode()
    record = "".join(f"{path},{_digest(data)},{len(data)}\n" for path, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return name


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:
    name = f"{NAME}.tar.gz"
    own = ["pyproject.toml", "build_backend.py", "README.md"]
    files = {path: (HERE / path).read_bytes() for path in own}
    files |= {f"{PACKAGE}/{path.name}": path.read_bytes() for path in _sources()}
    files["PKG-INFO"] = _metadata().encode()
    with tarfile.open(pathlib.Path(sdist_directory, name), "w:gz") as archive:
        for path, data in files.items():
            entry = tarfile.TarInfo(f"{NAME}/{path}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return name


def _sources() -> list[pathlib.Path]:
    folder = HERE / PACKAGE
    return sorted([*folder.glob("*.py"), folder / "py.typed"])


def _metadata() -> str:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {PROJECT['name']}",
        f"Version: {PROJECT['version']}",
        f"Summary: {PROJECT['description']}",
        f"License: {PROJECT['license']['text']}",
        f"Requires-Python: {PROJECT['requires-python']}",
        *(f"Requires-Dist: {dependency}" for dependency in PROJECT["dependencies"]),
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join([*lines, "", (HERE / "README.md").read_text()])


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"


if __name__ == "__main__":
    print(build_wheel(sys.argv[1]))
