{{/* A ServiceMonitor or PodMonitor: an endpoint for /metrics, and with several tenants one each for /probe. */}}
{{- define "cxone-exporter.monitor" -}}
{{- $values := .root.Values }}
{{- $tenants := list }}
{{- if not $values.demo }}
{{- $tenants = default list (default dict $values.config).tenants }}
{{- end }}
{{- $prefix := include "cxone-exporter.prefix" .root }}
apiVersion: monitoring.coreos.com/v1
kind: {{ .kind }}
metadata:
  name: {{ include "cxone-exporter.fullname" .root }}
  namespace: {{ default .root.Release.Namespace $values.serviceMonitor.namespace | quote }}
  labels:
    {{- include "cxone-exporter.labels" (dict "root" .root "labels" $values.serviceMonitor.labels) | nindent 4 }}
spec:
  jobLabel: app.kubernetes.io/name
  namespaceSelector:
    matchNames: [{{ .root.Release.Namespace | quote }}]
  selector:
    matchLabels:
      {{- include "cxone-exporter.selectorLabels" .root | nindent 6 }}
  {{- with $values.serviceMonitor.sampleLimit }}
  sampleLimit: {{ int64 . }}
  {{- end }}
  {{ .endpoints }}:
    {{- $metrics := default (printf "%s/metrics" $prefix) $values.serviceMonitor.path }}
    {{- if eq (len $tenants) 1 }}
    {{- include "cxone-exporter.endpoint" (dict "root" .root "path" $metrics "tenant" (first $tenants).name) | nindent 4 }}
    {{- else }}
    {{- include "cxone-exporter.endpoint" (dict "root" .root "path" $metrics) | nindent 4 }}
    {{- range $tenants }}
    {{- include "cxone-exporter.endpoint" (dict "root" $.root "path" (printf "%s/probe" $prefix) "tenant" .name "probe" true) | nindent 4 }}
    {{- end }}
    {{- end }}
{{- end }}

{{/* One endpoint; the tenant is a label of the target, not of the exporter's series. */}}
{{- define "cxone-exporter.endpoint" -}}
{{- $monitor := .root.Values.serviceMonitor -}}
- port: http
  path: {{ .path }}
  {{- if .probe }}
  params:
    target: [{{ .tenant | quote }}]
  {{- end }}
  scheme: {{ include "cxone-exporter.scheme" .root }}
  interval: {{ $monitor.interval }}
  scrapeTimeout: {{ $monitor.scrapeTimeout }}
  honorLabels: {{ $monitor.honorLabels }}
  {{- range $key := list "tlsConfig" "basicAuth" "authorization" }}
  {{- with index $monitor $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- if or .tenant $monitor.relabelings }}
  relabelings:
    {{- with .tenant }}
    - targetLabel: tenant
      replacement: {{ . | quote }}
    {{- end }}
    {{- with $monitor.relabelings }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- with $monitor.metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
