"""What the checks of deploy/ share: where things are, and how programs are run."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
TOOLS = TARGET / "tools" / "deploy"
BINARY = Path(os.environ.get("STICKINESS_BINARY", TARGET / "debug" / "stickiness")).resolve()


def tool(*names):
    """The path of the first of these programs that there is."""
    folders = os.pathsep.join([str(TOOLS / "venv" / "bin"), str(TOOLS / "bin"), os.environ["PATH"]])
    for name in names:
        found = shutil.which(name, path=folders)
        if found:
            return found
    raise AssertionError(f"missing: {' or '.join(names)}; scripts/test-deploy.sh says how to get it")


def output_of(*command, **options):
    """What a command prints, both streams together. It must succeed."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def settings_are_valid(path, **environment):
    """Whether `stickiness check` takes a file of settings; the environment has no other keys than these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STICKINESS__")}
    output_of(BINARY, "check", "--offline", "--config", path, env=inherited | environment)


def free_port():
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, seconds, look):
    """Looks until there is something to see."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen = look()
        if seen:
            return seen
        time.sleep(0.2)
    raise AssertionError(f"no {what} within {seconds} s")


def kustomized(folder):
    """The manifests that a folder makes, as text."""
    program = tool("kustomize", "kubectl")
    return output_of(program, "kustomize" if program.endswith("kubectl") else "build", folder)
