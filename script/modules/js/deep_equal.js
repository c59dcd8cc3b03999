'use strict';
// Deep equality, strict and loose, as assert and util compare.

const kinds = require('internal/inspect_kinds');
const own = Function.call.bind(Object.prototype.hasOwnProperty);
const brand = (v) => Object.prototype.toString.call(v);

function sameBytes(a, b) {
  if (a.byteLength !== b.byteLength) return false;
  const x = new Uint8Array(a.buffer || a, a.byteOffset || 0, a.byteLength);
  const y = new Uint8Array(b.buffer || b, b.byteOffset || 0, b.byteLength);
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  return true;
}

function symbolsOf(value) {
  return Object.getOwnPropertySymbols(value).filter((s) => Object.prototype.propertyIsEnumerable.call(value, s));
}

class Comparison {
  constructor(strict) {
    this.strict = strict;
    this.left = new Map();
    this.right = new Map();
  }

  equal(a, b) {
    if (a === b) return a !== 0 || !this.strict || Object.is(a, b);
    if (this.strict) {
      if (typeof a !== 'object' || typeof b !== 'object') return typeof a === 'number' && Number.isNaN(a) && Number.isNaN(b);
      if (a === null || b === null) return false;
      if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
    } else {
      if (a === null || typeof a !== 'object') {
        // eslint-disable-next-line eqeqeq
        return (b === null || typeof b !== 'object') && (a == b || (Number.isNaN(a) && Number.isNaN(b)));
      }
      if (b === null || typeof b !== 'object') return false;
    }
    if (brand(a) !== brand(b)) return false;
    return this.objects(a, b);
  }

  objects(a, b) {
    if (Array.isArray(a)) {
      if (!Array.isArray(b) || a.length !== b.length) return false;
      return this.keyed(a, b, Object.keys(a), Object.keys(b));
    }
    if (!this.sameInside(a, b)) return false;
    let aKeys = Object.keys(a), bKeys = Object.keys(b);
    if (ArrayBuffer.isView(a) || kinds.boxOf(a)) {
      aKeys = aKeys.filter((k) => !/^\d+$/.test(k));
      bKeys = bKeys.filter((k) => !/^\d+$/.test(k));
    }
    return this.keyed(a, b, aKeys, bKeys);
  }

  // sameInside compares what built-in objects hold besides their properties.
  sameInside(a, b) {
    if (kinds.isDate(a)) return kinds.isDate(b) && a.getTime() === b.getTime();
    if (kinds.isRegExp(a)) return kinds.isRegExp(b) && a.source === b.source && a.flags === b.flags && a.lastIndex === b.lastIndex;
    if (kinds.isError(a)) {
      if (!kinds.isError(b) || a.message !== b.message || a.name !== b.name) return false;
      return !this.strict || !(own(a, 'cause') || own(b, 'cause')) || this.equal(a.cause, b.cause);
    }
    if (ArrayBuffer.isView(a)) {
      if (!this.strict && kinds.isTyped(a) && /Float/.test(brand(a))) {
        return a.length === b.length && a.every((v, i) => v === b[i] || (v !== v && b[i] !== b[i]));
      }
      return sameBytes(a, b);
    }
    if (kinds.isSet(a)) return kinds.isSet(b) && a.size === b.size;
    if (kinds.isMap(a)) return kinds.isMap(b) && a.size === b.size;
    if (kinds.isArrayBuffer(a)) return kinds.isArrayBuffer(b) && sameBytes(a, b);
    const box = kinds.boxOf(a), other = kinds.boxOf(b);
    if (box || other) return box !== undefined && box === other && Object.is(box[1].call(a), box[1].call(b));
    if (kinds.isWeakMap(a) || kinds.isWeakSet(a)) return false;
    return true;
  }

  keyed(a, b, aKeys, bKeys) {
    if (aKeys.length !== bKeys.length) return false;
    for (const key of aKeys) if (!own(b, key)) return false;
    if (this.strict) {
      const symbols = symbolsOf(a);
      if (symbols.length !== symbolsOf(b).length) return false;
      for (const s of symbols) if (!Object.prototype.propertyIsEnumerable.call(b, s)) return false;
      aKeys = aKeys.concat(symbols);
    }
    const known = this.left.get(a);
    if (known !== undefined) {
      const other = this.right.get(b);
      if (other !== undefined) return known === other;
    }
    const mark = this.left.size + 1;
    this.left.set(a, mark);
    this.right.set(b, mark);
    const result = this.contents(a, b) && aKeys.every((key) => this.equal(a[key], b[key]));
    this.left.delete(a);
    this.right.delete(b);
    return result;
  }

  contents(a, b) {
    if (kinds.isSet(a)) return this.sets(a, b);
    if (kinds.isMap(a)) return this.maps(a, b);
    return true;
  }

  sets(a, b) {
    const rest = [];
    for (const v of a) if (!b.has(v)) {
      if (this.strict && (typeof v !== 'object' || v === null)) return false;
      rest.push(v);
    }
    if (rest.length === 0) return true;
    const candidates = [...b].filter((v) => !a.has(v));
    return rest.every((v) => this.take(candidates, (c) => this.equal(v, c)));
  }

  maps(a, b) {
    const rest = [];
    for (const [k, v] of a) {
      if (b.has(k)) {
        if (!this.equal(v, b.get(k))) return false;
      } else {
        if (this.strict && (typeof k !== 'object' || k === null)) return false;
        rest.push([k, v]);
      }
    }
    if (rest.length === 0) return true;
    const candidates = [...b].filter(([k]) => !a.has(k));
    return rest.every(([k, v]) => this.take(candidates, (c) => this.equal(k, c[0]) && this.equal(v, c[1])));
  }

  take(candidates, matches) {
    const at = candidates.findIndex(matches);
    if (at < 0) return false;
    candidates.splice(at, 1);
    return true;
  }
}

module.exports = {
  isDeepStrictEqual: (a, b) => new Comparison(true).equal(a, b),
  isDeepEqual: (a, b) => new Comparison(false).equal(a, b),
};
