'use strict';
// util.inspect: the text of any value, laid out as Node lays it out.

const layout = require('internal/inspect_layout');
const names = require('internal/inspect_names');

const custom = Symbol.for('nodejs.util.inspect.custom');
const own = Function.call.bind(Object.prototype.hasOwnProperty);
const brand = Function.call.bind(Object.prototype.toString);

const DEFAULTS = Object.seal({
  showHidden: false, depth: 2, colors: false, customInspect: true, showProxy: false, maxArrayLength: 100,
  maxStringLength: 10000, breakLength: 80, compact: 3, sorted: false, getters: false, numericSeparator: false,
});

function pair(open, close) { return [open, close]; }

const COLORS = Object.assign(Object.create(null), {
  reset: pair(0, 0), bold: pair(1, 22), dim: pair(2, 22), italic: pair(3, 23), underline: pair(4, 24), blink: pair(5, 25),
  inverse: pair(7, 27), hidden: pair(8, 28), strikethrough: pair(9, 29), doubleunderline: pair(21, 24), black: pair(30, 39),
  red: pair(31, 39), green: pair(32, 39), yellow: pair(33, 39), blue: pair(34, 39), magenta: pair(35, 39), cyan: pair(36, 39),
  white: pair(37, 39), bgBlack: pair(40, 49), bgRed: pair(41, 49), bgGreen: pair(42, 49), bgYellow: pair(43, 49),
  bgBlue: pair(44, 49), bgMagenta: pair(45, 49), bgCyan: pair(46, 49), bgWhite: pair(47, 49), framed: pair(51, 54),
  overlined: pair(53, 55), gray: pair(90, 39), redBright: pair(91, 39), greenBright: pair(92, 39), yellowBright: pair(93, 39),
  blueBright: pair(94, 39), magentaBright: pair(95, 39), cyanBright: pair(96, 39), whiteBright: pair(97, 39),
  bgGray: pair(100, 49), bgRedBright: pair(101, 49), bgGreenBright: pair(102, 49), bgYellowBright: pair(103, 49),
  bgBlueBright: pair(104, 49), bgMagentaBright: pair(105, 49), bgCyanBright: pair(106, 49), bgWhiteBright: pair(107, 49),
});
for (const [alias, name] of Object.entries({ grey: 'gray', blackBright: 'gray', bgGrey: 'bgGray', bgBlackBright: 'bgGray',
  crossedOut: 'strikethrough', strikeThrough: 'strikethrough', faint: 'dim', conceal: 'hidden', swapColors: 'inverse',
  swapcolors: 'inverse', doubleUnderline: 'doubleunderline' })) {
  Object.defineProperty(COLORS, alias, {
    get() { return this[name]; }, set(v) { this[name] = v; }, configurable: true, enumerable: false,
  });
}

const STYLES = Object.assign(Object.create(null), {
  special: 'cyan', number: 'yellow', bigint: 'yellow', boolean: 'yellow', undefined: 'grey', null: 'bold', string: 'green',
  symbol: 'green', date: 'magenta', regexp: 'red', module: 'underline',
});

function plain(text) { return text; }

function coloured(text, style) {
  const name = STYLES[style];
  const codes = name === undefined ? undefined : COLORS[name];
  return codes === undefined ? text : `\u001b[${codes[0]}m${text}\u001b[${codes[1]}m`;
}

function inspect(value, opts) {
  const ctx = {
    budget: {}, indentationLvl: 0, seen: [], currentDepth: 0, stylize: plain, ...DEFAULTS,
  };
  if (arguments.length > 1) {
    if (arguments.length > 2) {
      if (arguments[2] !== undefined) ctx.depth = arguments[2];
      if (arguments.length > 3 && arguments[3] !== undefined) ctx.colors = arguments[3];
    }
    if (typeof opts === 'boolean') ctx.showHidden = opts;
    else if (opts) {
      for (const key of Object.keys(opts)) {
        if (own(DEFAULTS, key) || key === 'stylize') ctx[key] = opts[key];
        else if (ctx.userOptions === undefined) ctx.userOptions = opts;
      }
    }
  }
  if (ctx.colors) ctx.stylize = coloured;
  if (ctx.maxArrayLength === null) ctx.maxArrayLength = Infinity;
  if (ctx.maxStringLength === null) ctx.maxStringLength = Infinity;
  return formatValue(ctx, value, 0);
}

function optionsFor(ctx) {
  const options = { stylize: ctx.stylize };
  for (const key of Object.keys(DEFAULTS)) options[key] = ctx[key];
  return ctx.userOptions === undefined ? options : { ...options, ...ctx.userOptions };
}

function separated(text) {
  const sign = text[0] === '-' ? '-' : '';
  return sign + text.slice(sign.length).replace(/\B(?=(\d{3})+$)/g, '_');
}

function numberText(value, separate) {
  if (!separate && Object.is(value, -0)) return '-0';
  const text = `${value}`;
  if (!separate || !Number.isFinite(value) || text.includes('e')) return text;
  const [whole, fraction] = text.split('.');
  if (fraction === undefined) return separated(whole);
  return `${separated(whole)}.${fraction.replace(/(\d{3})(?=\d)/g, '$1_')}`;
}

function plural(count, what) { return `${count} ${what}${count > 1 ? 's' : ''}`; }

function formatPrimitive(stylize, value, ctx) {
  switch (typeof value) {
    case 'string': {
      let trailer = '';
      if (value.length > ctx.maxStringLength) {
        const rest = value.length - ctx.maxStringLength;
        value = value.slice(0, ctx.maxStringLength);
        trailer = `... ${plural(rest, 'more character')}`;
      }
      if (ctx.compact !== true && value.length > 16 && value.length > ctx.breakLength - ctx.indentationLvl - 4) {
        const lines = value.match(/[^\n]*\n|[^\n]+/g) || [value];
        return lines.map((line) => stylize(layout.quote(line), 'string')).join(` +\n${' '.repeat(ctx.indentationLvl + 2)}`) + trailer;
      }
      return stylize(layout.quote(value), 'string') + trailer;
    }
    case 'number': return stylize(numberText(value, ctx.numericSeparator), 'number');
    case 'bigint': return stylize(`${ctx.numericSeparator ? separated(`${value}`) : value}n`, 'bigint');
    case 'boolean': return stylize(`${value}`, 'boolean');
    case 'undefined': return stylize('undefined', 'undefined');
    default: return stylize(String(value), 'symbol');
  }
}

function formatValue(ctx, value, recurseTimes, inTypedArray) {
  if ((typeof value !== 'object' && typeof value !== 'function')) return formatPrimitive(ctx.stylize, value, ctx);
  if (value === null) return ctx.stylize('null', 'null');
  const context = value;
  let proxy = engine.proxy(value);
  if (proxy !== undefined) {
    if (proxy[0] === null) return ctx.stylize('<Revoked Proxy>', 'special');
    if (ctx.showProxy) return formatProxy(ctx, proxy, recurseTimes);
    while (proxy !== undefined && proxy[0] !== null) {
      value = proxy[0];
      proxy = engine.proxy(value);
    }
    if (proxy !== undefined) return ctx.stylize('<Revoked Proxy>', 'special');
  }
  if (ctx.customInspect) {
    const method = value[custom];
    if (typeof method === 'function' && method !== inspect && !(value.constructor && value.constructor.prototype === value)) {
      const depth = ctx.depth === null ? null : ctx.depth - recurseTimes;
      const result = method.call(context, depth, optionsFor(ctx), inspect);
      if (result !== context) {
        if (typeof result !== 'object') return `${String(result)}`;
        return formatValue(ctx, result, recurseTimes).replace(/\n/g, `\n${' '.repeat(ctx.indentationLvl)}`);
      }
    }
  }
  if (ctx.seen.includes(value)) {
    if (ctx.circular === undefined) ctx.circular = new Map();
    let index = ctx.circular.get(value);
    if (index === undefined) ctx.circular.set(value, index = ctx.circular.size + 1);
    return ctx.stylize(`[Circular *${index}]`, 'special');
  }
  return formatRaw(ctx, value, recurseTimes, inTypedArray);
}

function formatProxy(ctx, proxy, recurseTimes) {
  if (recurseTimes > ctx.depth && ctx.depth !== null) return ctx.stylize('Proxy [Array]', 'special');
  recurseTimes++;
  ctx.indentationLvl += 2;
  const parts = [formatValue(ctx, proxy[0], recurseTimes), formatValue(ctx, proxy[1], recurseTimes)];
  ctx.indentationLvl -= 2;
  return layout.assemble(ctx, parts, '', ['Proxy [', ']'], true, recurseTimes);
}

function keysOf(value, showHidden) {
  const symbols = Object.getOwnPropertySymbols(value);
  if (showHidden) {
    const keys = Object.getOwnPropertyNames(value);
    return symbols.length > 0 ? keys.concat(symbols) : keys;
  }
  const keys = Object.keys(value);
  return symbols.length > 0 ? keys.concat(symbols.filter((s) => Object.prototype.propertyIsEnumerable.call(value, s))) : keys;
}

function nonIndexKeys(value, showHidden) {
  const keys = keysOf(value, showHidden);
  let i = 0;
  while (i < keys.length && typeof keys[i] === 'string' && /^(0|[1-9]\d*)$/.test(keys[i]) && Number(keys[i]) < 2 ** 32 - 1) i++;
  const rest = i === 0 ? keys : keys.slice(i);
  if (rest[0] === 'input' && rest[1] === 'index') rest.splice(0, 2, 'index', 'input'); // a match, whose order is another one in the engine
  return rest;
}

function toStringTag(value, ctx) {
  const tag = value[Symbol.toStringTag];
  if (typeof tag !== 'string' || tag === '') return '';
  const mine = ctx.showHidden ? own(value, Symbol.toStringTag) : Object.prototype.propertyIsEnumerable.call(value, Symbol.toStringTag);
  return mine ? '' : tag;
}

function formatRaw(ctx, value, recurseTimes, inTypedArray) {
  let protoProps;
  if (ctx.showHidden && (recurseTimes <= ctx.depth || ctx.depth === null)) protoProps = [];
  const constructor = names.constructorName(value, ctx, recurseTimes, protoProps, tools);
  if (protoProps !== undefined && protoProps.length === 0) protoProps = undefined;
  const shape = require('internal/inspect_kinds').shapeOf(ctx, value, {
    constructor, tag: toStringTag(value, ctx), recurseTimes, inTypedArray, protoProps, tools,
  });
  if (typeof shape === 'string') return shape;
  if (recurseTimes > ctx.depth && ctx.depth !== null) {
    let name = names.prefix(constructor, toStringTag(value, ctx), Array.isArray(value) ? 'Array' : 'Object').slice(0, -1);
    if (constructor !== null) name = `[${name}]`;
    return ctx.stylize(name, 'special');
  }
  recurseTimes++;
  ctx.seen.push(value);
  ctx.currentDepth = recurseTimes;
  const output = shape.parts ? shape.parts(recurseTimes) : [];
  for (const key of shape.keys) output.push(formatProperty(ctx, value, recurseTimes, key, shape.isArray ? 2 : 0));
  if (protoProps !== undefined) output.push(...protoProps);
  let { base, braces } = shape;
  const index = ctx.circular === undefined ? undefined : ctx.circular.get(value);
  if (index !== undefined) {
    const reference = ctx.stylize(`<ref *${index}>`, 'special');
    if (ctx.compact !== true) base = base === '' ? reference : `${reference} ${base}`;
    else braces = [`${reference} ${braces[0]}`, braces[1]];
  }
  ctx.seen.pop();
  sortOutput(ctx, output, shape);
  const text = layout.assemble(ctx, output, base, braces, shape.isArray, recurseTimes, value);
  const spent = (ctx.budget[ctx.indentationLvl] || 0) + text.length;
  ctx.budget[ctx.indentationLvl] = spent;
  if (spent > 2 ** 27) ctx.depth = -1;
  return text;
}

function sortOutput(ctx, output, shape) {
  if (!ctx.sorted) return;
  const order = ctx.sorted === true ? undefined : ctx.sorted;
  if (!shape.isArray) output.sort(order);
  else if (shape.keys.length > 1) {
    const at = output.length - shape.keys.length;
    output.splice(at, shape.keys.length, ...output.slice(at).sort(order));
  }
}

function getterText(ctx, desc, original, recurseTimes) {
  const label = desc.set !== undefined ? 'Getter/Setter' : 'Getter';
  const s = ctx.stylize;
  const wanted = ctx.getters === true || (ctx.getters === 'get' && desc.set === undefined) || (ctx.getters === 'set' && desc.set !== undefined);
  if (!ctx.getters || !wanted) return s(`[${label}]`, 'special');
  try {
    const value = desc.get.call(original);
    ctx.indentationLvl += 2;
    let text;
    if (value === null) text = `${s(`[${label}:`, 'special')} ${s('null', 'null')}${s(']', 'special')}`;
    else if (typeof value === 'object') text = `${s(`[${label}]`, 'special')} ${formatValue(ctx, value, recurseTimes)}`;
    else text = `${s(`[${label}:`, 'special')} ${formatPrimitive(s, value, ctx)}${s(']', 'special')}`;
    ctx.indentationLvl -= 2;
    return text;
  } catch (err) {
    return `${s(`[${label}:`, 'special')} <Inspection threw (${err.message})>${s(']', 'special')}`;
  }
}

// formatProperty is "key: value"; kind 1 is an array's element, without key.
function formatProperty(ctx, value, recurseTimes, key, kind, desc, original = value) {
  let text, gap = ' ';
  desc = desc || Object.getOwnPropertyDescriptor(value, key) || { value: value[key], configurable: true, enumerable: true };
  if (desc.value !== undefined) {
    const step = ctx.compact !== true || kind !== 0 ? 2 : 3;
    ctx.indentationLvl += step;
    text = formatValue(ctx, desc.value, recurseTimes);
    if (step === 3 && ctx.breakLength < layout.width(text, ctx.colors)) gap = `\n${' '.repeat(ctx.indentationLvl)}`;
    ctx.indentationLvl -= step;
  } else if (desc.get !== undefined) text = getterText(ctx, desc, original, recurseTimes);
  else if (desc.set !== undefined) text = ctx.stylize('[Setter]', 'special');
  else text = ctx.stylize('undefined', 'undefined');
  return kind === 1 ? text : `${names.keyName(key, desc, ctx.stylize)}:${gap}${text}`;
}

function prototypeProperties(ctx, main, object, recurseTimes, output) {
  const shown = new Set();
  for (let depth = 0; depth < 3; depth++) {
    if (depth !== 0 || main === object) {
      object = Object.getPrototypeOf(object);
      if (object === null) break;
      const constructor = Object.getOwnPropertyDescriptor(object, 'constructor');
      if (constructor !== undefined && typeof constructor.value === 'function' && names.BUILT_IN.has(constructor.value.name)) break;
    }
    ctx.seen.push(main);
    for (const key of Reflect.ownKeys(object)) {
      if (key === 'constructor' || own(main, key) || shown.has(key)) continue;
      const desc = Object.getOwnPropertyDescriptor(object, key);
      if (typeof desc.value === 'function') continue;
      const text = formatProperty(ctx, object, recurseTimes, key, 0, desc, main);
      output.push(ctx.colors ? `\u001b[2m${text}\u001b[22m` : text);
    }
    ctx.seen.pop();
    for (const key of Reflect.ownKeys(object)) shown.add(key);
  }
}

const tools = { inspect, formatValue, formatProperty, formatPrimitive, numberText, plural, keysOf, nonIndexKeys, prototypeProperties, plain, own, brand, engine };

inspect.custom = custom;
Object.defineProperty(inspect, 'defaultOptions', {
  get() { return DEFAULTS; },
  set(options) {
    require('internal/errors').check.object(options, 'options');
    Object.assign(DEFAULTS, options);
  },
});
inspect.colors = COLORS;
inspect.styles = STYLES;

module.exports = { inspect, numberText };
