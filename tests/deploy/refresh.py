"""Writes what is made of another file: the operator's form of the Prometheus rules."""

from support import DEPLOY

HEAD = """\
# deploy/prometheus/rules.yaml for the Prometheus operator; `scripts/test-deploy.sh --refresh` writes it.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: stickiness
  labels:
    app.kubernetes.io/name: stickiness
spec:
"""

rules = (DEPLOY / "prometheus/rules.yaml").read_text()
lines = rules[rules.index("groups:") :].splitlines()
text = HEAD + "".join(f"  {line}\n" if line else "\n" for line in lines)
(DEPLOY / "kubernetes/monitoring/prometheusrule.yaml").write_text(text)
