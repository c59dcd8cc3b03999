package api

import (
	"net/http"
	"strings"
)

// route is what is served under one pattern.
type route struct {
	pattern string // of http.ServeMux
	need    Scope  // "" for everybody
	global  bool   // not for those who may see some projects only
	action  string // what the audit log calls it; "" when nothing is changed
	body    int64  // bytes of the request at most; 0: 64 KiB
	stream  bool   // takes as long as it takes
	v1      bool   // errors are sentences
	do      func(c *call) error
}

const (
	maxEventBody   = 64 << 20
	maxProjectBody = 8 << 20
	maxOtherBody   = 64 << 10
)

// table lists every route. openapi.yaml describes them, which a test checks.
func (a *API) table() []route {
	return []route{
		{pattern: "GET /healthz", do: v1Health, v1: true},
		{pattern: "GET /readyz", do: ready},
		{pattern: "GET /metrics", need: a.opt.Access.metricsScope(), global: true, do: metrics},
		{pattern: "GET /apidocs.json", do: v1Docs, v1: true},
		{pattern: "GET /v1/projects", need: ScopeRead, v1: true, do: v1Projects},
		{pattern: "GET /v1/project/{id}", need: ScopeRead, v1: true, do: v1Project},
		{pattern: "GET /v1/project/{id}/builds", need: ScopeRead, v1: true, stream: true, do: v1ProjectBuilds},
		{pattern: "GET /v1/projects-build", need: ScopeRead, v1: true, do: v1LastBuilds},
		{pattern: "GET /v1/build/{id}", need: ScopeRead, v1: true, do: v1Build},
		{pattern: "GET /v1/build/{id}/jobs", need: ScopeRead, v1: true, do: v1Jobs},
		{pattern: "GET /v1/build/{id}/logs", need: ScopeRead, v1: true, stream: true, do: v1BuildLog},
		{pattern: "GET /v1/job/{id}", need: ScopeRead, v1: true, do: v1Job},
		{pattern: "GET /v1/job/{id}/logs", need: ScopeRead, v1: true, stream: true, do: v1JobLog},

		{pattern: "GET /api/version", do: version},
		{pattern: "GET /api/openapi.yaml", do: openAPIYAML},
		{pattern: "GET /api/openapi.json", do: openAPIJSON},
		{pattern: "GET /api/login", do: login},
		{pattern: "GET /api/whoami", need: scopeAny, do: whoami},
		{pattern: "GET /api/watch", need: ScopeRead, stream: true, do: watch},

		{pattern: "GET /api/projects", need: ScopeRead, do: listProjects},
		{pattern: "GET /api/projects/{project}", need: ScopeRead, do: getProject},
		{pattern: "PUT /api/projects/{project}", need: ScopeAdmin, action: "project.put", body: maxProjectBody, do: putProject},
		{pattern: "DELETE /api/projects/{project}", need: ScopeAdmin, action: "project.delete", do: deleteProject},
		{pattern: "GET /api/projects/{project}/secrets", need: ScopeRead, do: listSecrets},
		{pattern: "POST /api/projects/{project}/secrets/compare", need: ScopeAdmin, action: "secret.compare", body: maxProjectBody, do: compareSecrets},
		{pattern: "PUT /api/projects/{project}/secrets/{name}", need: ScopeAdmin, action: "secret.set", body: maxProjectBody, do: setSecret},
		{pattern: "DELETE /api/projects/{project}/secrets/{name}", need: ScopeAdmin, action: "secret.unset", do: unsetSecret},
		{pattern: "GET /api/projects/{project}/schedules", need: ScopeRead, do: projectSchedules},
		{pattern: "POST /api/projects/{project}/events", need: ScopeEventCreate, action: "event.create", body: maxEventBody, do: createEvent},
		{pattern: "GET /api/schedules", need: ScopeRead, do: listSchedules},

		{pattern: "GET /api/builds", need: ScopeRead, do: listBuilds},
		{pattern: "GET /api/builds/{build}", need: ScopeRead, do: getBuild},
		{pattern: "DELETE /api/builds/{build}", need: ScopeAdmin, action: "build.delete", do: deleteBuild},
		{pattern: "GET /api/builds/{build}/jobs", need: ScopeRead, do: listJobs},
		{pattern: "GET /api/builds/{build}/logs", need: ScopeRead, stream: true, do: buildLog},
		{pattern: "POST /api/builds/{build}/cancel", need: ScopeEventCreate, action: "build.cancel", do: cancelBuild},
		{pattern: "POST /api/builds/{build}/rerun", need: ScopeEventCreate, action: "build.rerun", body: maxEventBody, do: rerunBuild},
		{pattern: "PUT /api/builds/{build}/pin", need: ScopeAdmin, action: "build.pin", do: pinBuild},
		{pattern: "DELETE /api/builds/{build}/pin", need: ScopeAdmin, action: "build.unpin", do: unpinBuild},

		{pattern: "GET /api/jobs/{job}", need: ScopeRead, do: getJob},
		{pattern: "GET /api/jobs/{job}/logs", need: ScopeRead, stream: true, do: jobLog},
		{pattern: "POST /api/jobs/{job}/cancel", need: ScopeEventCreate, action: "job.cancel", do: cancelJob},
		{pattern: "GET /api/jobs/{job}/artifacts", need: ScopeRead, do: listArtifacts},
		{pattern: "GET /api/jobs/{job}/artifacts/{name...}", need: ScopeRead, stream: true, do: getArtifact},

		{pattern: "GET /api/deliveries", need: ScopeRead, do: listDeliveries},
		{pattern: "GET /api/deliveries/{delivery}", need: ScopeRead, do: getDelivery},
		{pattern: "POST /api/deliveries/{delivery}/redeliver", need: ScopeAdmin, action: "delivery.redeliver", do: redeliver},

		{pattern: "GET /api/tokens", need: ScopeAdmin, global: true, do: listTokens},
		{pattern: "POST /api/tokens", need: ScopeAdmin, global: true, action: "token.create", do: createToken},
		{pattern: "DELETE /api/tokens/{token}", need: ScopeAdmin, global: true, action: "token.revoke", do: revokeToken},
		{pattern: "GET /api/audit", need: ScopeAdmin, global: true, do: listAudit},
	}
}

// method and path of a route, as OpenAPI writes them.
func (rt route) split() (method, path string) {
	method, path, _ = strings.Cut(rt.pattern, " ")
	return method, strings.ReplaceAll(path, "...}", "}")
}

func version(c *call) error {
	return c.json(http.StatusOK, map[string]any{"version": c.a.opt.Version, "apis": []string{"v1", "api"}})
}

func metrics(c *call) error {
	if c.a.opt.Metrics == nil {
		return missing("metrics")
	}
	c.a.opt.Metrics.ServeHTTP(c.w, c.r)
	return nil
}
