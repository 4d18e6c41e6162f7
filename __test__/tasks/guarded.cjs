const { exit, abort, kill } = require("node:process");

module.exports = { exit, abort, kill };
