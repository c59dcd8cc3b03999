"use strict";

const { AssertionError } = require("internal/assert_error");
const { inspect } = require("internal/inspect");

const list = [];

function register(mode) {
	return function test(name, fn) {
		if (typeof name === "function") [name, fn] = [name.name, name];
		if (typeof name !== "string" || name === "") throw new TypeError('a test needs a name: test("push runs the tests", async () => { … })');
		if (mode !== "skip" && typeof fn !== "function") throw new TypeError(`test ${JSON.stringify(name)} needs a function`);
		list.push({ name, fn, mode });
	};
}

const test = register("");
test.only = register("only");
test.skip = register("skip");

// describe says what a test threw, for people.
function describe(err) {
	if (err instanceof AssertionError) return { text: String(err.message), stack: String(err.stack) };
	if (err instanceof Error) return { text: err.name === "Error" ? String(err.message) : String(err), stack: String(err.stack) };
	return { text: `it threw ${inspect(err)}`, stack: "" };
}

function start(i) {
	(async () => list[i].fn())().then(
		() => native.done(i, "", ""),
		(err) => {
			const { text, stack } = describe(err);
			native.done(i, text || "it failed without saying why", stack);
		},
	);
}

// The answers for jobs: what fire's option `jobs` says, by the job's name, else
// under "*". An answer is a value or a function of the job; of an array each
// run takes the next one, and the last one stays.
class Answers {
	constructor(jobs) {
		if (jobs !== undefined && typeof jobs !== "function" && (typeof jobs !== "object" || jobs === null || Array.isArray(jobs))) {
			throw new TypeError('fire: jobs must be an object such as { unit: { exitCode: 1 } }, or a function of a job');
		}
		this.jobs = jobs || {};
		this.taken = {};
	}

	async of(spec, attempt) {
		let v = this.jobs;
		if (typeof v !== "function") v = Object.hasOwn(v, spec.name) ? v[spec.name] : v["*"];
		if (Array.isArray(v)) {
			const n = this.taken[spec.name] || 0;
			this.taken[spec.name] = n + 1;
			v = v[Math.min(n, v.length - 1)];
		}
		if (typeof v === "function") v = await v(spec, attempt);
		return JSON.stringify(answer(spec.name, v));
	}
}

const KNOWN = ["exitCode", "output", "outputs", "artifacts", "error", "delay", "sleep"];

// milliseconds reads a duration such as "1m30s".
function milliseconds(name, text) {
	const units = { ms: 1, s: 1000, m: 60000, h: 3600000 };
	const parts = String(text).match(/^(\d+(\.\d+)?(ms|s|m|h))+$/) && String(text).match(/\d+(\.\d+)?(ms|s|m|h)/g);
	if (!parts) throw new TypeError(`the answer for job "${name}": sleep must be a duration such as "200ms"`);
	return parts.reduce((sum, part) => sum + parseFloat(part) * units[/[a-z]+$/.exec(part)[0]], 0);
}

function answer(name, v) {
	if (v === undefined || v === null) v = {};
	if (typeof v === "string") v = { output: v };
	if (typeof v === "number") v = { exitCode: v };
	if (v instanceof Error) v = { error: v.message };
	if (typeof v !== "object" || Array.isArray(v)) throw new TypeError(`the answer for job "${name}" must be an object, a text or an exit code`);
	for (const key of Object.keys(v)) {
		if (!KNOWN.includes(key)) throw new TypeError(`the answer for job "${name}" has ${key}, but there is only ${KNOWN.join(", ")}`);
	}
	const { exitCode = 0, output = "", outputs = {}, error = "", delay = v.sleep === undefined ? 0 : milliseconds(name, v.sleep) } = v;
	let { artifacts = [] } = v;
	if (!Array.isArray(artifacts)) artifacts = Object.entries(artifacts).map(([file, text]) => ({ name: file, size: Buffer.byteLength(String(text)), sha256: "" }));
	if (!Number.isInteger(exitCode) || exitCode < 0 || exitCode > 255) throw new TypeError(`the answer for job "${name}": exitCode must be a whole number from 0 to 255`);
	if (typeof delay !== "number" || !(delay >= 0)) throw new TypeError(`the answer for job "${name}": delay must be milliseconds, or Infinity`);
	return {
		exitCode,
		output: typeof output === "string" ? output : JSON.stringify(output),
		outputs,
		artifacts: artifacts.map((a) => (typeof a === "string" ? { name: a, size: 0, sha256: "" } : a)),
		error: error instanceof Error ? error.message : String(error),
		delay: Number.isFinite(delay) ? delay : null,
	};
}

// fire plays a build. Its errors come from where it was called.
function fire(options) {
	const site = new Error("").stack.split("\n").filter((line) => line.startsWith("    at ")).join("\n");
	return play(options).catch((err) => {
		if (err instanceof Error) Object.defineProperty(err, "stack", { value: `${err}\n${site}`, writable: true, configurable: true });
		throw err;
	});
}

async function play(options = {}) {
	const { jobs, payload, type, ...rest } = typeof options === "string" ? { type: options } : options;
	const order = { ...rest };
	if (type !== undefined) order.type = type;
	if (payload !== undefined && payload !== null) order.payload = typeof payload === "string" ? payload : JSON.stringify(payload);
	const answers = new Answers(jobs);
	const ask = (token, spec, attempt) => {
		answers.of(JSON.parse(spec), attempt).then((text) => native.answer(token, text), (err) => native.refuse(token, String((err && err.message) || err)));
	};
	const build = new Build(JSON.parse(await native.fire(JSON.stringify(order), ask)));
	build.log.forEach((line) => native.note(line.text));
	return build;
}

function fail(message, actual, expected, operator) {
	throw new AssertionError({ message, actual, expected, operator });
}

const named = (names) => names.map((n) => `"${n}"`).join(", ");

// Build is what fire resolves to: what happened, and what to expect of it.
class Build {
	constructor(facts) {
		Object.assign(this, facts);
		for (const job of this.jobs) {
			const beside = this.jobs.filter((other) => other !== job && !job.after.includes(other.name) && !other.after.includes(job.name));
			job.beside = beside.map((other) => other.name);
		}
	}

	// steps are the names of the jobs that ran side by side, step by step.
	get steps() {
		const out = [];
		for (const job of this.jobs) (out[job.step - 1] = out[job.step - 1] || []).push(job.name);
		return out.filter(Boolean);
	}

	get text() {
		return this.log.map((line) => line.text).join("\n");
	}

	find(name) {
		return this.jobs.find((job) => job.name === name);
	}

	job(name) {
		return this.find(name) || fail(`job "${name}" did not run; ${this.what()}`, this.names(), [name], "job");
	}

	names() {
		return this.jobs.map((job) => job.name);
	}

	what() {
		const ran = this.jobs.length === 0 ? "no job ran" : `there ran ${named(this.names())}`;
		return this.handled ? ran : `${ran}: the script has no handler for the event (it has ${named(this.handlers) || "none"})`;
	}

	ran(...names) {
		names.forEach((name) => this.job(name));
		return this;
	}

	notRan(...names) {
		for (const name of names) {
			if (this.find(name)) fail(`job "${name}" ran`, this.names(), [], "notRan");
		}
		return this;
	}

	order(...names) {
		const jobs = names.map((name) => this.job(name));
		for (let i = 1; i < jobs.length; i++) {
			const [a, b] = [jobs[i - 1], jobs[i]];
			if (!b.after.includes(a.name)) fail(`job "${b.name}" started before "${a.name}" had ended; the steps were ${inspect(this.steps)}`, this.steps, names, "order");
		}
		return this;
	}

	together(...names) {
		const jobs = names.map((name) => this.job(name));
		for (const job of jobs) {
			const missing = names.filter((name) => name !== job.name && !job.beside.includes(name));
			if (missing.length > 0) fail(`job "${job.name}" did not run beside ${named(missing)}; the steps were ${inspect(this.steps)}`, this.steps, names, "together");
		}
		return this;
	}

	succeeded() {
		if (this.state !== "succeeded") fail(`the build failed: ${this.reason()}`, this.state, "succeeded", "succeeded");
		return this;
	}

	failed(what) {
		if (this.state !== "failed") fail(`the build ${this.state === "canceled" ? "was canceled" : "succeeded"}`, this.state, "failed", "failed");
		if (what !== undefined) this.matches("failure", this.reason(), what);
		return this;
	}

	canceled() {
		if (this.state !== "canceled") fail(`the build was not canceled: it ${this.state}`, this.state, "canceled", "canceled");
		return this;
	}

	reason() {
		return this.failure ? this.failure.message : `exit code ${this.exitCode}`;
	}

	logged(what) {
		this.matches("log", this.text, what);
		return this;
	}

	matches(part, text, what) {
		const found = what instanceof RegExp ? what.test(text) : text.includes(String(what));
		if (!found) fail(`the build's ${part} does not have ${what instanceof RegExp ? what : JSON.stringify(what)}; it is:\n${text || "(empty)"}`, text, what, part);
	}
}

// called calls a native function; its error comes from where the test called.
function called(f, ...args) {
	try {
		return f(...args);
	} catch (err) {
		throw new Error(err.message);
	}
}

const fixture = (name) => called(native.fixture, String(name));
const example = (provider, type) => JSON.parse(called(native.example, String(provider), type === undefined ? "" : String(type)));

native.bind(() => {
	if (list.length === 0) adopt(native.exports());
	return list.map(({ name, mode }) => ({ name, mode }));
}, start);

module.exports = { test, fire, fixture, example, Build };

// A file may also export its tests as a list of cases: an event, what the jobs
// answer, and a function that looks at what happened.
const CASE = ["name", "event", "recording", "secrets", "jobs", "cancel", "state", "expect", "skip"];
const EVENT = ["type", "provider", "payload", "payloadFile", "ref", "commit", "shortTitle", "longTitle"];

function only(what, v, known) {
	for (const key of Object.keys(v)) {
		if (!known.includes(key)) throw new TypeError(`${what} has ${key}, but there is only ${known.join(", ")}`);
	}
}

function adopt(exported) {
	if (!exported || typeof exported !== "object") return;
	[].concat(exported.default ?? Object.values(exported)).forEach((c, i) => {
		if (!c || typeof c !== "object") throw new TypeError("a test is an object with a name and an event, or made with test()");
		const name = c.name === undefined ? `test ${i + 1}` : String(c.name);
		only(`test "${name}"`, c, CASE);
		only(`the event of test "${name}"`, c.event || {}, EVENT);
		if (!c.recording && !(c.event && c.event.type)) throw new TypeError(`the event of test "${name}" has no type: write event: { type: "push" }`);
		list.push({ name, mode: c.skip ? "skip" : "", fn: () => tryCase(c) });
	});
}

async function tryCase(c) {
	const build = await fire({ ...eventOf(c), project: { name: "test", secrets: c.secrets || {} }, jobs: c.jobs, cancel: c.cancel });
	const want = c.state || (c.expect ? undefined : "succeeded");
	if (want !== undefined && build.state !== want) fail(`the build is ${build.state}, not ${want}: ${build.reason()}`, build.state, want, "state");
	if (c.expect) await c.expect(viewOf(build), t);
}

function eventOf(c) {
	const { ref, commit, payloadFile, ...given } = c.event || {};
	let event = { revision: { ref: ref || "", commit: commit || "" } };
	if (c.recording) {
		let file;
		try {
			file = JSON.parse(called(native.fixture, String(c.recording)));
		} catch (err) {
			throw new Error(`the recording ${c.recording} cannot be read: ${err.message}`);
		}
		const { type, provider, payload, revision, also, untrusted } = file.event || file;
		if (!type) throw new Error(`${c.recording} holds no event: record one with brig build get BUILD -o json`);
		event = { type, provider, payload, revision: revision || event.revision, also, untrusted };
	}
	if (payloadFile !== undefined) given.payload = called(native.fixture, String(payloadFile));
	return JSON.parse(JSON.stringify({ ...event, ...given }));
}

function viewOf(build) {
	const jobs = build.jobs.map((job) => ({ ...job.spec, env: job.env || undefined, step: job.step, state: job.state, exitCode: job.exitCode, after: job.after }));
	const run = { state: build.state, exitCode: build.exitCode, failure: build.failure, logs: build.log.map((line) => line.text), log: build.text, jobs, ran: build.names() };
	run.job = (name) => jobs.find((job) => job.name === name) || fail(`no job ${name} ran; there were: ${run.ran.join(", ") || "none"}`);
	run.before = (first, second) => run.job(second).after.includes(run.job(first).name);
	return run;
}

const sorted = (v) => {
	if (Array.isArray(v)) return v.map(sorted);
	if (v && typeof v === "object") return Object.fromEntries(Object.keys(v).sort().map((key) => [key, sorted(v[key])]));
	return v;
};
const show = (v) => {
	const text = JSON.stringify(sorted(v));
	return text === undefined ? String(v) : text;
};
const because = (why, message) => (message ? `${message}: ${why}` : why);
const t = {
	ok: (v, message) => v || fail(because(`expected something true, got ${show(v)}`, message), v, true, "ok"),
	equal: (got, want, message) => show(got) === show(want) || fail(because(`got ${show(got)}, want ${show(want)}`, message), got, want, "equal"),
	match: (text, pattern, message) => new RegExp(pattern).test(text) || fail(because(`${show(text)} does not match ${pattern}`, message), text, pattern, "match"),
};
