"""The image's build and the compose file, as far as they can be looked at without a container."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml
from compose_spec import PyCompose

from support import DEPLOY, ROOT, TARGET, output_of, settings_are_valid, tool

DOCKERFILE = DEPLOY / "Dockerfile"
COMPOSE = DEPLOY / "compose/compose.yaml"
# In the place of a build: asks whether the manifest, its lock and the targets that are there fit together.
CARGO = """#!/bin/sh
[ "$*" = "build --release --locked --features opentelemetry --bin stickiness" ] || { echo "another build: $*" >&2; exit 1; }
exec "$REAL_CARGO" metadata --locked --offline --filter-platform "$PLATFORM" --format-version 1 > /dev/null
"""


def instructions(text):
    """Instructions with what they say, comments left out and continued lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    return [line.split(None, 1) for line in joined.splitlines() if line.strip()]


class Image(unittest.TestCase):
    def test_the_linter_has_nothing_to_say(self):
        self.assertEqual(output_of(tool("hadolint"), "--failure-threshold", "style", DOCKERFILE), "")

    def context(self, folder):
        """What a build is sent: of the tracked files, those that the ignore file lets through."""
        kept = re.findall("^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
        self.assertIn("*", (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines())
        tracked = output_of("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
        for name in tracked:
            if (ROOT / name).is_file() and any(name == it or name.startswith(f"{it}/") for it in kept):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)

    def test_its_steps_work_in_a_clean_folder(self):
        with tempfile.TemporaryDirectory() as name:
            context, build, programs = (Path(name) / it for it in ("context", "build", "bin"))
            self.context(context)
            build.mkdir()
            programs.mkdir()
            (programs / "cargo").write_text(CARGO)
            (programs / "cargo").chmod(0o755)
            platform = re.search("^host: (.+)$", output_of(tool("rustc"), "-vV"), re.MULTILINE).group(1)
            environment = os.environ | {"REAL_CARGO": tool("cargo"), "PLATFORM": platform, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
            builds = self.run_steps(context, build, environment)
            self.assertEqual(builds, 2, "one of the dependencies, one of the source")
            self.included_files_are_there(build)

    def run_steps(self, context, build, environment):
        """The steps of the first stage; how many of them build."""
        text = DOCKERFILE.read_text()
        first = instructions(text[: text.index("FROM gcr.io")])
        for instruction, rest in first:
            if instruction == "COPY":
                *sources, destination = rest.split()
                for source in sources:
                    self.assertTrue((context / source).exists(), f"COPY {source}: it is not in what the build is sent")
                    copy = shutil.copytree if (context / source).is_dir() else shutil.copy2
                    copy(context / source, build / destination)
            elif instruction == "RUN":
                # The state's folder is the image's.
                script = rest.replace("mkdir /state", "true")
                done = subprocess.run(["sh", "-ec", script], cwd=build, env=environment, capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 0, f"{script}\n{done.stderr}")
        return sum(instruction == "RUN" and "cargo build" in rest for instruction, rest in first)

    def included_files_are_there(self, build):
        """All of src is copied; what a file of it takes in from elsewhere must be, too."""
        found = 0
        for path in (it for it in (build / "src").rglob("*.rs") if it.name != "tests.rs"):
            for name in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', path.read_text()):
                self.assertTrue((path.parent / name).exists(), f"{path.relative_to(build)} includes {name}, which is not copied")
                found += 1
        self.assertGreater(found, 0)

    def test_it_runs_as_nobody_and_stops_in_order(self):
        text = DOCKERFILE.read_text()
        last = dict(instructions(text[text.index("FROM gcr.io") :]))
        self.assertRegex(last["USER"], r"^[1-9]\d*:[1-9]\d*$")
        self.assertEqual((last["STOPSIGNAL"], last["ENTRYPOINT"]), ("SIGTERM", '["stickiness"]'))
        self.assertRegex(last["FROM"], "distroless.*:nonroot$")


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = COMPOSE.read_text()
        cls.services = yaml.safe_load(cls.text)["services"]

    def test_the_specification_takes_it(self):
        names = PyCompose.from_yaml(self.text).service_names()
        self.assertEqual(sorted(names), sorted(self.services))
        with self.assertRaises(Exception):
            PyCompose.from_yaml(self.text.replace("restart: on-failure", "restart: on-fail"))

    def test_files_that_are_mounted_are_there(self):
        mounted = [volume.split(":")[0] for it in self.services.values() for volume in it.get("volumes", []) if volume.startswith(".")]
        self.assertGreater(len(mounted), 5)
        for path in mounted:
            self.assertTrue((COMPOSE.parent / path).exists(), path)

    def test_services_that_are_waited_for_are_there(self):
        for name, service in self.services.items():
            for other, how in service.get("depends_on", {}).items():
                self.assertIn(other, self.services, name)
                if how["condition"] == "service_healthy":
                    self.assertIn("healthcheck", self.services[other])

    def test_nothing_is_reached_from_other_machines(self):
        ports = [port for service in self.services.values() for port in service.get("ports", [])]
        self.assertGreaterEqual(len(ports), 5)
        for port in ports:
            address = port["host_ip"] if isinstance(port, dict) else port.partition(":")[0]
            self.assertEqual(address, "127.0.0.1")

    def test_images_are_of_a_version(self):
        for name, service in self.services.items():
            self.assertTrue("build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name)

    def test_settings_are_valid(self):
        settings_are_valid(COMPOSE.parent / "stickiness.toml", STICKINESS__HTTP__TOKEN="on-this-machine")

    def test_the_names_that_others_ask_for_are_services(self):
        settings = "".join((DEPLOY / path).read_text() for path in ("compose/stickiness.toml", "prometheus/prometheus.yaml", "grafana/provisioning/datasources/prometheus.yaml"))
        asked = set(re.findall(r"\b([a-z]+):(?:9092|9093|9090)\b", settings)) | {"stickiness"}
        self.assertEqual(asked, {"kafka", "alertmanager", "prometheus", "stickiness"})
        self.assertLessEqual(asked, set(self.services))

    def test_kafka_takes_its_settings(self):
        """The image makes a properties file of variables; Kafka's own tool reads it and formats a storage by it."""
        libs = TARGET / "kafka/libs"
        self.assertTrue((libs / ".complete").exists(), "no broker: run scripts/fetch-broker.sh")
        with tempfile.TemporaryDirectory() as folder:
            settings = {name[6:].replace("_", ".").lower(): value for name, value in self.services["kafka"]["environment"].items()}
            self.assertGreater(len(settings), 10)
            settings["log.dirs"] = f"{folder}/data"
            path = Path(folder) / "server.properties"
            path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
            java = ("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{libs}/*", "kafka.tools.StorageTool")
            told = output_of(*java, "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", path)
            self.assertTrue((Path(folder) / "data/meta.properties").exists(), told)


class Alertmanager(unittest.TestCase):
    PATH = DEPLOY / "alertmanager/alertmanager.yaml"

    def test_alertmanager_takes_its_settings(self):
        output_of(tool("amtool"), "check-config", self.PATH)

    def test_alerts_go_to_whom_they_concern(self):
        for name, receiver in (("churn_spike", "product"), ("return_deficit", "product"), ("StickinessDown", "operators")):
            routed = output_of(tool("amtool"), "config", "routes", "test", f"--config.file={self.PATH}", f"alertname={name}")
            self.assertIn(receiver, routed.split(), name)
