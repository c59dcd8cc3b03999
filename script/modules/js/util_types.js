'use strict';
// util.types: what kind of built-in a value really is.

const kinds = require('internal/inspect_kinds');
const object = (v) => v !== null && (typeof v === 'object' || typeof v === 'function');
const brand = (v) => Object.prototype.toString.call(v);
const box = (v) => (object(v) ? kinds.boxOf(v) : undefined);
const typed = (name) => (v) => object(v) && kinds.typedTag.call(v) === name;

const types = {
  isExternal: () => false,
  isDate: (v) => object(v) && kinds.isDate(v),
  isArgumentsObject: (v) => object(v) && v[Symbol.toStringTag] === undefined && brand(v) === '[object Arguments]',
  isBigIntObject: (v) => (box(v) || [])[0] === 'BigInt',
  isBooleanObject: (v) => (box(v) || [])[0] === 'Boolean',
  isNumberObject: (v) => (box(v) || [])[0] === 'Number',
  isStringObject: (v) => (box(v) || [])[0] === 'String',
  isSymbolObject: (v) => (box(v) || [])[0] === 'Symbol',
  isBoxedPrimitive: (v) => box(v) !== undefined,
  isNativeError: (v) => object(v) && engine.proxy(v) === undefined && kinds.isError(v),
  isRegExp: (v) => object(v) && kinds.isRegExp(v),
  isAsyncFunction: (v) => typeof v === 'function' && /^async\b/.test(Function.prototype.toString.call(v)),
  isGeneratorFunction: (v) => typeof v === 'function' && /Generator/.test(brand(v)),
  isGeneratorObject: (v) => object(v) && /Generator\]$/.test(brand(v)),
  isPromise: (v) => object(v) && engine.promise(v) !== undefined,
  isMap: (v) => object(v) && kinds.isMap(v),
  isSet: (v) => object(v) && kinds.isSet(v),
  isMapIterator: (v) => brand(v) === '[object Map Iterator]',
  isSetIterator: (v) => brand(v) === '[object Set Iterator]',
  isWeakMap: (v) => object(v) && kinds.isWeakMap(v),
  isWeakSet: (v) => object(v) && kinds.isWeakSet(v),
  isArrayBuffer: (v) => object(v) && kinds.isArrayBuffer(v),
  isAnyArrayBuffer: (v) => object(v) && kinds.isArrayBuffer(v),
  isSharedArrayBuffer: () => false,
  isDataView: (v) => object(v) && kinds.isDataView(v),
  isArrayBufferView: (v) => ArrayBuffer.isView(v),
  isProxy: (v) => object(v) && engine.proxy(v) !== undefined,
  isModuleNamespaceObject: () => false,
  isCryptoKey: (v) => object(v) && brand(v) === '[object CryptoKey]',
  isKeyObject: (v) => object(v) && v.constructor !== undefined && v.constructor.name === 'KeyObject',
  isTypedArray: (v) => object(v) && kinds.typedTag.call(v) !== undefined,
};
for (const name of ['Uint8Array', 'Uint8ClampedArray', 'Uint16Array', 'Uint32Array', 'Int8Array', 'Int16Array', 'Int32Array',
  'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array']) {
  types[`is${name}`] = typed(name);
}
for (const name of Object.keys(types)) Object.defineProperty(types[name], 'name', { value: name });

module.exports = types;
