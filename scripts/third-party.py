#!/usr/bin/env python3
"""Prints the notices of all that is linked into the binary: of each crate its name, version, licence and the texts of licences and notices that it comes with.

    scripts/third-party.py TARGET

TARGET is the triple that the binary is for. Fails when a crate tells no licence at all.
"""

import json
import subprocess
import sys
from pathlib import Path

# How files with licences and notices begin, in any case.
BEGINNINGS = ("license", "licence", "copying", "notice", "copyright", "unlicense")


def metadata(target: str) -> dict:
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--features", "opentelemetry", "--filter-platform", target]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def linked(known: dict) -> set[str]:
    """The packages that the root needs to run: not those of tests and of builds alone, but those that bring the sources of a C library to a build."""
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    names = {package["id"]: package["name"] for package in known["packages"]}
    root = known["resolve"]["root"]
    found, waiting = set(), [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            runs = any(kind["kind"] is None for kind in dependency["dep_kinds"]) or names[dependency["pkg"]].endswith("-src")
            if runs and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return found


def texts(package: dict) -> list[Path]:
    """Files with licences and notices at the top of a crate, and of the C libraries that some bring along, one and two folders down."""
    home = Path(package["manifest_path"]).parent
    files = [path for depth in ("*", "*/*", "*/*/*") for path in home.glob(depth) if path.is_file()]
    wanted = {path for path in files if path.name.lower().startswith(BEGINNINGS) and path.suffix not in {".rs", ".c", ".h"}}
    named = package.get("license_file")
    return sorted(wanted | ({home / named} if named and (home / named).is_file() else set()))


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    known = metadata(sys.argv[1])
    ids = linked(known)
    packages = sorted((package for package in known["packages"] if package["id"] in ids), key=lambda one: (one["name"], one["version"]))
    for package in packages:
        if not package["license"] and not package["license_file"]:
            sys.exit(f"{package['name']} {package['version']} tells no licence")
        print(f"{'=' * 80}\n{package['name']} {package['version']}: {package['license'] or 'see below'}")
        print(f"{package['repository'] or ''}\n")
        home = Path(package["manifest_path"]).parent
        for path in texts(package):
            print(f"--- {path.relative_to(home)}\n{path.read_text(encoding='utf-8', errors='replace').strip()}\n")


if __name__ == "__main__":
    main()
