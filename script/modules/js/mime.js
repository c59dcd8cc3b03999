'use strict';
// util.MIMEType and MIMEParams.

const errors = require('internal/errors');
const TOKEN = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/;

function quoted(value) {
  return value === '' || !TOKEN.test(value) ? `"${value.replace(/(["\\])/g, '\\$1')}"` : value;
}

class MIMEParams {
  #map = new Map();
  delete(name) { this.#map.delete(`${name}`); }
  get(name) { return this.#map.has(`${name}`) ? this.#map.get(`${name}`) : null; }
  has(name) { return this.#map.has(`${name}`); }
  set(name, value) {
    name = `${name}`;
    if (!TOKEN.test(name)) throw errors.make(TypeError, 'ERR_INVALID_MIME_SYNTAX', `The MIME syntax for a parameter name in "${name}" is invalid`);
    this.#map.set(name, `${value}`);
  }
  entries() { return this.#map.entries(); }
  keys() { return this.#map.keys(); }
  values() { return this.#map.values(); }
  toString() { return [...this.#map].map(([k, v]) => `${k}=${quoted(v)}`).join(';'); }
  toJSON() { return this.toString(); }
  [Symbol.iterator]() { return this.entries(); }
}

class MIMEType {
  #type;
  #subtype;
  #params = new MIMEParams();
  constructor(input) {
    input = `${input}`;
    const [essence, ...rest] = input.trim().split(';');
    const slash = essence.indexOf('/');
    this.type = slash < 0 ? essence : essence.slice(0, slash);
    this.subtype = slash < 0 ? '' : essence.slice(slash + 1).trimEnd();
    const pattern = /\s*([^=;\s]+)=("(?:[^"\\]|\\.)*"?|[^;]*)/g;
    const text = rest.join(';');
    for (let m = pattern.exec(text); m !== null; m = pattern.exec(text)) {
      const name = m[1].toLowerCase();
      let value = m[2].trim();
      if (value.startsWith('"')) value = value.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1');
      else if (value === '') continue;
      if (TOKEN.test(name) && !this.#params.has(name)) this.#params.set(name, value);
    }
  }
  get type() { return this.#type; }
  set type(v) {
    v = `${v}`.toLowerCase();
    if (!TOKEN.test(v)) throw errors.make(TypeError, 'ERR_INVALID_MIME_SYNTAX', `The MIME syntax for a type in "${v}" is invalid`);
    this.#type = v;
  }
  get subtype() { return this.#subtype; }
  set subtype(v) {
    v = `${v}`.toLowerCase();
    if (!TOKEN.test(v)) throw errors.make(TypeError, 'ERR_INVALID_MIME_SYNTAX', `The MIME syntax for a subtype in "${v}" is invalid`);
    this.#subtype = v;
  }
  get essence() { return `${this.#type}/${this.#subtype}`; }
  get params() { return this.#params; }
  toString() {
    const params = this.#params.toString();
    return params === '' ? this.essence : `${this.essence};${params}`;
  }
  toJSON() { return this.toString(); }
}

module.exports = { MIMEType, MIMEParams };
