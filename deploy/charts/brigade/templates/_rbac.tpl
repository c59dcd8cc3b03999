{{/*
A service account and what it may do: (list $ part values rules namespaces).
rules is the name of the template with the rules; they hold in every namespace
of the list, and the account lives in the release's.
*/}}
{{- define "brigade.access" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}{{- $v := index . 2 -}}
{{- $account := include "brigade.account" (list $root $v $part) -}}
{{- if $v.serviceAccount.create }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $account }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "brigade.common" $root | nindent 4 }}
    role: {{ $part }}
  {{- with $v.serviceAccount.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- with concat (default list $v.serviceAccount.imagePullSecrets) $root.Values.imagePullSecrets | uniq }}
imagePullSecrets: {{- range . }}
  - name: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if $root.Values.rbac.enabled }}
{{- $rules := index . 3 -}}
{{- range index . 4 }}
{{- $name := include "brigade.name" (list $root $part) }}
{{- if ne . $root.Release.Namespace }}{{- $name = printf "%s-%s" $root.Release.Namespace $name }}{{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ . }}
  labels:
    {{- include "brigade.common" $root | nindent 4 }}
    role: {{ $part }}
rules: {{- include $rules (list $root (eq . $root.Release.Namespace)) | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ . }}
  labels:
    {{- include "brigade.common" $root | nindent 4 }}
    role: {{ $part }}
subjects:
  - {kind: ServiceAccount, name: {{ $account }}, namespace: {{ $root.Release.Namespace }}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* The rules: (list $ whether-it-is-the-release's-namespace). */}}

{{- define "brigade.controllerRules" -}}
{{- if index . 1 -}}
# Projects and builds, and the Secrets of jobs.
- {apiGroups: [""], resources: [secrets], verbs: [get, list, watch, create, update, patch, delete, deletecollection]}
- {apiGroups: [""], resources: [pods], verbs: [get, list, watch, create, patch, delete, deletecollection]}
- {apiGroups: [""], resources: [pods/log], verbs: [get]}
- {apiGroups: [""], resources: [persistentvolumeclaims], verbs: [get, list, create, patch, delete, deletecollection]}
- {apiGroups: [""], resources: [events], verbs: [list, watch, create, patch]}
# Default scripts, and the marks of events that were taken.
- {apiGroups: [""], resources: [configmaps], verbs: [get, list, create, update, delete]}
# Who leads.
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, list, watch, create, update, patch]}
{{- else -}}
# The Secrets of jobs are made and deleted{{ if (index . 0).Values.vacuum.enabled }}; the vacuum looks for old ones{{ end }}.
- {apiGroups: [""], resources: [secrets], verbs: [create, delete, deletecollection{{ if (index . 0).Values.vacuum.enabled }}, list{{ end }}]}
- {apiGroups: [""], resources: [pods], verbs: [get, list, watch, create, patch, delete, deletecollection]}
- {apiGroups: [""], resources: [pods/log], verbs: [get]}
- {apiGroups: [""], resources: [persistentvolumeclaims], verbs: [get, list, create, patch, delete, deletecollection]}
- {apiGroups: [""], resources: [events], verbs: [list, watch, create, patch]}
{{- end }}
{{- end -}}

{{- define "brigade.workerRules" -}}
# The Secrets of jobs are made and never read.
- {apiGroups: [""], resources: [secrets], verbs: [create]}
- {apiGroups: [""], resources: [pods], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [""], resources: [pods/log], verbs: [get]}
- {apiGroups: [""], resources: [persistentvolumeclaims], verbs: [get, create, delete]}
{{- if (index . 0).Values.worker.v1Compatible }}
# What v1's worker images do besides.
- {apiGroups: [""], resources: [secrets, configmaps], verbs: [get, list, watch, create, update, patch, delete]}
- {apiGroups: [""], resources: [pods, persistentvolumeclaims], verbs: [get, list, watch, update, patch]}
- {apiGroups: [""], resources: [pods/log], verbs: [get, list, watch]}
{{- end }}
{{- end -}}

{{- define "brigade.gatewayRules" -}}
# Projects are read, builds are made.
- {apiGroups: [""], resources: [secrets], verbs: [get, list, watch, create]}
# The marks of events that were taken. They are not deleted: that would be a right to delete any ConfigMap.
- {apiGroups: [""], resources: [configmaps], verbs: [get, create]}
{{- end -}}

{{- define "brigade.vacuumRules" -}}
- {apiGroups: [""], resources: [secrets, pods, persistentvolumeclaims, configmaps], verbs: [get, list, delete, deletecollection]}
{{- end -}}
