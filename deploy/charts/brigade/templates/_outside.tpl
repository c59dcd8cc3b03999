{{/* How a Service is reached from outside of the cluster: (list $ part values). */}}
{{- define "brigade.outside" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}{{- $v := index . 2 -}}
{{- $name := include "brigade.name" (list $root $part) -}}
{{- if $v.ingress.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "brigade.common" $root | nindent 4 }}
  {{- with $v.ingress.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $v.ingress.className }}
  ingressClassName: {{ . | quote }}
  {{- end }}
  {{- with $v.ingress.tls }}
  tls: {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range $host := $v.ingress.hosts }}
    - host: {{ $host | quote }}
      http:
        paths:
          {{- range $v.ingress.paths }}
          - path: {{ . | quote }}
            pathType: Prefix
            backend: {service: {name: {{ $name }}, port: {number: {{ $v.service.externalPort }}}}}
          {{- end }}
    {{- end }}
{{- end }}
{{- if $v.httpRoute.enabled }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "brigade.common" $root | nindent 4 }}
  {{- with $v.httpRoute.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  parentRefs: {{- toYaml $v.httpRoute.parentRefs | nindent 4 }}
  {{- with $v.httpRoute.hostnames }}
  hostnames: {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - backendRefs:
        - {name: {{ $name }}, port: {{ $v.service.externalPort }}}
{{- end }}
{{- end -}}
