"""Rules and dashboard: by themselves, and in a real Prometheus that scrapes a real service."""

import json
import re
import unittest

import yaml

from support import DEPLOY, output_of, tool

RULES = DEPLOY / "prometheus/rules.yaml"
DASHBOARD = json.loads((DEPLOY / "grafana/stickiness.json").read_text())
# What Grafana puts in: the dashboard's variables, and the interval that holds four scrapes at least.
VARIABLES = {"$job": "stickiness", "$instance": ".*", "$__rate_interval": "30s"}
# Families that a service which is well, forwards nothing and has neither segments by rules nor webhooks has no series of.
SEGMENTS = {f"stickiness_segment_{what}" for what in ("users", "judgements_total", "entries_total", "exits_total")}
WEBHOOKS = {f"stickiness_webhook_{what}" for what in ("records_total", "failures_total", "oldest_undelivered_seconds")}
QUIET = SEGMENTS | WEBHOOKS | {"stickiness_aborts_total", "stickiness_alerts_firing", "stickiness_forwarding_lag_records"}


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def dashboard_queries():
    """What the dashboard asks, with the variables replaced, by the panel's title."""
    for panel in panels():
        for target in panel["targets"]:
            query = target["expr"]
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            yield panel["title"], query


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def names_in(query):
    return set(re.findall(r"\bstickiness_\w+", query))


class Files(unittest.TestCase):
    def test_rules_are_rules(self):
        output_of(tool("promtool"), "check", "rules", RULES)

    def test_each_rule_says_when_it_should_and_not_before(self):
        output_of(tool("promtool"), "test", "rules", DEPLOY / "prometheus/rules.test.yaml")
        tested = (DEPLOY / "prometheus/rules.test.yaml").read_text()
        for rule in rules():
            fires = f'alertname="{rule["alert"]}",alertstate="firing"' in tested or re.search(f"alertname: {rule['alert']}\n +exp_alerts:\n", tested)
            self.assertTrue(fires, f"no test shows {rule['alert']} firing")

    def test_dead_letters_are_those_of_the_service(self):
        source = (DEPLOY.parent / "src/model/rejection.rs").read_text()
        reasons = set(re.findall(r'Self::\w+ => "(\w+)"', source))
        self.assertGreater(len(reasons), 5)
        for text in (RULES.read_text(), json.dumps(DASHBOARD).replace("\\", "")):
            found = re.findall(r'outcome=~"([a-z_|]+)"', text)
            self.assertTrue(found)
            for outcomes in found:
                self.assertEqual(set(outcomes.split("|")), reasons)

    def test_prometheus_takes_its_settings(self):
        output_of(tool("promtool"), "check", "config", "--syntax-only", DEPLOY / "prometheus/prometheus.yaml")

    def test_runbooks_are_headings(self):
        headings = re.findall("^#+ (.+)$", (DEPLOY.parent / "docs/operating.md").read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        for rule in rules():
            page, anchor = rule["annotations"]["runbook"].split("#")
            self.assertEqual(page, "docs/operating.md")
            self.assertIn(anchor, anchors, rule["alert"])

    def test_panels_are_told_apart_and_explained(self):
        ids = [panel["id"] for panel in DASHBOARD["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        taken = set()
        for panel in DASHBOARD["panels"]:
            box = panel["gridPos"]
            cells = {(x, y) for x in range(box["x"], box["x"] + box["w"]) for y in range(box["y"], box["y"] + box["h"])}
            self.assertTrue(box["x"] + box["w"] <= 24 and not cells & taken, f"{panel['title']} overlaps")
            taken |= cells
        for panel in panels():
            self.assertTrue(panel["description"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"])
            self.assertEqual(panel["datasource"]["uid"], "${datasource}")


class Running(unittest.TestCase):
    """`live` is set by run.py."""

    live = None

    @classmethod
    def setUpClass(cls):
        cls.live.settle()
        cls.exported = cls.live.exported()

    def check_names(self, query):
        unknown = names_in(query) - self.exported
        self.assertFalse(unknown, "the service exports no such names")

    def test_probes_of_the_deployments_are_answered(self):
        for path in ("/healthz", "/readyz", "/metrics"):
            self.assertEqual(self.live.service(path)[0], 200, path)

    def test_every_exported_name_is_in_the_dashboard(self):
        shown = set().union(*(names_in(query) for _, query in dashboard_queries()), names_in(json.dumps(DASHBOARD["annotations"])))
        families = {re.sub("_(bucket|sum|count)$", "", name) for name in self.exported}
        self.assertGreater(len(families), 30)
        # The same latencies are shown as quantiles of the histogram, over all processes.
        missing = families - {re.sub("_(bucket|sum|count)$", "", name) for name in shown} - {"stickiness_publish_latency_quantile_seconds"}
        self.assertFalse(missing, "nobody would see these")

    def test_every_query_of_the_dashboard_finds_something(self):
        for title, query in dashboard_queries():
            with self.subTest(panel=title, query=query):
                self.check_names(query)
                found = self.live.prometheus("query", query=query)["result"]
                if not names_in(query) & QUIET:
                    self.assertTrue(found, "it finds nothing")

    def test_variables_and_annotations_find_something(self):
        for variable in DASHBOARD["templating"]["list"]:
            if variable["type"] == "query":
                selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()
                found = self.live.prometheus(f"label/{label}/values", **{"match[]": selector.replace("$job", "stickiness")})
                self.assertTrue(found, variable["name"])
        for annotation in DASHBOARD["annotations"]["list"][1:]:
            query = annotation["expr"].replace("$job", "stickiness").replace("$instance", ".*")
            self.check_names(query)
            self.live.prometheus("query", query=query)

    def test_every_rule_is_evaluated_and_none_fires_while_all_is_well(self):
        groups = self.live.prometheus("rules")["groups"]
        evaluated = [rule for group in groups for rule in group["rules"]]
        self.assertEqual([rule["name"] for rule in evaluated], [rule["alert"] for rule in rules()])
        for rule in evaluated:
            with self.subTest(rule=rule["name"]):
                self.check_names(rule["query"])
                self.assertEqual((rule["health"], rule.get("lastError", "")), ("ok", ""))
                self.assertEqual(rule["state"], "inactive")

    def test_labels_that_are_asked_for_are_there(self):
        queries = [query for _, query in dashboard_queries()] + [rule["expr"] for rule in rules()]
        for query in queries:
            for name, matchers in re.findall(r"\b(stickiness_\w+)\{([^}]*)\}", query):
                for label in re.findall(r"(\w+)\s*[=!]~?", matchers):
                    if name not in QUIET:
                        found = self.live.prometheus("query", query=f'count({name}{{{label}!=""}})')["result"]
                        self.assertTrue(found, f"{name} has no label {label}")
