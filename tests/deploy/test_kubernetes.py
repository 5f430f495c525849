"""The manifests against the schemas of Kubernetes and of the operators, and against what the service needs."""

import json
import tempfile
import unittest
from pathlib import Path

import kubernetes_validate
import yaml

from support import DEPLOY, TOOLS, kustomized, output_of, settings_are_valid, tool

# The oldest version that has all that the manifests use, and the newest that the validator knows.
VERSIONS = ("1.30", "1.37")
CUSTOM = ("keda.sh/v1alpha1", "monitoring.coreos.com/v1")
NAMES = {"app.kubernetes.io/name": "stickiness"}


def manifests(folder):
    return [manifest for manifest in yaml.safe_load_all(kustomized(DEPLOY / "kubernetes" / folder)) if manifest]


def one(found, kind, **metadata):
    (manifest,) = [it for it in found if it["kind"] == kind and all(it["metadata"][key] == value for key, value in metadata.items())]
    return manifest


def is_chosen(labels, wanted):
    return wanted.items() <= labels.items()


class Manifests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base, cls.example = manifests("base"), manifests("example")

    def test_kinds_of_kubernetes_are_as_their_schemas_say(self):
        for manifest in self.base + self.example:
            if manifest["apiVersion"] not in CUSTOM:
                for version in VERSIONS:
                    with self.subTest(kind=manifest["kind"], version=version):
                        kubernetes_validate.validate(manifest, version, strict=True)

    def test_the_schemas_refuse_what_is_wrong(self):
        deployment = json.loads(json.dumps(one(self.base, "Deployment")))
        deployment["spec"]["template"]["spec"]["terminationGracePeriod"] = 90
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)

    def check_custom(self, resources):
        # Given as text, it finds the packages of the folder that it runs in.
        script = (Path(__file__).parent / "custom_resources.mjs").read_text()
        output_of(tool("node"), "--input-type=module", "--eval", script, input=json.dumps(resources), cwd=TOOLS)

    def test_kinds_of_operators_are_as_their_schemas_say(self):
        custom = [manifest for manifest in self.example if manifest["apiVersion"] in CUSTOM]
        self.assertEqual(sorted(it["kind"] for it in custom), ["PrometheusRule", "ScaledObject", "ServiceMonitor"])
        self.check_custom(custom)
        wrong = json.loads(json.dumps(one(custom, "ScaledObject")))
        wrong["spec"]["triggers"][0]["metadata"]["lagThreshold"] = 5
        with self.assertRaisesRegex(AssertionError, "lagThreshold"):
            self.check_custom([wrong])

    def test_settings_are_valid(self):
        for found in (self.base, self.example):
            (settings,) = [it for it in found if it["kind"] == "ConfigMap" and it["metadata"]["name"].startswith("stickiness-") and "stickiness.toml" in it["data"]]
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "stickiness.toml"
                path.write_text(settings["data"]["stickiness.toml"])
                settings_are_valid(path, STICKINESS__HTTP__TOKEN="of-the-secret")
            volume = one(found, "Deployment")["spec"]["template"]["spec"]["volumes"][0]
            self.assertEqual(volume["configMap"]["name"], settings["metadata"]["name"], "other settings are a rollout")

    def test_the_pod_has_no_rights(self):
        for found in (self.base, self.example):
            pod = one(found, "Deployment")["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertFalse(pod["automountServiceAccountToken"])
            secured = container["securityContext"]
            self.assertTrue(secured["readOnlyRootFilesystem"])
            self.assertFalse(secured["allowPrivilegeEscalation"])
            self.assertEqual(secured["capabilities"], {"drop": ["ALL"]})
            self.assertEqual(container["resources"]["requests"]["memory"], container["resources"]["limits"]["memory"])
            self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], 60)

    def test_selectors_find_the_pods(self):
        labels = one(self.example, "Deployment")["spec"]["template"]["metadata"]["labels"]
        selectors = [
            one(self.example, "Deployment")["spec"]["selector"]["matchLabels"],
            one(self.example, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            one(self.example, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
            *[it["spec"]["selector"] for it in self.example if it["kind"] == "Service"],
        ]
        self.assertEqual(len(selectors), 5)
        for selector in selectors:
            self.assertTrue(selector and is_chosen(labels, selector), selector)
        wanted = one(self.example, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
        scraped = [it for it in self.example if it["kind"] == "Service" and is_chosen(it["metadata"]["labels"], wanted)]
        self.assertEqual([it["metadata"]["name"] for it in scraped], ["stickiness-processes"], "each process is one target")

    def test_what_the_service_speaks_with_is_allowed(self):
        allowed = [port for rule in one(self.base, "NetworkPolicy")["spec"]["egress"] for port in rule["ports"]]
        for port in (53, 9092, 9093, 443):
            self.assertTrue(any(it["port"] <= port <= it.get("endPort", it["port"]) for it in allowed), port)

    def test_scaling_looks_at_the_lag_of_the_service(self):
        settings = (DEPLOY / "kubernetes/example/stickiness.toml").read_text()
        scaled = one(self.example, "ScaledObject")["spec"]
        lag = scaled["triggers"][0]["metadata"]
        for line in (
            f'bootstrap_servers = "{lag["bootstrapServers"]}"',
            f'group_id = "{lag["consumerGroup"]}"',
            f'inputs = ["{lag["topic"]}"]',
        ):
            self.assertIn(line, settings)
        self.assertNotIn("replicas", one(self.example, "Deployment")["spec"], "two would decide how many there are")
        self.assertEqual(scaled["scaleTargetRef"]["name"], one(self.example, "Deployment")["metadata"]["name"])

    def test_rules_and_dashboard_are_those_of_the_other_deployments(self):
        rules = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())
        told = "run scripts/test-deploy.sh --refresh, which writes deploy/kubernetes/monitoring/prometheusrule.yaml"
        self.assertEqual(one(self.example, "PrometheusRule")["spec"], rules, told)
        dashboard = one(self.example, "ConfigMap", name="stickiness-dashboard")
        self.assertEqual(dashboard["data"]["stickiness.json"], (DEPLOY / "grafana/stickiness.json").read_text())
