{{- define "cxone-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for the labels that a StatefulSet gives its pods, which add a hash to it. */}}
{{- define "cxone-exporter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- $name := include "cxone-exporter.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "cxone-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cxone-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels of an object: its own over those of all objects, and what selectors rest on over both. Takes the root context, or a dict of `root` and `labels`. */}}
{{- define "cxone-exporter.labels" -}}
{{- $root := default . .root }}
{{- $own := fromYaml (include "cxone-exporter.selectorLabels" $root) }}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") }}
{{- toYaml (merge $own (default dict .labels) (default dict $root.Values.commonLabels)) }}
{{- end }}

{{- define "cxone-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "cxone-exporter.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "cxone-exporter.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{/* What stands before every path, without a slash at its end: --web.route-prefix, or the path of the external URL. */}}
{{- define "cxone-exporter.prefix" -}}
{{- $path := default (urlParse (default "" .Values.web.externalUrl)).path .Values.web.routePrefix | trimAll "/" -}}
{{- with $path }}/{{ . }}{{ end -}}
{{- end }}

{{/* The same as clients see it: a proxy may add or strip a path. */}}
{{- define "cxone-exporter.externalPath" -}}
{{- if .Values.web.externalUrl }}
{{- with (urlParse .Values.web.externalUrl).path | trimAll "/" }}/{{ . }}{{ end -}}
{{- else }}
{{- include "cxone-exporter.prefix" . }}
{{- end }}
{{- end }}

{{- define "cxone-exporter.scheme" -}}
{{- if .Values.web.tls }}https{{ else }}http{{ end -}}
{{- end }}

{{/* The name of the Secret with the tenants' secrets, empty if there is none. */}}
{{- define "cxone-exporter.secretName" -}}
{{- if .Values.existingSecret -}}
{{ .Values.existingSecret }}
{{- else if .Values.secret.values -}}
{{ include "cxone-exporter.fullname" . }}
{{- end -}}
{{- end }}

{{/* The keys of the secrets that a tenant needs, by its API and by what it has, separated by spaces. */}}
{{- define "cxone-exporter.secretKeys" -}}
{{- if ne (default "presence" .api) "official" }}client_secret{{ else }}access_key_secret{{ if .client_id }} client_secret{{ end }}{{ end }}
{{- if eq (default "" .agent_label) "hmac" }} agent_label_key{{ end }}
{{- end }}

{{/*
The name of the ConfigMap or Secret with the configuration, as the source of a volume.
*/}}
{{- define "cxone-exporter.configVolume" -}}
{{- if .Values.configExistingSecret -}}
secret: { secretName: {{ .Values.configExistingSecret | quote }}, defaultMode: 0440 }
{{- else -}}
configMap: { name: {{ include "cxone-exporter.fullname" . }} }
{{- end -}}
{{- end }}

{{/*
The configuration file. Where a tenant needs a secret and names no file for it, it reads a key of the Secret: TENANT-client-secret,
TENANT-access-key-secret or TENANT-agent-label-key. A secret in the values is refused, as the file becomes a ConfigMap that more
people can read.
*/}}
{{- define "cxone-exporter.config" -}}
{{- $config := deepCopy (default dict .Values.config) }}
{{- if not $config.tenants }}
{{- fail "config.tenants is empty: name at least one tenant, set configExistingSecret, or set demo=true for the simulated tenant" }}
{{- end }}
{{- range $tenant := $config.tenants }}
{{- range $key := list "client_secret" "access_key_secret" "agent_label_key" }}
{{- if hasKey $tenant $key }}
{{- fail (printf "config.tenants: %s has %s, which would be readable in a ConfigMap: put it into existingSecret" $tenant.name $key) }}
{{- end }}
{{- end }}
{{- range $key := splitList " " (include "cxone-exporter.secretKeys" $tenant) }}
{{- $file := printf "%s_file" $key }}
{{- if not (hasKey $tenant $file) }}
{{- if not (include "cxone-exporter.secretName" $) }}
{{- fail (printf "config.tenants: %s has no %s, and neither existingSecret nor secret.values is set" $tenant.name $file) }}
{{- end }}
{{- $secretKey := printf "%s-%s" $tenant.name ($key | replace "_" "-") }}
{{- if and (not $.Values.existingSecret) (not (hasKey $.Values.secret.values $secretKey)) }}
{{- fail (printf "secret.values has no key %s, which the tenant %s needs" $secretKey $tenant.name) }}
{{- end }}
{{- $_ := set $tenant $file (printf "/run/secrets/cxone-exporter/%s" $secretKey) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $config }}
{{- end }}
