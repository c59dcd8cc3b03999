"use strict";

const { Job } = require("brigadier");

const npmReleaseImg = "brigadecore/npm-release:edge";

// NPMReleaseJob publishes the package in the source. Its env needs NPM_TOKEN
// and VERSION.
class NPMReleaseJob extends Job {
	constructor(name, image = npmReleaseImg) {
		super(name, image);
		this.tasks = [
			"cd /src",
			': "${NPM_TOKEN:?is not set}" "${VERSION:?is not set}"',
			'jq --arg v "$VERSION" \'.version = $v\' package.json > /tmp/package.json && cp /tmp/package.json package.json',
			'echo "//registry.npmjs.org/:_authToken=$NPM_TOKEN" > ~/.npmrc',
			"npm publish",
		];
	}
}

exports.NPMReleaseJob = NPMReleaseJob;
exports.npmReleaseImg = npmReleaseImg;
