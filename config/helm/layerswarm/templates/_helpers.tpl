{{- define "layerswarm.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "layerswarm.selector" -}}
app.kubernetes.io/name: layerswarm
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "layerswarm.labels" -}}
{{ include "layerswarm.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "layerswarm.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The folder of the node in which its runtime's configuration is. */}}
{{- define "layerswarm.runtimeFolder" -}}
{{- $folders := dict "containerd" "/etc/containerd" "crio" "/etc/containers" "k3s" "/etc/rancher/k3s" "rke2" "/etc/rancher/rke2" -}}
{{- get $folders .Values.runtime.name | required "runtime.name: expected containerd, crio, k3s or rke2" -}}
{{- end }}

{{/* layerswarm.yaml: what the chart decides, and over it what the values say. */}}
{{- define "layerswarm.config" -}}
{{- $origin := .Values.config.origin | default "auto" -}}
{{- if and (eq $origin "auto") (not .Values.config.charterKey) -}}
{{- fail "config.origin: expected the URL of your registry, such as https://registry.example, received nothing" -}}
{{- end -}}
{{- if eq $origin "embedded" -}}
{{- fail "config.origin: expected the URL of your registry, received embedded: each node would be a registry of its own" -}}
{{- end -}}
{{- $ports := .Values.ports -}}
{{- $pod := not .Values.hostNetwork -}}
{{- $status := or $pod .Values.monitoring.podMonitor | ternary "0.0.0.0" "127.0.0.1" -}}
{{- $own := dict
  "data" "/var/lib/layerswarm"
  "origin" $origin
  "swarmKey" (list (printf "/etc/layerswarm-key/%s" .Values.swarmKey.key))
  "listen" (list (printf "/ip4/0.0.0.0/tcp/%d" (int $ports.swarm)))
  "bulk" (printf "0.0.0.0:%d" (int $ports.bulk))
  "registry" (printf "%s:%d" (ternary "0.0.0.0" "127.0.0.1" $pod) (int $ports.registry))
  "status" (printf "%s:%d" $status (int $ports.status))
  "bootstrap" (list (printf "dns:%s.%s.svc:%d" (include "layerswarm.name" .) .Release.Namespace (int $ports.swarm)))
  "mdns" false -}}
{{- if .Values.originCa }}{{ $_ := set $own "originCa" "/etc/layerswarm/origin-ca.pem" }}{{ end -}}
{{- if .Values.credentials.secret }}
{{- $_ := set $own "originUsername" (required "credentials.username: expected a name with credentials.secret" .Values.credentials.username) }}
{{- $_ := set $own "originPasswordFile" (printf "/etc/layerswarm-login/%s" .Values.credentials.key) }}
{{- end -}}
{{- if .Values.config.charterKey }}{{ $_ := set $own "charterKey" .Values.config.charterKey }}{{ end -}}
{{- toYaml (mergeOverwrite $own (omit .Values.config "origin" "charterKey")) -}}
{{- end }}

{{/* Of whatever needs nothing of the node but a file or two. */}}
{{- define "layerswarm.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Of what changes files of the node, which are root's; in what the agent's user owns root is one of the others. */}}
{{- define "layerswarm.hostFiles" -}}
runAsUser: 0
runAsGroup: 0
runAsNonRoot: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
  add: [CHOWN, DAC_OVERRIDE, FOWNER]
{{- end }}
