"use strict";

const { EventEmitter } = require("brigade:emitter");

const MAX_JOB_NAME_LENGTH = 36;
const GOOD_NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;

// What handlers get: made of the build, once.
const facts = JSON.parse(native.facts());
const event = facts.event;
event.payload = native.payload();
const project = facts.project;

// The event's signal is aborted when somebody wants the build to end. It is
// made when a script first asks for it.
let abort;
const signalOf = {
	get() {
		abort = abort || new AbortController();
		return abort.signal;
	},
	enumerable: false,
	configurable: true,
};
Object.defineProperty(event, "signal", signalOf);

// copyOf makes another event of the same build.
function copyOf(type, cause) {
	const e = {
		buildID: event.buildID,
		workerID: event.workerID,
		type: type,
		provider: "brigade",
		cloneURL: event.cloneURL,
		revision: { commit: event.revision.commit, ref: event.revision.ref },
		payload: event.payload,
		logLevel: event.logLevel,
	};
	e.cause = cause;
	return Object.defineProperty(e, "signal", signalOf);
}

function reasonText(reason) {
	if (reason === undefined || reason === null) return "";
	try {
		if (reason.message !== undefined) return String(reason.message);
		const text = String(reason);
		return text === "[object Object]" ? JSON.stringify(reason).slice(0, 500) : text;
	} catch (err) {
		return "";
	}
}

class EventRegistry extends EventEmitter {
	has(name) {
		return this.listenerCount(name) > 0;
	}

	fire(e, p) {
		return this.emit(e.type, e, p);
	}

	emit(name, ...args) {
		if (typeof name === "string" && name !== "newListener" && name !== "removeListener") {
			const cause = (args[0] && args[0].cause) || {};
			native.fired(name, this.listenerCount(name) > 0, String(cause.trigger || ""), reasonText(cause.reason));
		}
		return super.emit(name, ...args);
	}
}

const events = new EventRegistry();
if (events.setMaxListeners) events.setMaxListeners(0);
const defaultPing = () => native.log("ping");
events.on("ping", defaultPing);

class Result {
	constructor(r) {
		this.jobID = r.jobID;
		this.exitCode = r.exitCode;
		this.outputs = r.outputs || {};
		this.truncated = Boolean(r.truncated);
		if (r.artifacts) this.artifacts = r.artifacts;
		if (r.failure) this.failure = r.failure;
		const text = r.output;
		Object.defineProperty(this, "toString", { value: () => text, configurable: true, writable: true });
		const data = { enumerable: true, configurable: true };
		if (text.length > 100000 && looksLikeJSON(text)) {
			data.get = () => {
				const value = parsed(text);
				Object.defineProperty(this, "data", { value, enumerable: true, configurable: true, writable: true });
				return value;
			};
		} else {
			data.value = parsed(text);
			data.writable = true;
		}
		Object.defineProperty(this, "data", data);
	}
}

function looksLikeJSON(text) {
	return /^\s*[[{]/.test(text.slice(0, 200)) && /[\]}]\s*$/.test(text.slice(-200));
}

// parsed is the value of a text that is a JSON object or array, else the text.
function parsed(text) {
	if (!looksLikeJSON(text)) return text;
	try {
		return JSON.parse(text);
	} catch (err) {
		return text;
	}
}

function kindOf(v) {
	if (v === null) return "null";
	if (Array.isArray(v)) return "an array";
	return (typeof v === "object" ? "an " : "a ") + typeof v;
}

// The checks below turn a job into what the runner understands; they name the
// field when a value cannot be used.
function wrong(job, field, want, v) {
	return new TypeError(`job "${job.name}": ${field} must be ${want}, not ${kindOf(v)}`);
}

function text(job, field, v) {
	if (v === undefined || v === null) return "";
	if (typeof v === "string") return v;
	if (typeof v === "number" || typeof v === "bigint") return String(v);
	if (v instanceof String || v instanceof Number) return String(v);
	if (v instanceof Result) return String(v);
	throw wrong(job, field, "a string", v);
}

function texts(job, field, v) {
	if (v === undefined || v === null) return [];
	if (typeof v === "string") {
		const err = wrong(job, field, "an array of strings", v);
		err.message += `; write job.${field} = [${JSON.stringify(v.length > 60 ? v.slice(0, 57) + "..." : v)}]`;
		throw err;
	}
	if (typeof v !== "object" || typeof v[Symbol.iterator] !== "function") throw wrong(job, field, "an array of strings", v);
	const out = [];
	let i = 0;
	for (const item of v) {
		if (item !== undefined && item !== null) out.push(text(job, `${field}[${i}]`, item));
		i++;
	}
	return out;
}

function entries(job, field, v) {
	if (v === undefined || v === null) return [];
	if (v instanceof Map) return Array.from(v.entries());
	if (typeof v !== "object" || Array.isArray(v)) throw wrong(job, field, "an object", v);
	return Object.keys(v).map((k) => [k, v[k]]);
}

function textMap(job, field, v) {
	const out = {};
	for (const [k, value] of entries(job, field, v)) {
		if (value === undefined) continue;
		out[String(k)] = typeof value === "boolean" ? String(value) : text(job, `${field}.${String(k)}`, value);
	}
	return out;
}

function environment(job) {
	const out = {};
	for (const [k, v] of entries(job, "env", job.env)) {
		const name = String(k);
		if (v === undefined) continue;
		if (v === null) out[name] = null;
		else if (typeof v === "boolean") out[name] = String(v);
		else if (typeof v === "object" && (v.secretKeyRef || v.configMapKeyRef || v.fieldRef)) {
			out[name] = { secretKeyRef: v.secretKeyRef, configMapKeyRef: v.configMapKeyRef, fieldRef: v.fieldRef };
		} else out[name] = text(job, `env.${name}`, v);
	}
	return out;
}

function milliseconds(job, v) {
	if (v === undefined || v === null) return 0;
	const n = Number(v);
	if (Number.isNaN(n)) throw wrong(job, "timeout", "a number of milliseconds", v);
	if (n <= 0) return 0;
	return Math.ceil(Math.min(n, Number.MAX_SAFE_INTEGER));
}

function objects(job, field, v) {
	if (v === undefined || v === null) return [];
	if (!Array.isArray(v)) throw wrong(job, field, "an array", v);
	return v.filter((item) => item !== undefined && item !== null).map((item, i) => {
		if (typeof item !== "object") throw wrong(job, `${field}[${i}]`, "an object", item);
		return item;
	});
}

function part(job, field) {
	const v = job[field];
	if (v === undefined || v === null) return {};
	if (typeof v !== "object") throw wrong(job, field, "an object", v);
	return v;
}

function specOf(job) {
	const resources = (field) => ({
		cpu: text(job, field + ".cpu", part(job, field).cpu),
		memory: text(job, field + ".memory", part(job, field).memory),
	});
	const host = part(job, "host"), cache = part(job, "cache"), storage = part(job, "storage");
	return {
		name: text(job, "name", job.name),
		image: text(job, "image", job.image),
		shell: text(job, "shell", job.shell),
		tasks: texts(job, "tasks", job.tasks),
		args: texts(job, "args", job.args),
		env: environment(job),
		imageForcePull: Boolean(job.imageForcePull),
		imagePullSecrets: texts(job, "imagePullSecrets", job.imagePullSecrets),
		mountPath: text(job, "mountPath", job.mountPath),
		timeout: milliseconds(job, job.timeout),
		useSource: Boolean(job.useSource),
		privileged: Boolean(job.privileged),
		serviceAccount: text(job, "serviceAccount", job.serviceAccount),
		resourceRequests: resources("resourceRequests"),
		resourceLimits: resources("resourceLimits"),
		host: {
			os: text(job, "host.os", host.os),
			name: text(job, "host.name", host.name),
			nodeSelector: textMap(job, "host.nodeSelector", host.nodeSelector),
		},
		cache: {
			enabled: Boolean(cache.enabled),
			size: text(job, "cache.size", cache.size),
			path: text(job, "cache.path", cache.path),
			key: text(job, "cache.key", cache.key),
			restoreKeys: texts(job, "cache.restoreKeys", cache.restoreKeys),
		},
		storage: { enabled: Boolean(storage.enabled), path: text(job, "storage.path", storage.path) },
		docker: { enabled: Boolean(part(job, "docker").enabled) },
		volumes: objects(job, "volumes", job.volumes),
		volumeMounts: objects(job, "volumeMounts", job.volumeMounts),
		annotations: textMap(job, "annotations", job.annotations),
		streamLogs: Boolean(job.streamLogs),
		retry: retryOf(job),
		fallible: Boolean(job.fallible),
		artifacts: texts(job, "artifacts", job.artifacts),
		pod: job.pod === undefined || job.pod === null ? undefined : plainObject(job, "pod"),
		sidecars: objects(job, "sidecars", job.sidecars),
	};
}

// plainObject is part for what Kubernetes reads: no array.
function plainObject(job, field) {
	if (Array.isArray(job[field])) throw wrong(job, field, "an object", job[field]);
	return part(job, field);
}

// retryOf reads job.retry: a number, or { limit, backoff } with backoff in
// milliseconds or as "10s".
function retryOf(job) {
	const v = job.retry;
	if (v === undefined || v === null || v === 0) return undefined;
	const retry = typeof v === "number" ? { limit: v } : part(job, "retry");
	if (!Number.isInteger(retry.limit) || retry.limit < 0 || retry.limit > 100) {
		throw wrong(job, "retry.limit", "a whole number from 0 to 100", retry.limit);
	}
	const backoff = typeof retry.backoff === "number" ? retry.backoff + "ms" : text(job, "retry.backoff", retry.backoff);
	return { limit: retry.limit, backoff: backoff || undefined };
}

function checkName(name) {
	if (typeof name !== "string" || name === "") throw new TypeError(`a job needs a name: new Job("build", "alpine:3.20")`);
	if (name.length > MAX_JOB_NAME_LENGTH) {
		throw new Error(`job name "${name}" has ${name.length} characters, more than the ${MAX_JOB_NAME_LENGTH} that are allowed`);
	}
	if (!GOOD_NAME.test(name)) {
		throw new Error(`job name "${name}" is not allowed: use a-z, 0-9, dot and dash, starting and ending with a letter or digit`);
	}
}

// callSite is the stack of whoever called a job's method, for errors that
// come back from outside the script.
function callSite() {
	return new Error("").stack.split("\n").slice(1).filter((line) => !line.includes("brigade:")).join("\n");
}

function located(err, site) {
	if (err instanceof Error && site) {
		Object.defineProperty(err, "stack", { value: `${err}\n${site}`, writable: true, configurable: true });
	}
	// What we add is there to ask for; printed, the error looks as it did in v1.
	for (const name of ["code", "jobID", "exitCode"]) {
		if (err instanceof Error && Object.hasOwn(err, name)) Object.defineProperty(err, name, { enumerable: false });
	}
	return err;
}

class Job {
	#pod = "";

	constructor(name, image, tasks, imageForcePull = false) {
		checkName(name);
		this.name = name;
		this.shell = "/bin/sh";
		this.tasks = tasks || [];
		this.args = [];
		this.env = {};
		this.image = image;
		this.imageForcePull = imageForcePull;
		this.imagePullSecrets = [];
		this.mountPath = "/src";
		this.timeout = 900000;
		this.useSource = true;
		this.privileged = false;
		this.serviceAccount = undefined;
		this.resourceRequests = { cpu: undefined, memory: undefined };
		this.resourceLimits = { cpu: undefined, memory: undefined };
		this.host = { os: undefined, name: undefined, nodeSelector: new Map() };
		this.cache = { enabled: false, size: "5Mi", path: "/mnt/brigade/cache" };
		this.storage = { enabled: false, path: "/mnt/brigade/share" };
		this.docker = { enabled: false };
		this.volumes = [];
		this.volumeMounts = [];
		this.annotations = {};
		this.streamLogs = false;
	}

	get podName() {
		return this.#pod;
	}

	run() {
		const site = callSite();
		return (async () => {
			try {
				const spec = specOf(this);
				checkName(spec.name);
				this.#pod = `${spec.name}-${event.buildID}`;
				const r = await native.run(JSON.stringify(spec));
				this.#pod = r.jobID || this.#pod;
				return new Result(r);
			} catch (err) {
				if (err && err.jobID) this.#pod = err.jobID;
				throw located(err, site);
			}
		})();
	}

	logs() {
		const site = callSite();
		return (async () => {
			if (!this.#pod) throw located(new Error(`job "${this.name}" has not been run, so that it has no log`), site);
			try {
				return await native.logs(this.#pod);
			} catch (err) {
				throw located(err, site);
			}
		})();
	}
}
Object.defineProperty(Job, "MAX_JOB_NAME_LENGTH", { value: MAX_JOB_NAME_LENGTH, enumerable: true });

class Group {
	constructor(jobs) {
		this.jobs = jobs || [];
	}

	static runAll(jobs) {
		return new Group(jobs).runAll();
	}

	static runEach(jobs) {
		return new Group(jobs).runEach();
	}

	add(...jobs) {
		for (const job of jobs) this.jobs.push(job);
	}

	length() {
		return this.jobs.length;
	}

	runAll() {
		return Promise.all(this.jobs.map((job) => job.run()));
	}

	async runEach() {
		const results = [];
		for (const job of this.jobs) results.push(await job.run());
		return results;
	}
}

class ErrorReport {
	constructor(cause, reason) {
		this.cause = cause;
		this.reason = reason;
	}
}

function fire(e, p) {
	return events.fire(e, p);
}

// fireAll fires the build's event, and under its further names where there is
// a handler.
function fireAll() {
	events.fire(event, project);
	for (const name of facts.also) {
		if (!events.has(name)) continue;
		const other = copyOf(name, undefined);
		delete other.cause;
		other.provider = event.provider;
		events.fire(other, project);
	}
}

// cancel tells the script that somebody wants the build to end, and reports
// whether it listens.
function cancel(reason) {
	const listens = Boolean(abort) || events.has("cancel");
	if (abort) abort.abort(new Error(reason));
	if (events.has("cancel")) events.fire(copyOf("cancel", { event, reason: new Error(reason), trigger: "cancel" }), project);
	else native.fired("cancel", false, "cancel", reason);
	return listens;
}

native.bind(
	fireAll,
	(trigger) => { events.fire(copyOf("after", { event, trigger }), project); },
	(reason, trigger) => {
		if (events.has("error")) events.fire(copyOf("error", { event, reason, trigger }), project);
		else native.fired("error", false, trigger, reasonText(reason));
	},
	(name) => events.has(name),
	() => events.eventNames().filter((name) => typeof name === "string" &&
		(name !== "ping" || events.listeners(name).some((f) => f !== defaultPing))),
	cancel,
);

exports.events = events;
exports.Job = Job;
exports.Group = Group;
exports.ErrorReport = ErrorReport;
exports.fire = fire;
