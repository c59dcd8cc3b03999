{{/* Names are those of v1's chart, so that an upgrade replaces its objects. */}}
{{- define "brigade.fullname" -}}
{{- printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of a part: (list $ "ctrl"). */}}
{{- define "brigade.name" -}}
{{- printf "%s-%s" (include "brigade.fullname" (index . 0)) (index . 1) -}}
{{- end -}}

{{- define "brigade.common" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/part-of: brigade
{{- end -}}

{{/* What a part is selected by: exactly v1's labels, because a Deployment's selector cannot change. */}}
{{- define "brigade.selector" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
{{- if eq $part "ctrl" -}}
app.kubernetes.io/name: {{ include "brigade.name" (list $root "ctrl") }}
app: {{ include "brigade.name" (list $root "ctrl") }}
role: controller
{{- else if eq $part "vacuum" -}}
app.kubernetes.io/name: {{ include "brigade.fullname" $root }}
role: vacuum
{{- else if eq $part "github-app" -}}
app: {{ include "brigade.name" (list $root "github-app") }}
role: gateway
release: {{ $root.Release.Name | quote }}
type: github-app
{{- else -}}
app.kubernetes.io/name: {{ include "brigade.fullname" $root }}
app: {{ include "brigade.fullname" $root }}
role: gateway
type: {{ get (dict "generic-gateway" "generic" "cr-gw" "dockerhub") $part | default $part }}
{{- end -}}
{{- end -}}

{{- define "brigade.labels" -}}
{{ include "brigade.selector" . }}
{{ include "brigade.common" (index . 0) }}
{{- end -}}

{{- define "brigade.image" -}}
{{- with .Values.image -}}
{{- $repository := ternary (printf "%s/%s" .registry .name) .name (ne .registry "") -}}
{{- if .digest -}}{{ $repository }}@{{ .digest }}{{- else -}}{{ $repository }}:{{ default $.Chart.AppVersion .tag }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* The service account of a part: (list $ values "ctrl"). */}}
{{- define "brigade.account" -}}
{{- $given := (index . 1).serviceAccount.name -}}
{{- if $given -}}{{ $given }}{{- else -}}{{ include "brigade.name" (list (index . 0) (index . 2)) }}{{- end -}}
{{- end -}}

{{/* The pod of a part is one that the Pod Security Standard "restricted" lets in. */}}
{{- define "brigade.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "brigade.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where the pods of a part run: (list $ "ctrl" replicas). */}}
{{- define "brigade.placement" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.imagePullSecrets -}}
imagePullSecrets: {{- range . }}
  - name: {{ . | quote }}
{{- end }}
{{ end -}}
nodeSelector: {{- merge (dict "kubernetes.io/os" "linux") $root.Values.pods.nodeSelector | toYaml | nindent 2 }}
{{- with $root.Values.pods.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.pods.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.pods.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- if $root.Values.pods.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml $root.Values.pods.topologySpreadConstraints | nindent 2 }}
{{- else if gt (int (index . 2)) 1 }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "brigade.selector" . | nindent 8 }}
{{- end }}
{{- end -}}

{{- define "brigade.env" -}}
- name: BRIGADE_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: HOME
  value: /tmp
{{- end -}}

{{/* Whether the chart makes the Secret of the GitHub App, and what it is called. */}}
{{- define "brigade.githubSecret" -}}
{{- $g := (index .Values "brigade-github-app").github -}}
{{- if $g.existingSecret -}}{{ $g.existingSecret }}
{{- else if or $g.key $g.defaultSharedSecret -}}{{ include "brigade.name" (list . "github-app") }}
{{- end -}}
{{- end -}}

{{/* The annotations of a part's pods: (list $ whether-it-knows-the-GitHub-App). */}}
{{- define "brigade.annotations" -}}
{{- $root := index . 0 -}}
{{- $all := deepCopy $root.Values.pods.annotations -}}
{{- if and (index . 1) (include "brigade.ownGithubSecret" $root) -}}
{{- $_ := set $all "checksum/github-app" ((index $root.Values "brigade-github-app").github | toJson | sha256sum) -}}
{{- end -}}
{{- with $all -}}
annotations: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* Not empty when the chart makes the Secret of the GitHub App. */}}
{{- define "brigade.ownGithubSecret" -}}
{{- $g := (index .Values "brigade-github-app").github -}}
{{- if and (include "brigade.github" .) (or $g.key $g.defaultSharedSecret) (not $g.existingSecret) -}}yes{{- end -}}
{{- end -}}

{{/* The flags of the GitHub App, for the parts that have to do with it. */}}
{{- define "brigade.githubArgs" -}}
{{- $g := (index .Values "brigade-github-app").github -}}
{{- if $g.appID }}
- --github-app-id={{ if kindIs "string" $g.appID }}{{ $g.appID }}{{ else }}{{ int64 $g.appID }}{{ end }}
- --github-app-key=/etc/brigade-github-app/key.pem
{{- end }}
{{- with $g.url }}
- --github-url={{ . }}
{{- end }}
{{- if $g.checkSuiteOnPR }}
- --check-suite-on-pr
{{- end }}
{{- end -}}

{{- define "brigade.githubEnv" -}}
{{- with include "brigade.githubSecret" . }}
- name: BRIGADE_GITHUB_SECRET
  valueFrom: {secretKeyRef: {name: {{ . }}, key: defaultSharedSecret, optional: true}}
{{- end }}
{{- end -}}

{{/* Whether the GitHub App is configured for those parts: not empty means yes. */}}
{{- define "brigade.github" -}}
{{- if or (index .Values "brigade-github-app").enabled .Values.gateways.enabled -}}yes{{- end -}}
{{- end -}}

{{/* Not empty when files come to pods over the controller's workspace server. */}}
{{- define "brigade.workspace" -}}
{{- if or .Values.jobs.artifacts (has "workspace" (list .Values.jobs.source .Values.jobs.buildStorage .Values.jobs.cache)) -}}yes{{- end -}}
{{- end -}}

{{/* A rule that lets ports in from peers: (list peers ports). */}}
{{- define "brigade.ingressRule" -}}
- ports: {{- range index . 1 }}
    - {port: {{ . }}, protocol: TCP}
{{- end }}
{{- with index . 0 }}
  from: {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Not empty when something is kept in the object store. */}}
{{- define "brigade.objectStore" -}}
{{- if or .Values.objectStore.artifacts.bucket .Values.jobs.cacheStore -}}yes{{- end -}}
{{- end -}}

{{/* The keys of the object store, for the controller alone. */}}
{{- define "brigade.objectStoreEnv" -}}
{{- $secret := .Values.objectStore.existingSecret | quote -}}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN" }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}{{ if eq . "AWS_SESSION_TOKEN" }}, optional: true{{ end }}}}
{{- end }}
{{- end -}}
