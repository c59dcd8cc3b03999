{{/* The flags of the controller that depend on what is chosen. */}}
{{- define "brigade.controllerArgs" -}}
{{- $image := include "brigade.image" . -}}
{{- $w := .Values.worker -}}{{- $j := .Values.jobs -}}{{- $v := .Values.vacuum -}}{{- $api := .Values.api -}}
- --worker={{ ternary "pod" $w.mode (ne $w.name "") }}
- --worker-service-account={{ $w.serviceAccount.name }}
- --worker-pull-policy={{ ternary $w.pullPolicy .Values.image.pullPolicy (ne $w.name "") }}
{{- if $w.name }}
- --worker-image={{ with $w.registry }}{{ . }}/{{ end }}{{ $w.name }}{{ with $w.tag }}:{{ . }}{{ end }}
{{- end }}
{{- with $w.command }}
- --worker-command={{ . }}
{{- end }}
{{- range $kind, $of := .Values.controller.workerResources }}
{{- range $resource, $amount := $of }}
- --worker-{{ $kind }}={{ $resource }}={{ $amount }}
{{- end }}
{{- end }}
{{- range $key, $value := $w.nodeSelector }}
- --worker-node-selector={{ $key }}={{ $value }}
{{- end }}
{{- if ne $j.vcsImage "NONE" }}
- --vcs-image={{ default $image $j.vcsImage }}
{{- if not $j.vcsImage }}
- --vcs-command=/brig vcs
{{- end }}
{{- end }}
{{- if include "brigade.workspace" . }}
- --workspace=:7748
- --workspace-url=http://{{ include "brigade.name" (list . "workspace") }}.{{ .Release.Namespace }}.svc:7748
- --job-source={{ $j.source }}
{{- end }}
- --build-storage={{ $j.buildStorage }}
- --cache-storage={{ $j.cache }}
{{- with $j.buildStorageClass }}
- --build-storage-class={{ . }}
{{- end }}
{{- with $j.cacheStorageClass }}
- --cache-storage-class={{ . }}
{{- end }}
{{- if eq $j.cache "workspace" }}
- --cache-total={{ $j.cacheTotal }}
- --cache-age={{ $j.cacheAge }}
{{- end }}
{{- with $j.cacheStore }}
- --cache-store={{ . }}
{{- end }}
{{- if include "brigade.objectStore" . }}
{{- with .Values.objectStore.endpoint }}
- --s3-endpoint={{ . }}
{{- end }}
{{- with .Values.objectStore.region }}
- --s3-region={{ . }}
{{- end }}
{{- if .Values.objectStore.pathStyle }}
- --s3-path-style
{{- end }}
{{- with .Values.objectStore.artifacts.bucket }}
- --s3-bucket={{ . }}
{{- end }}
{{- with .Values.objectStore.artifacts.prefix }}
- --s3-prefix={{ . }}
{{- end }}
{{- end }}
{{- with $j.serviceAccount }}
- --job-service-account={{ . }}
{{- end }}
{{- with $j.serviceAccountRegex }}
- --job-service-accounts={{ . }}
{{- end }}
{{- if kindIs "slice" $j.overlay }}
{{- if $j.overlay }}
- --job-overlay={{ join "," $j.overlay }}
{{- else }}
- --no-job-overlay
{{- end }}
{{- end }}
{{- if $j.restricted }}
- --restricted-jobs
{{- end }}
- --keep-age={{ ternary $v.age "0" $v.enabled | toString }}
{{- if and $v.enabled (eq $v.mode "controller") }}
- --vacuum-every={{ $v.every }}
{{- include "brigade.vacuumArgs" (list . "vacuum-") }}
{{- end }}
{{- with $api.baseURL }}
- --base-url={{ . }}
{{- end }}
{{- if $api.openV1 }}
- --open-v1
{{- end }}
{{- range $api.corsOrigins }}
- --cors-origin={{ . }}
{{- end }}
{{- range $api.trustedProxies }}
- --trusted-proxy={{ . }}
{{- end }}
{{- if $api.tls.secretName }}
- --api-cert=/etc/brigade-tls/tls.crt
- --api-key=/etc/brigade-tls/tls.key
{{- end }}
{{- with $api.oidc }}
{{- if .issuer }}
- --oidc-issuer={{ .issuer }}
- --oidc-claim={{ .claim }}
{{- with .clientID }}
- --oidc-client-id={{ . }}
{{- end }}
{{- with .audience }}
- --oidc-audience={{ . }}
{{- end }}
{{- range .grants }}
- --oidc-grant={{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.controller.traces }}
- --traces={{ . }}
{{- end }}
{{- if .Values.controller.verbose }}
- --verbose
{{- end }}
{{- if include "brigade.github" . }}
{{- include "brigade.githubArgs" . }}
{{- end }}
{{- end -}}

{{/* The flags that say what is old: (list $ prefix). */}}
{{- define "brigade.vacuumArgs" -}}
{{- $v := (index . 0).Values.vacuum -}}{{- $prefix := index . 1 }}
- --{{ $prefix }}age={{ $v.age | toString }}
- --{{ $prefix }}max-builds={{ $v.maxBuilds | int }}
- --{{ $prefix }}skip-running-builds={{ $v.skipRunningBuilds }}
- --{{ $prefix }}event-age={{ $v.eventAge }}
{{- end -}}

{{/* A time such as 20s, 1m30s or 1h, in seconds. */}}
{{- define "brigade.seconds" -}}
{{- $all := 0 -}}
{{- range regexFindAll "[0-9]+[hms]" (toString .) -1 -}}
{{- $n := trimAll "hms" . | int -}}
{{- $all = add $all (mul $n (ternary 3600 (ternary 60 1 (hasSuffix "m" .)) (hasSuffix "h" .))) -}}
{{- end -}}
{{- $all -}}
{{- end -}}
