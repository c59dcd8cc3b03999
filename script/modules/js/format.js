'use strict';
// util.format: printf-like text out of any values.

let inspectModule;
const inspect = (value, options) => (inspectModule = inspectModule || require('internal/inspect')).inspect(value, options);
const numberText = (n) => (inspectModule = inspectModule || require('internal/inspect')).numberText(n, false);

function hasBuiltInToString(value) {
  const proxy = engine.proxy(value);
  if (proxy !== undefined) {
    if (proxy[0] === null) return true;
    value = proxy[0];
  }
  if (typeof value.toString !== 'function') return true;
  if (Object.prototype.hasOwnProperty.call(value, 'toString')) return false;
  let at = value;
  do { at = Object.getPrototypeOf(at); } while (!Object.prototype.hasOwnProperty.call(at, 'toString'));
  const own = Object.getOwnPropertyDescriptor(at, 'constructor');
  return own !== undefined && typeof own.value === 'function' && require('internal/inspect_names').BUILT_IN.has(own.value.name);
}

function json(value) {
  try {
    return JSON.stringify(value);
  } catch (err) {
    if (/circular/i.test(err.message)) return '[Circular]';
    throw err;
  }
}

const FORMATS = {
  s(arg, options) {
    if (typeof arg === 'number') return numberText(arg);
    if (typeof arg === 'bigint') return `${arg}n`;
    if (typeof arg !== 'object' || arg === null || !hasBuiltInToString(arg)) return String(arg);
    return inspect(arg, { ...options, depth: 0, colors: false, compact: 3 });
  },
  d(arg) {
    if (typeof arg === 'bigint') return `${arg}n`;
    return typeof arg === 'symbol' ? 'NaN' : numberText(Number(arg));
  },
  i(arg) {
    if (typeof arg === 'bigint') return `${arg}n`;
    return typeof arg === 'symbol' ? 'NaN' : numberText(parseInt(arg, 10));
  },
  f(arg) { return typeof arg === 'symbol' ? 'NaN' : numberText(parseFloat(arg)); },
  j(arg) { return json(arg); },
  O(arg, options) { return inspect(arg, options); },
  o(arg, options) { return inspect(arg, { ...options, showHidden: true, showProxy: true, depth: 4 }); },
  c() { return ''; },
};

function formatWithOptions(options, ...args) {
  const first = args[0];
  if (args.length === 0) return '';
  let text = '', used = 0;
  if (typeof first === 'string') {
    if (args.length === 1) return first;
    used = 1;
    text = first.includes('%') ? first.replace(/%([sdifjoOc%])/g, (match, letter) => {
      if (letter === '%') return '%';
      if (used >= args.length) return match;
      return FORMATS[letter](args[used++], options);
    }) : first;
    if (used >= args.length) return text;
  }
  const rest = args.slice(used).map((arg) => (typeof arg === 'string' ? arg : inspect(arg, { ...options, compact: 3, depth: options && options.depth !== undefined ? options.depth : 2 })));
  return used > 0 ? [text, ...rest].join(' ') : rest.join(' ');
}

module.exports = {
  format(...args) { return formatWithOptions(undefined, ...args); },
  formatWithOptions,
};
