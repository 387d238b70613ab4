// Reads objects as a JSON array from standard input, and prints what is wrong with each, one a line.

import { readFileSync } from "node:fs";

import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { ServersTransport } from "@kubernetes-models/traefik/traefik.io/v1alpha1";

const kinds = {
  "gateway.networking.k8s.io/v1 HTTPRoute": HTTPRoute,
  "keda.sh/v1alpha1 ScaledObject": ScaledObject,
  "monitoring.coreos.com/v1 PodMonitor": PodMonitor,
  "traefik.io/v1alpha1 ServersTransport": ServersTransport,
};

for (const object of JSON.parse(readFileSync(0))) {
  const Kind = kinds[`${object.apiVersion} ${object.kind}`];
  try {
    if (Kind === undefined) throw new Error("there is no schema of this kind");
    new Kind(object).validate();
  } catch (error) {
    console.log(`${object.kind} ${object.metadata.name}: ${error.message}`);
  }
}
