"use strict";

// Checks on GitHub, as pipelines show them on a commit or a pull request.

const { Job } = require("brigadier");

const GITHUB_CHECK_TEXT_MAX_CHARS = 65535;
const CUT = "(Previous text omitted)\n";
const notificationJobImage = "brigadecore/brigade-github-check-run:v0.3.0";

const Conclusion = {
	Success: "success",
	Failure: "failure",
	Neutral: "neutral",
	Cancelled: "cancelled",
	TimedOut: "timed_out",
	InProgress: "",
};

// lastPart is the end of a text that GitHub takes.
function lastPart(text) {
	if (text.length <= GITHUB_CHECK_TEXT_MAX_CHARS) return text;
	return CUT + text.slice(text.length - (GITHUB_CHECK_TEXT_MAX_CHARS - CUT.length));
}

function parse(payload) {
	try {
		const value = typeof payload === "string" ? JSON.parse(payload) : payload;
		return value && typeof value === "object" ? value : {};
	} catch (err) {
		return {};
	}
}

// target finds the repository, commit and branch that a payload is about. The
// shape of body follows its type.
function target(payload) {
	const body = payload.body || {};
	const part = {
		check_run: () => ({ commit: body.check_run.head_sha, branch: body.check_run.check_suite.head_branch }),
		check_suite: () => ({ commit: body.check_suite.head_sha, branch: body.check_suite.head_branch }),
		pull_request: () => ({ commit: body.pull_request.head.sha, branch: body.pull_request.head.ref }),
		issue_comment: () => ({ commit: payload.commit, branch: payload.branch }),
	}[payload.type];
	let at = {};
	try {
		at = part ? part() : {};
	} catch (err) {
		at = {};
	}
	return {
		repo: body.repository && body.repository.full_name,
		commit: at.commit || payload.commit,
		branch: at.branch || payload.branch,
	};
}

class Notification {
	constructor(name, event, project, detailsUrl, image) {
		this.project = project;
		this.payload = event.payload;
		this.name = name;
		this.externalID = event.buildID;
		this.detailsUrl = detailsUrl;
		this.title = "running check";
		this.text = "";
		this.summary = "";
		this.count = 0;
		this.conclusion = Conclusion.InProgress;
		this.notificationJobImage = image || notificationJobImage;
	}

	// send reports the state to GitHub, from within the worker, when the payload
	// carries a token; else it writes into the log what it would send.
	async send() {
		this.count++;
		const payload = parse(this.payload);
		const { repo, commit, branch } = target(payload);
		const check = {
			name: this.name,
			head_sha: commit,
			head_branch: branch,
			external_id: this.externalID,
			details_url: this.detailsUrl || undefined,
			status: this.conclusion === Conclusion.InProgress ? "in_progress" : "completed",
			conclusion: this.conclusion || undefined,
			completed_at: this.conclusion ? new Date().toISOString() : undefined,
			output: { title: this.title, summary: this.summary, text: lastPart(String(this.text || "")) || undefined },
		};
		const missing = !payload.token ? "the event carries no GitHub token" :
			!repo || !commit ? "the event names no repository and commit" : "";
		if (missing) {
			native.log("INFO", `check "${check.name}" ${check.conclusion || check.status}: ${check.output.title}: ${check.output.summary} (not sent to GitHub: ${missing})`);
			return;
		}
		await this.#post(repo, payload.token, check);
	}

	async #post(repo, token, check) {
		if (typeof fetch !== "function") {
			native.log("WARN", `check "${check.name}" was not sent: this worker cannot make HTTP requests`);
			return;
		}
		const base = native.github().replace(/\/+$/, "");
		const answer = await fetch(`${base}/repos/${repo}/check-runs`, {
			method: "POST",
			headers: {
				authorization: `token ${token}`,
				accept: "application/vnd.github+json",
				"content-type": "application/json",
				"user-agent": "brigade",
			},
			body: JSON.stringify(check),
		});
		if (answer.status >= 300) {
			const text = (await answer.text()).slice(0, 300);
			throw new Error(`GitHub refused the check "${check.name}" of ${repo}: ${answer.status} ${text}`);
		}
	}

	// wrap runs a job between two notifications. A job that fails is returned
	// as its error and not thrown: existing scripts count on it.
	async wrap(job) {
		await this.send();
		try {
			const result = await job.run();
			this.conclusion = Conclusion.Success;
			this.summary = `Task "${job.name}" passed`;
			this.text = "```" + result.toString() + "```\nTest Complete";
			await this.send();
			return result;
		} catch (err) {
			let logs = "";
			try {
				logs = await job.logs();
			} catch (none) {
				logs = "";
			}
			this.conclusion = Conclusion.Failure;
			this.summary = `Task "${job.name}" failed for ${this.externalID}`;
			this.text = "```" + logs + "```\nFailed with error: " + err;
			try {
				await this.send();
			} catch (unsent) {
				native.log("ERROR", String(unsent));
			}
			return err;
		}
	}
}

class Check {
	constructor(event, project, job, detailsURL, notification) {
		this.event = event;
		this.project = project;
		this.job = job;
		this.notification = notification || new Notification(job.name, event, project, detailsURL);
	}

	run() {
		this.notification.title = `Run ${this.job.name}`;
		this.notification.summary = `Running ${this.job.name} target for ${this.event.revision.commit}`;
		return this.notification.wrap(this.job);
	}

	// handleIssueComment calls handle when the comment says "/brig run".
	static handleIssueComment(e, p, handle) {
		const body = parse(e.payload).body;
		const comment = body && body.comment && body.comment.body;
		if (typeof comment === "string" && comment.trim() === "/brig run") return handle(e, p);
		native.log("LOG", "the comment is not \"/brig run\": nothing to do");
		return undefined;
	}
}

// GitHubRelease tags a release with its binaries. The notes are the commits
// since the tag before.
class GitHubRelease extends Job {
	constructor(project, tag, binDir = "", workDir = "/src") {
		super("gh-release", "brigadecore/gh-release:edge");
		if (!project || !project.secrets || !project.secrets.ghToken) {
			throw new Error("a release needs the project's secret ghToken");
		}
		if (!project.repo || !project.repo.name) throw new Error("a release needs the name of the project's repository");
		const [owner, repo] = String(project.repo.name).split("/").slice(-2);
		this.env.GITHUB_TOKEN = project.secrets.ghToken;
		this.tasks = [
			`cd ${workDir}`,
			`last=$(git describe --tags --abbrev=0 "${tag}^" 2>/dev/null || true)`,
			`git log --no-merges --pretty=format:'- %s %H (%aN)' \${last:+$last..}"${tag}" > /tmp/release-notes`,
			`ghr -u ${owner} -r ${repo} -n "${tag}" -b "$(cat /tmp/release-notes)" "${tag}" ${binDir}`.trim(),
		];
	}
}

exports.Check = Check;
exports.Notification = Notification;
exports.Conclusion = Conclusion;
exports.GitHubRelease = GitHubRelease;
exports.notificationJobImage = notificationJobImage;
exports.GITHUB_CHECK_TEXT_MAX_CHARS = GITHUB_CHECK_TEXT_MAX_CHARS;
