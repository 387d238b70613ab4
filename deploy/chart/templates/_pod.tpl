{{- /* The labels of a service: {name: gateway} */ -}}
{{- define "coedit.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: coedit
{{- end }}

{{- define "coedit.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- /* A Deployment: {root: $, name: gateway, port: 8084, graceSeconds: 30, account: coedit, replicas: 2} */ -}}
{{- define "coedit.deployment" -}}
{{- $values := index .root.Values .name -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels:
    {{- include "coedit.labels" . | nindent 4 }}
spec:
  {{- with .replicas }}
  replicas: {{ . }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      {{- include "coedit.labels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "coedit.labels" . | nindent 8 }}
      annotations:
        # A change of a setting is a rolling restart.
        checksum/settings: {{ include (print .root.Template.BasePath "/settings.yaml") .root | sha256sum }}
    spec:
      enableServiceLinks: false
      serviceAccountName: {{ .account }}
      automountServiceAccountToken: false
      {{- with .root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        seccompProfile:
          type: RuntimeDefault
      topologySpreadConstraints:
        {{- range tuple "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "coedit.labels" $ | nindent 14 }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      terminationGracePeriodSeconds: {{ .graceSeconds }}
      containers:
        - name: {{ .name }}
          image: {{ include "coedit.image" .root }}
          {{- with .root.Values.image.pullPolicy }}
          imagePullPolicy: {{ . }}
          {{- end }}
          command: [python, -m, services.{{ .name }}]
          {{- with .root.Values.redis.usersSecret }}
          env:
            - name: COEDIT_REDIS_USER
              value: coedit-{{ $.name }}
            - name: COEDIT_REDIS_PASSWORD
              valueFrom:
                secretKeyRef:
                  name: {{ . }}
                  key: REDIS_{{ upper $.name }}_PASSWORD
          {{- end }}
          envFrom:
            - configMapRef:
                name: coedit
            - secretRef:
                name: {{ .root.Values.secret }}
          ports:
            {{- if eq .name "gateway" }}
            - name: http
              containerPort: 8000
            {{- end }}
            - name: health
              containerPort: {{ .port }}
          {{- if eq .name "gateway" }}
          # New connections stop coming before the gateway stops taking them.
          lifecycle:
            preStop:
              exec:
                command: [sleep, "5"]
          {{- end }}
          startupProbe:
            httpGet:
              path: /healthz
              port: health
            periodSeconds: 1
            failureThreshold: 60
          livenessProbe:
            httpGet:
              path: /healthz
              port: health
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          readinessProbe:
            httpGet:
              path: /readyz
              port: health
            periodSeconds: 2
            timeoutSeconds: 3
            failureThreshold: 2
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: 64Mi
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  labels:
    app.kubernetes.io/part-of: coedit
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "coedit.labels" . | nindent 6 }}
{{- end }}
