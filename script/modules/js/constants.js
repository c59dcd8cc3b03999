'use strict';
// constants: those of os, fs and crypto in one object.

const os = require('os');
module.exports = Object.freeze(Object.assign({}, os.constants.dlopen, os.constants.errno, os.constants.priority,
  os.constants.signals, require('fs').constants, require('crypto').constants));
