// Checks custom resources, a JSON array of them on standard input, against the schemas of their definitions. Says what is wrong, with status 1.
import { readFileSync } from 'node:fs';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1';
import { PrometheusRule, ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';

const models = {
  'keda.sh/v1alpha1 ScaledObject': ScaledObject,
  'monitoring.coreos.com/v1 PrometheusRule': PrometheusRule,
  'monitoring.coreos.com/v1 ServiceMonitor': ServiceMonitor,
};

for (const resource of JSON.parse(readFileSync(0, 'utf8'))) {
  const kind = `${resource.apiVersion} ${resource.kind}`;
  try {
    if (!models[kind]) throw new Error('no schema is known');
    new models[kind](resource).validate();
  } catch (error) {
    console.error(`${kind} ${resource.metadata.name}: ${error.message}`);
    process.exitCode = 1;
  }
}
