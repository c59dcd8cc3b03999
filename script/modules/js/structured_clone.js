'use strict';
// structuredClone.

const kinds = require('internal/inspect_kinds');

function refuse(value) {
  const { DOMException } = require('internal/dom_exception');
  let text;
  try { text = typeof value === 'function' ? Function.prototype.toString.call(value) : String(value); } catch { text = 'An object'; }
  return new DOMException(`${text} could not be cloned.`, 'DataCloneError');
}

const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

function cloneError(value, seen) {
  const Class = ERRORS[value.name] || Error;
  const out = new Class();
  seen.set(value, out);
  const hide = (key, v) => Object.defineProperty(out, key, { value: v, writable: true, configurable: true, enumerable: false });
  if (typeof value.message === 'string') hide('message', value.message);
  hide('stack', typeof value.stack === 'string' ? value.stack : `${out.name}: ${out.message}`);
  if ('cause' in value) hide('cause', clone(value.cause, seen));
  return out;
}

function cloneBytes(value, seen) {
  if (kinds.isArrayBuffer(value)) return value.slice(0);
  const buffer = clone(value.buffer, seen);
  if (kinds.isDataView(value)) return new DataView(buffer, value.byteOffset, value.byteLength);
  const Class = globalThis[kinds.typedTag.call(value)];
  return new Class(buffer, value.byteOffset, value.length);
}

function clone(value, seen) {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) {
    if (typeof value === 'symbol') throw refuse(value);
    return value;
  }
  if (seen.has(value)) return seen.get(value);
  if (typeof value === 'function') throw refuse(value);
  const keep = (out) => { seen.set(value, out); return out; };
  const box = kinds.boxOf(value);
  if (box) {
    if (box[0] === 'Symbol') throw refuse(value);
    return keep(Object(box[1].call(value)));
  }
  if (kinds.isDate(value)) return keep(new Date(value.getTime()));
  if (kinds.isRegExp(value)) return keep(new RegExp(value.source, value.flags));
  if (kinds.isArrayBuffer(value) || ArrayBuffer.isView(value)) return keep(cloneBytes(value, seen));
  if (kinds.isError(value)) return cloneError(value, seen);
  if (kinds.isWeakMap(value) || kinds.isWeakSet(value) || engine.promise(value) !== undefined) throw refuse(value);
  if (kinds.isMap(value)) {
    const out = keep(new Map());
    for (const [k, v] of [...value]) out.set(clone(k, seen), clone(v, seen));
    return out;
  }
  if (kinds.isSet(value)) {
    const out = keep(new Set());
    for (const v of [...value]) out.add(clone(v, seen));
    return out;
  }
  const out = keep(Array.isArray(value) ? new Array(value.length) : {});
  for (const key of Object.keys(value)) out[key] = clone(value[key], seen);
  return out;
}

function structuredClone(value, options) {
  if (arguments.length === 0) {
    throw require('internal/errors').make(TypeError, 'ERR_MISSING_ARGS', 'The value argument must be specified');
  }
  void options; // a transferred buffer is copied: nothing here detaches one
  return clone(value, new Map());
}

module.exports = { structuredClone };
