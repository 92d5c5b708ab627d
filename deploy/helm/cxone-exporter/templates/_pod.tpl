{{/* What every pod is made from, of the Deployment and of the StatefulSet alike. */}}
{{- define "cxone-exporter.pod" -}}
metadata:
  annotations:
    {{- toYaml (merge (dict) (default dict .Values.podAnnotations) (dict "kubectl.kubernetes.io/default-container" "exporter")) | nindent 4 }}
  labels:
    {{- include "cxone-exporter.labels" (dict "root" . "labels" .Values.podLabels) | nindent 4 }}
spec:
  serviceAccountName: {{ include "cxone-exporter.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ int64 .Values.terminationGracePeriodSeconds }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: exporter
      image: {{ include "cxone-exporter.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        {{- if .Values.demo }}
        - demo
        {{- else }}
        - --config.file=/etc/cxone-exporter/config.yml
        - --storage.path=/var/lib/cxone-exporter
        # A changed ConfigMap or Secret is applied without a new pod; an invalid one changes nothing and raises an alert.
        - --config.enable-auto-reload
        {{- end }}
        - --web.listen-address=:10062
        {{- with .Values.web.externalUrl }}
        - --web.external-url={{ . }}
        {{- end }}
        {{- with .Values.web.routePrefix }}
        - --web.route-prefix={{ . }}
        {{- end }}
        {{- if .Values.web.configExistingSecret }}
        - --web.config.file=/etc/cxone-exporter-web/web-config.yml
        {{- end }}
        - --log.level={{ .Values.log.level }}
        - --log.format={{ .Values.log.format }}
        {{- if .Values.enableLifecycle }}
        - --web.enable-lifecycle
        {{- end }}
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if or .Values.shards .Values.extraEnv }}
      env:
        {{- if .Values.shards }}
        - name: CXONE_SHARD_TOTAL
          value: {{ .Values.shards | quote }}
        # It ends with the index of the shard.
        - name: CXONE_SHARD_POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: 10062
          protocol: TCP
      livenessProbe:
        {{- if .Values.probes.exec }}
        exec:
          command: [/usr/bin/cxone-exporter, healthcheck, "{{ include "cxone-exporter.scheme" . }}://127.0.0.1:10062{{ include "cxone-exporter.prefix" . }}/-/healthy"]
        {{- else }}
        httpGet:
          path: {{ include "cxone-exporter.prefix" . }}/-/healthy
          port: http
          scheme: {{ include "cxone-exporter.scheme" . | upper }}
        {{- end }}
        {{- with .Values.probes.liveness }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      readinessProbe:
        {{- if .Values.probes.exec }}
        exec:
          command: [/usr/bin/cxone-exporter, healthcheck, "{{ include "cxone-exporter.scheme" . }}://127.0.0.1:10062{{ include "cxone-exporter.prefix" . }}/-/ready"]
        {{- else }}
        httpGet:
          path: {{ include "cxone-exporter.prefix" . }}/-/ready
          port: http
          scheme: {{ include "cxone-exporter.scheme" . | upper }}
        {{- end }}
        {{- with .Values.probes.readiness }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if or (not .Values.demo) .Values.web.configExistingSecret .Values.extraVolumeMounts }}
      volumeMounts:
        {{- if not .Values.demo }}
        - name: config
          mountPath: /etc/cxone-exporter
          readOnly: true
        - name: storage
          mountPath: /var/lib/cxone-exporter
        {{- if include "cxone-exporter.secretName" . }}
        - name: secret
          mountPath: /run/secrets/cxone-exporter
          readOnly: true
        {{- end }}
        {{- end }}
        {{- if .Values.web.configExistingSecret }}
        - name: web
          mountPath: /etc/cxone-exporter-web
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if or (not .Values.demo) .Values.web.configExistingSecret .Values.extraVolumes }}
  volumes:
    {{- if not .Values.demo }}
    - name: config
      {{- include "cxone-exporter.configVolume" . | nindent 6 }}
    {{- if not (and .Values.shards .Values.persistence.enabled) }}
    - name: storage
      {{- if .Values.persistence.enabled }}
      persistentVolumeClaim:
        claimName: {{ default (include "cxone-exporter.fullname" .) .Values.persistence.existingClaim }}
      {{- else }}
      emptyDir:
        sizeLimit: {{ .Values.persistence.size }}
      {{- end }}
    {{- end }}
    {{- with include "cxone-exporter.secretName" . }}
    - name: secret
      secret:
        secretName: {{ . | quote }}
        defaultMode: 0440
    {{- end }}
    {{- end }}
    {{- with .Values.web.configExistingSecret }}
    - name: web
      secret:
        secretName: {{ . | quote }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
