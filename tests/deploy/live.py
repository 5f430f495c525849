"""The service in its demo, and a real Prometheus that scrapes it with the rules and the alerting of deploy/."""

import json
import re
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from support import BINARY, DEPLOY, free_port, tool, wait_for


class Live:
    """Both processes, ended by `stop`."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="stickiness-deploy-")
        self.service_port, self.prometheus_port = free_port(), free_port()
        self.processes = []
        try:
            self._start("service", BINARY, "demo", "--listen", f"127.0.0.1:{self.service_port}", "--live-rate", "50")
            self._start_prometheus()
        except BaseException:
            self.stop()
            raise

    def _start(self, name, *command):
        log = open(Path(self.folder.name) / f"{name}.log", "w", encoding="utf-8")
        self.processes.append(subprocess.Popen([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT, cwd=self.folder.name))

    def _start_prometheus(self):
        """The settings of the compose file, with one address in the place of a name, and faster."""
        settings = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text())
        settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        settings["rule_files"] = [str(DEPLOY / "prometheus/rules.yaml")]
        settings["alerting"] = {}
        (job,) = settings["scrape_configs"]
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{self.service_port}"]}]
        path = Path(self.folder.name) / "prometheus.yaml"
        path.write_text(yaml.safe_dump(settings))
        self._start(
            "prometheus",
            tool("prometheus"),
            f"--config.file={path}",
            f"--storage.tsdb.path={self.folder.name}/data",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
        )

    def stop(self):
        """Ends both."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
        self.folder.cleanup()

    def log(self, name):
        """What a process has said."""
        return (Path(self.folder.name) / f"{name}.log").read_text(encoding="utf-8")

    def service(self, path):
        """Status and text of an answer of the service; `None` when it does not answer."""
        return _get(f"http://127.0.0.1:{self.service_port}{path}")

    def prometheus(self, path, **parameters):
        """The data of an answer of Prometheus' API; an error of a query is an error here."""
        answer = _get(f"http://127.0.0.1:{self.prometheus_port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        if answer is None:
            return None
        status, text = answer
        body = json.loads(text)
        if body["status"] != "success":
            raise AssertionError(f"{path} {parameters}: {status} {body.get('error')}")
        return body["data"]

    def exported(self):
        """Names of all series that /metrics can have, by its own word: families without a series are told, too."""
        _, text = self.service("/metrics")
        names = set()
        for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
            names |= {name + ending for ending in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
        return names

    def settle(self):
        """Waits until everything that takes its time has come: models, their calibration, and the first stored snapshots of all partitions."""
        wait_for("service", 60, lambda: self.service("/readyz"))
        wait_for("first scrape", 60, lambda: self.prometheus("query", query='up{job="stickiness"} == 1') or None)

        def complete():
            found = self.prometheus("query", query="count(stickiness_snapshot_age_seconds) == 4 and on () stickiness_churn_brier_score")
            return found and found["result"]

        wait_for("snapshot and model", 180, complete)


def _get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None
