'use strict';
// The names inspect gives to values: constructor, tag, function and class
// headings, and the first lines of errors.

const { quote } = require('internal/inspect_layout');

const BUILT_IN = new Set(Object.getOwnPropertyNames(globalThis).filter((name) => /^[A-Z][a-zA-Z0-9]+$/.test(name)));
for (const name of ['SharedArrayBuffer', 'WeakRef', 'FinalizationRegistry', 'Atomics', 'Intl', 'WebAssembly']) BUILT_IN.add(name);
for (const name of ['URL', 'URLSearchParams', 'Buffer', 'Event', 'EventTarget', 'AbortController', 'AbortSignal', 'Blob', 'File',
  'FormData', 'Headers', 'Request', 'Response', 'TextEncoder', 'TextDecoder', 'DOMException', 'CustomEvent', 'ReadableStream',
  'WritableStream', 'TransformStream']) BUILT_IN.delete(name);

function isInstance(object, constructor) {
  try { return object instanceof constructor; } catch { return false; }
}

function internalName(value) {
  const text = Object.prototype.toString.call(value);
  if (typeof value === 'function') return 'Function';
  const name = text.slice(8, -1);
  return ['Array', 'Error', 'Date', 'RegExp', 'Map', 'Set', 'Promise'].includes(name) ? name : 'Object';
}

// constructorName is the name of the constructor nearest on the prototype
// chain; null for an object without one. protoProps, when an array, receives
// what prototypes of non built-in classes hold.
function constructorName(value, ctx, recurseTimes, protoProps, tools) {
  let first;
  let at = value;
  while (at) {
    const own = Object.getOwnPropertyDescriptor(at, 'constructor');
    if (own !== undefined && typeof own.value === 'function' && own.value.name !== '' && isInstance(value, own.value)) {
      if (protoProps !== undefined && (first !== at || !BUILT_IN.has(own.value.name))) {
        tools.prototypeProperties(ctx, value, first || value, recurseTimes, protoProps);
      }
      return String(own.value.name);
    }
    at = Object.getPrototypeOf(at);
    if (first === undefined) first = at;
  }
  if (first === null) return null;
  const name = internalName(value);
  if (recurseTimes > ctx.depth && ctx.depth !== null) return `${name} <Complex prototype>`;
  const parent = constructorName(first, ctx, recurseTimes + 1, protoProps, tools);
  if (parent === null) {
    return `${name} <${tools.inspect(first, { ...ctx, customInspect: false, depth: -1 })}>`;
  }
  return `${name} <${parent}>`;
}

function prefix(constructor, tag, fallback, size = '') {
  if (constructor === null) {
    if (tag !== '' && fallback !== tag) return `[${fallback}${size}: null prototype] [${tag}] `;
    return `[${fallback}${size}: null prototype] `;
  }
  if (tag !== '' && constructor !== tag) return `${constructor}${size} [${tag}] `;
  return `${constructor}${size} `;
}

function classHeading(value, constructor, tag) {
  const named = Object.prototype.hasOwnProperty.call(value, 'name');
  let text = `class ${(named && value.name) || '(anonymous)'}`;
  if (constructor !== 'Function' && constructor !== null) text += ` [${constructor}]`;
  if (tag !== '' && constructor !== tag) text += ` [${tag}]`;
  if (constructor === null) return `[${text} extends null]`;
  const parent = Object.getPrototypeOf(value).name;
  return parent ? `[${text} extends ${parent}]` : `[${text}]`;
}

function isClass(value) {
  const source = Function.prototype.toString.call(value);
  if (!source.startsWith('class') || !source.endsWith('}')) return false;
  const body = source.slice(5, -1);
  const brace = body.indexOf('{');
  if (brace < 0) return false;
  return !body.slice(0, brace).includes('(') ||
    /^(\s+[^(]*?)\s*{/.test(body.replace(/(\/\/.*?\n)|(\/\*(.|\n)*?\*\/)/g, ''));
}

function functionHeading(value, constructor, tag) {
  if (isClass(value)) return classHeading(value, constructor, tag);
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  const source = Function.prototype.toString.call(value);
  let type = 'Function';
  if (kind.startsWith('Generator') || kind.startsWith('AsyncGenerator')) type = `Generator${type}`;
  if (kind.startsWith('Async') || /^async\b/.test(source)) type = `Async${type}`;
  let text = `[${type}`;
  if (constructor === null) text += ' (null prototype)';
  text += value.name === '' ? ' (anonymous)' : `: ${typeof value.name === 'string' ? value.name : String(value.name)}`;
  text += ']';
  if (constructor !== type && constructor !== null && constructor !== 'Function') text += ` ${constructor}`;
  if (tag !== '' && constructor !== tag) text += ` [${tag}]`;
  return text;
}

// improveStack makes the first line of a stack name the error's class.
function improveStack(stack, constructor, name, tag) {
  let size = name.length;
  const usual = name.endsWith('Error') && stack.startsWith(name) &&
    (stack.length === size || stack[size] === ':' || stack[size] === '\n');
  if (constructor !== null && !usual) return stack;
  let fallback = 'Error';
  if (constructor === null) {
    const start = /^([A-Z][a-z_ A-Z0-9[\]()-]+)(?::|\n\s+at)/.exec(stack) || /^([a-z_A-Z0-9-]*Error)$/.exec(stack);
    fallback = (start && start[1]) || '';
    size = fallback.length;
    fallback = fallback || 'Error';
  }
  const heading = prefix(constructor, tag, fallback).slice(0, -1);
  if (name === heading) return stack;
  if (!heading.includes(name)) return `${heading} [${name}]${stack.slice(size)}`;
  return size === 0 ? `${heading}: ${stack}` : `${heading}${stack.slice(size)}`;
}

const ENGINE_FRAME = /\n\tat ([^\n]*?)(?::(\d+):(\d+)\(\d+\)(\)?)|\(native\))(?=\n|$)/g;

// nodeFrames rewrites the frame lines of the engine as Node writes them, and
// leaves out those of the engine and of this layer. Other text stays: a stack
// trace of Java, say, begins its lines alike.
function nodeFrames(stack) {
  if (!stack.includes('\n\tat ')) return stack;
  let found = false;
  const text = stack.replace(ENGINE_FRAME, (_, place, line, column, close) => {
    found = true;
    if (line === undefined || place.includes('brigade:')) return '';
    return `\n    at ${place}:${line}:${column}${close}`;
  });
  return found && text.endsWith('\n') ? text.slice(0, -1) : text;
}

function stackOf(err) {
  let stack;
  try { stack = err.stack; } catch { /* a getter that throws */ }
  return stack ? nodeFrames(String(stack)).replace(/\n$/, '') : Error.prototype.toString.call(err);
}

function errorText(err, constructor, tag, ctx, keys) {
  const name = err.name != null ? String(err.name) : 'Error';
  let stack = stackOf(err);
  if (!ctx.showHidden && keys.length !== 0) {
    for (const key of ['name', 'message', 'stack']) {
      const at = keys.indexOf(key);
      if (at >= 0 && (typeof err[key] !== 'string' || stack.includes(err[key]))) keys.splice(at, 1);
    }
  }
  if ('cause' in err && !keys.includes('cause')) keys.push('cause');
  if (Array.isArray(err.errors) && !keys.includes('errors')) keys.push('errors');
  stack = improveStack(stack, constructor, name, tag);
  const message = typeof err.message === 'string' ? err.message : '';
  let from = (message && stack.indexOf(message)) || -1;
  if (from !== -1) from += message.length;
  const frames = stack.indexOf('\n    at', from);
  if (frames === -1) stack = `[${stack}]`;
  if (ctx.indentationLvl !== 0) stack = stack.replace(/\n/g, `\n${' '.repeat(ctx.indentationLvl)}`);
  return stack;
}

function keyName(key, desc, stylize) {
  if (typeof key === 'symbol') return `[${stylize(String(key).replace(/[\x00-\x1f\x7f-\x9f]/g, (c) => quote(c).slice(1, -1)), 'symbol')}]`;
  if (key === '__proto__') return "['__proto__']";
  if (desc.enumerable === false) return `[${key.replace(/[\x00-\x1f\x7f-\x9f\\']/g, (c) => quote(c).slice(1, -1))}]`;
  if (/^[a-zA-Z_][a-zA-Z_0-9]*$/.test(key)) return stylize(key, 'name');
  return stylize(quote(key), 'string');
}

module.exports = { BUILT_IN, constructorName, prefix, functionHeading, errorText, keyName, nodeFrames, stackOf };
