{{- define "cxone-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "cxone-exporter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "cxone-exporter.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "cxone-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cxone-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cxone-exporter.labels" -}}
{{ include "cxone-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "cxone-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "cxone-exporter.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "cxone-exporter.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{/* The name of the Secret with the client secrets, empty if there is none. */}}
{{- define "cxone-exporter.secretName" -}}
{{- if .Values.existingSecret -}}
{{ .Values.existingSecret }}
{{- else if .Values.secret.values -}}
{{ include "cxone-exporter.fullname" . }}
{{- end -}}
{{- end }}

{{/*
The configuration file. A tenant without client_secret_file reads the key of its own name in the Secret; a secret in
the values is refused, as the file becomes a ConfigMap that more people can read.
*/}}
{{- define "cxone-exporter.config" -}}
{{- $config := deepCopy .Values.config }}
{{- if not $config.tenants }}
{{- fail "config.tenants is empty: name at least one tenant, or set demo=true for the simulated one" }}
{{- end }}
{{- $tenants := list }}
{{- range $tenant := $config.tenants }}
{{- if hasKey $tenant "client_secret" }}
{{- fail (printf "config.tenants: %s has client_secret, which would be readable in a ConfigMap: put it into existingSecret" $tenant.name) }}
{{- end }}
{{- if not (hasKey $tenant "client_secret_file") }}
{{- if not (include "cxone-exporter.secretName" $) }}
{{- fail (printf "config.tenants: %s has no client_secret_file, and neither existingSecret nor secret.values is set" $tenant.name) }}
{{- end }}
{{- $_ := set $tenant "client_secret_file" (printf "/run/secrets/cxone-exporter/%s" $tenant.name) }}
{{- end }}
{{- $tenants = append $tenants $tenant }}
{{- end }}
{{- $_ := set $config "tenants" $tenants }}
{{- toYaml $config }}
{{- end }}
