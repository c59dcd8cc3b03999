const { Job } = require("brigadier");

module.exports = (image, version) => new Job("release", image, [`echo released ${version}`]);
