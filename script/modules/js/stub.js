'use strict';
// Modules that can be imported, so that packages load, but not used.

const { unsupported } = require('internal/errors');

// make returns an object of functions and classes that throw.
function make(name, instead, names) {
  const out = {};
  for (const key of names) {
    const refuse = function() { throw unsupported(`${name}.${key}`, instead); };
    Object.defineProperty(refuse, 'name', { value: key });
    out[key] = refuse;
  }
  return out;
}

module.exports = { make };
