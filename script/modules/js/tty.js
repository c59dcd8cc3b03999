'use strict';
// tty: there is never a terminal.

module.exports = require('internal/stub').make('tty', 'a build has no terminal', ['ReadStream', 'WriteStream']);
module.exports.isatty = () => false;
module.exports.WriteStream.prototype.hasColors = () => false;
module.exports.WriteStream.prototype.getColorDepth = () => 1;
