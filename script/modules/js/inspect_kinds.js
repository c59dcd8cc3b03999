'use strict';
// What each kind of value shows of itself: its braces, its heading, its
// elements and which of its keys follow.

const names = require('internal/inspect_names');

const TypedArray = Object.getPrototypeOf(Uint8Array);
const typedTag = Object.getOwnPropertyDescriptor(TypedArray.prototype, Symbol.toStringTag).get;
const mapSize = Object.getOwnPropertyDescriptor(Map.prototype, 'size').get;
const setSize = Object.getOwnPropertyDescriptor(Set.prototype, 'size').get;
const bufferSize = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength').get;
const viewSize = Object.getOwnPropertyDescriptor(DataView.prototype, 'byteLength').get;
const regexpSource = Object.getOwnPropertyDescriptor(RegExp.prototype, 'source').get;

function flagsOf(regexp) {
  return ['dhasIndices', 'gglobal', 'iignoreCase', 'mmultiline', 'sdotAll', 'uunicode', 'ysticky'].filter((flag) => {
    const desc = Object.getOwnPropertyDescriptor(RegExp.prototype, flag.slice(1));
    return desc !== undefined && desc.get.call(regexp);
  }).map((flag) => flag[0]).join('');
}

// is tells whether probe runs on value: built-in methods throw on what is not
// of their kind.
function is(probe, value, ...args) {
  try { probe.call(value, ...args); return true; } catch { return false; }
}

const isMap = (v) => is(mapSize, v);
const isSet = (v) => is(setSize, v);
const isTyped = (v) => typedTag.call(v) !== undefined;
const isDate = (v) => is(Date.prototype.getTime, v);
const isRegExp = (v) => v !== RegExp.prototype && is(regexpSource, v);
const isArrayBuffer = (v) => is(bufferSize, v);
const isDataView = (v) => is(viewSize, v);
const isWeakMap = (v) => is(WeakMap.prototype.has, v, {});
const isWeakSet = (v) => is(WeakSet.prototype.has, v, {});
const isError = (v) => v instanceof Error || Object.prototype.toString.call(v) === '[object Error]';

const BOXES = [
  ['Number', Number.prototype.valueOf], ['String', String.prototype.valueOf], ['Boolean', Boolean.prototype.valueOf],
  ['BigInt', BigInt.prototype.valueOf], ['Symbol', Symbol.prototype.valueOf],
];
function boxOf(value) {
  return BOXES.find(([, valueOf]) => is(valueOf, value));
}

function emptyItems(ctx, count) {
  return ctx.stylize(`<${count} empty item${count > 1 ? 's' : ''}>`, 'undefined');
}

function sparseParts(ctx, value, depth, limit, output, at, tools) {
  let index = at;
  for (const key of Object.keys(value).slice(at)) {
    if (output.length >= limit || !/^(0|[1-9]\d*)$/.test(key) || Number(key) > 2 ** 32 - 2) break;
    if (`${index}` !== key) {
      output.push(emptyItems(ctx, Number(key) - index));
      index = Number(key);
      if (output.length === limit) break;
    }
    output.push(tools.formatProperty(ctx, value, depth, key, 1));
    index++;
  }
  const rest = value.length - index;
  if (rest > 0) output.push(output.length !== limit ? emptyItems(ctx, rest) : `... ${tools.plural(rest, 'more item')}`);
  return output;
}

function arrayParts(ctx, value, depth, tools) {
  const limit = Math.min(Math.max(0, ctx.maxArrayLength), value.length);
  const output = [];
  for (let i = 0; i < limit; i++) {
    if (!tools.own(value, i)) return sparseParts(ctx, value, depth, limit, output, i, tools);
    output.push(tools.formatProperty(ctx, value, depth, i, 1));
  }
  const rest = value.length - limit;
  if (rest > 0) output.push(`... ${tools.plural(rest, 'more item')}`);
  return output;
}

function typedParts(ctx, value, depth, tools) {
  const limit = Math.min(Math.max(0, ctx.maxArrayLength), value.length);
  const output = [];
  for (let i = 0; i < limit; i++) output.push(tools.formatPrimitive(ctx.stylize, value[i], ctx));
  if (value.length > limit) output.push(`... ${tools.plural(value.length - limit, 'more item')}`);
  if (ctx.showHidden) {
    ctx.indentationLvl += 2;
    for (const key of ['BYTES_PER_ELEMENT', 'length', 'byteLength', 'byteOffset', 'buffer']) {
      output.push(`[${key}]: ${tools.formatValue(ctx, value[key], depth, true)}`);
    }
    ctx.indentationLvl -= 2;
  }
  return output;
}

function collectionParts(ctx, iterable, size, show, tools) {
  const limit = Math.min(Math.max(0, ctx.maxArrayLength), size);
  const output = [];
  ctx.indentationLvl += 2;
  for (const entry of iterable) {
    if (output.length >= limit) break;
    output.push(show(entry));
  }
  if (size > limit) output.push(`... ${tools.plural(size - limit, 'more item')}`);
  ctx.indentationLvl -= 2;
  return output;
}

function bytesPart(ctx, value, tools) {
  const bytes = new Uint8Array(value);
  const shown = Array.from(bytes.subarray(0, Math.min(ctx.maxArrayLength, bytes.length)), (b) => (b < 16 ? '0' : '') + b.toString(16));
  let text = shown.join(' ');
  const rest = bytes.length - ctx.maxArrayLength;
  if (rest > 0) text += ` ... ${tools.plural(rest, 'more byte')}`;
  return [`${ctx.stylize('[Uint8Contents]', 'special')}: <${text}>`];
}

function promiseParts(ctx, details, depth, tools) {
  const [state, result] = details;
  if (state === 'pending') return [ctx.stylize('<pending>', 'special')];
  ctx.indentationLvl += 2;
  const text = tools.formatValue(ctx, result, depth);
  ctx.indentationLvl -= 2;
  return [state === 'rejected' ? `${ctx.stylize('<rejected>', 'special')} ${text}` : text];
}

function arrayShape(ctx, value, o) {
  const { constructor, tag, tools } = o;
  const prefix = constructor !== 'Array' || tag !== '' ? names.prefix(constructor, tag, 'Array', `(${value.length})`) : '';
  const keys = tools.nonIndexKeys(value, ctx.showHidden);
  if (value.length === 0 && keys.length === 0 && o.protoProps === undefined) return `${prefix}[]`;
  return { base: '', braces: [`${prefix}[`, ']'], keys, isArray: true, parts: (depth) => arrayParts(ctx, value, depth, tools) };
}

function typedShape(ctx, value, o) {
  const { constructor, tag, tools } = o;
  const keys = tools.nonIndexKeys(value, ctx.showHidden);
  const fallback = constructor === null ? typedTag.call(value) : '';
  const bound = constructor === null ? new globalThis[fallback](value) : value;
  const prefix = names.prefix(constructor, tag, fallback, `(${bound.length})`);
  if (bound.length === 0 && keys.length === 0 && !ctx.showHidden) return `${prefix}[]`;
  return { base: '', braces: [`${prefix}[`, ']'], keys, isArray: true, parts: (depth) => typedParts(ctx, bound, depth, tools) };
}

function collectionShape(ctx, value, o, kind) {
  const { constructor, tag, tools } = o;
  const size = (kind === 'Map' ? mapSize : setSize).call(value);
  const prefix = names.prefix(constructor, tag, kind, `(${size})`);
  const keys = tools.keysOf(value, ctx.showHidden);
  if (size === 0 && keys.length === 0 && o.protoProps === undefined) return `${prefix}{}`;
  const entries = (kind === 'Map' ? Map.prototype.entries : Set.prototype.values).call(value);
  return {
    base: '', braces: [`${prefix}{`, '}'], keys,
    parts: (depth) => collectionParts(ctx, entries, size, (entry) => (kind === 'Map' ?
      `${tools.formatValue(ctx, entry[0], depth)} => ${tools.formatValue(ctx, entry[1], depth)}` :
      tools.formatValue(ctx, entry, depth)), tools),
  };
}

function boxShape(ctx, value, o, keys, box) {
  const { constructor, tag, tools } = o;
  const [type, valueOf] = box;
  if (type === 'String') keys.splice(0, String.prototype.valueOf.call(value).length);
  let base = `[${type}`;
  if (type !== constructor) base += constructor === null ? ' (null prototype)' : ` (${constructor})`;
  base += `: ${tools.formatPrimitive(tools.plain, valueOf.call(value), ctx)}]`;
  if (tag !== '' && tag !== constructor) base += ` [${tag}]`;
  if (keys.length !== 0 || ctx.stylize === tools.plain) return base;
  return ctx.stylize(base, type.toLowerCase());
}

// headed is the shape of what has a heading and shows braces only when it has
// keys of its own.
function headed(base, keys, o) {
  if (keys.length === 0 && o.protoProps === undefined) return base;
  return { base, braces: ['{', '}'], keys };
}

function binaryShape(ctx, value, o, keys) {
  const { constructor, tag, tools } = o;
  if (isArrayBuffer(value)) {
    const prefix = names.prefix(constructor, tag, 'ArrayBuffer');
    if (o.inTypedArray !== undefined && keys.length === 0 && o.protoProps === undefined) {
      return `${prefix}{ byteLength: ${ctx.stylize(`${value.byteLength}`, 'number')} }`;
    }
    keys.unshift('byteLength');
    return { base: '', braces: [`${prefix}{`, '}'], keys, parts: o.inTypedArray === undefined ? () => bytesPart(ctx, value, tools) : undefined };
  }
  keys.unshift('byteLength', 'byteOffset', 'buffer');
  return { base: '', braces: [`${names.prefix(constructor, tag, 'DataView')}{`, '}'], keys };
}

function datedShape(ctx, value, o, keys) {
  const { constructor, tag } = o;
  const date = isDate(value);
  let base;
  if (date) base = Number.isNaN(Date.prototype.getTime.call(value)) ? Date.prototype.toString.call(value) : Date.prototype.toISOString.call(value);
  else base = (constructor !== null ? RegExp.prototype.toString.call(value) : `/${regexpSource.call(value)}/${flagsOf(value)}`).replace(/\\u002f/g, '\\/');
  const kind = date ? 'Date' : 'RegExp';
  const prefix = names.prefix(constructor, tag, kind);
  if (prefix !== `${kind} `) base = `${prefix}${base}`;
  const deep = !date && o.recurseTimes > ctx.depth && ctx.depth !== null;
  if (deep || (keys.length === 0 && o.protoProps === undefined)) return ctx.stylize(base, date ? 'date' : 'regexp');
  return { base, braces: ['{', '}'], keys };
}

function objectShape(ctx, value, o, keys, promise) {
  const { constructor, tag, tools } = o;
  if (promise !== undefined) {
    return { base: '', braces: [`${names.prefix(constructor, tag, 'Promise')}{`, '}'], keys, parts: (depth) => promiseParts(ctx, promise, depth, tools) };
  }
  const weak = isWeakSet(value) ? 'WeakSet' : isWeakMap(value) ? 'WeakMap' : '';
  if (weak) {
    return { base: '', braces: [`${names.prefix(constructor, tag, weak)}{`, '}'], keys, parts: () => [ctx.stylize('<items unknown>', 'special')] };
  }
  const box = boxOf(value);
  if (box !== undefined) {
    const base = boxShape(ctx, value, o, keys, box);
    return headed(base, keys, o);
  }
  const prefix = names.prefix(constructor, tag, 'Object');
  if (keys.length === 0 && o.protoProps === undefined) return `${prefix}{}`;
  return { base: '', braces: [`${prefix}{`, '}'], keys };
}

// shapeOf returns the whole text of values that are a word or two, and
// otherwise {base, braces, keys, isArray, parts}.
function shapeOf(ctx, value, o) {
  const { constructor, tag, tools } = o;
  if (Array.isArray(value)) return arrayShape(ctx, value, o);
  if (isTyped(value)) return typedShape(ctx, value, o);
  if (constructor === null || Symbol.iterator in value) {
    if (isSet(value)) return collectionShape(ctx, value, o, 'Set');
    if (isMap(value)) return collectionShape(ctx, value, o, 'Map');
  }
  const keys = tools.keysOf(value, ctx.showHidden);
  const kind = tools.brand(value);
  if (kind === '[object Arguments]' && constructor === 'Object' && tag === '') return { base: '', braces: ['[Arguments] {', '}'], keys };
  if (typeof value === 'function') {
    const base = names.functionHeading(value, constructor, tag);
    return keys.length === 0 && o.protoProps === undefined ? ctx.stylize(base, 'special') : { base, braces: [`{`, '}'], keys };
  }
  if (constructor === 'Object' && tag === '' && kind === '[object Object]') {
    if (keys.length === 0 && o.protoProps === undefined) return '{}';
    return { base: '', braces: ['{', '}'], keys };
  }
  if (isError(value)) return headed(names.errorText(value, constructor, tag, ctx, keys), keys, o);
  if (isDate(value) || isRegExp(value)) return datedShape(ctx, value, o, keys);
  if (isArrayBuffer(value) || isDataView(value)) return binaryShape(ctx, value, o, keys);
  if (constructor === 'Object' && (kind === '[object Object]' || tag !== '') && boxOf(value) === undefined) {
    const prefix = tag !== '' ? names.prefix(constructor, tag, 'Object') : '';
    if (keys.length === 0 && o.protoProps === undefined) return `${prefix}{}`;
    return { base: '', braces: [`${prefix}{`, '}'], keys };
  }
  return objectShape(ctx, value, o, keys, engine.promise(value));
}

module.exports = { shapeOf, is, isMap, isSet, isTyped, isDate, isRegExp, isArrayBuffer, isDataView, isWeakMap, isWeakSet, isError, boxOf, typedTag };
