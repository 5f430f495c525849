"""Checks deploy/: files first, while a service and a Prometheus gather what the last checks ask for."""

import sys
import unittest

import test_containers
import test_kubernetes
import test_prometheus
import test_release
import test_systemd
from live import Live

CASES = [
    *(test_containers.Image, test_containers.Compose, test_containers.Alertmanager),
    *(test_kubernetes.Manifests, test_systemd.Unit),
    *(test_release.Release, test_prometheus.Files, test_prometheus.Running),
]


def main():
    live = Live()
    try:
        test_prometheus.Running.live = live
        loader = unittest.defaultTestLoader
        suite = unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in CASES)
        result = unittest.TextTestRunner(verbosity=2).run(suite)
        if not result.wasSuccessful():
            for name in ("service", "prometheus"):
                print(f"== log of {name}\n{live.log(name)[-3000:]}", file=sys.stderr)
    finally:
        live.stop()
    failed = len(result.failures) + len(result.errors)
    print(f"deploy: {result.testsRun - failed} passed, {failed} failed")
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 20 else 1)


if __name__ == "__main__":
    main()
