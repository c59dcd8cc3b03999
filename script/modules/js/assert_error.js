'use strict';
// AssertionError and the messages it makes up.

const { inspect } = require('internal/inspect');

const HEADS = {
  deepStrictEqual: 'Expected values to be strictly deep-equal:',
  strictEqual: 'Expected values to be strictly equal:',
  strictEqualObject: 'Expected "actual" to be reference-equal to "expected":',
  deepEqual: 'Expected values to be loosely deep-equal:',
  notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:',
  notStrictEqual: 'Expected "actual" to be strictly unequal to:',
  notStrictEqualObject: 'Expected "actual" not to be reference-equal to "expected":',
  notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
  notIdentical: 'Values have same structure but are not reference-equal:',
  notDeepEqualUnequal: 'Expected values not to be loosely deep-equal:',
};

function show(value) {
  return inspect(value, {
    compact: false, customInspect: false, depth: 1000, maxArrayLength: Infinity, showHidden: false, showProxy: false, sorted: true, getters: true,
  });
}

const object = (v) => (typeof v === 'object' && v !== null) || typeof v === 'function';
const plainValue = (v) => typeof v !== 'object' || v === null;

// diffLines writes actual against expected line by line, position by position,
// with most of the lines that are equal left out.
function diffLines(actual, expected, operator) {
  const a = show(actual).split('\n'), b = show(expected).split('\n');
  let pointer = '';
  if (operator === 'strictEqual' && object(actual) && object(expected)) operator = 'strictEqualObject';
  if (a.length === 1 && b.length === 1 && a[0] !== b[0]) {
    const size = a[0].length + b[0].length;
    if (size <= 12) {
      if (plainValue(actual) && plainValue(expected) && (actual !== 0 || expected !== 0)) return `${HEADS[operator]}\n\n${a[0]} !== ${b[0]}\n`;
    } else if (operator !== 'strictEqualObject' && size < 80) {
      let i = 0;
      while (a[0][i] === b[0][i]) i++;
      if (i > 2) pointer = `\n  ${' '.repeat(i)}^`;
    }
  }
  const tail = takeTail(a, b);
  if (Math.max(a.length, b.length) === 0) {
    const lines = show(actual).split('\n');
    if (lines.length > 50) lines.splice(46, lines.length, '...');
    return `${HEADS.notIdentical}\n\n${lines.join('\n')}\n`;
  }
  const { text, skipped, cut } = compare(a, b);
  const head = `${HEADS[operator]}\n+ actual - expected${skipped || cut || tail.skipped ? ' ... Lines skipped' : ''}\n`;
  return cut ? head + text : `${head}${text}${tail.text}${pointer}`;
}

// takeTail removes the lines at the end that are equal, and says how they show.
function takeTail(a, b) {
  let text = '', first = '', count = 0;
  while (a.length > 0 && b.length > 0 && a[a.length - 1] === b[b.length - 1]) {
    const line = a.pop();
    b.pop();
    if (count++ < 3) text = `\n  ${line}${text}`;
    else first = line;
  }
  if (count > 3) text = `\n...${text}`;
  if (first !== '') text = `\n  ${first}${text}`;
  return { text, skipped: count > 3 };
}

function compare(a, b) {
  let text = '', minus = '', equal = 0, printed = 0, skipped = false;
  const print = (line) => { text += `\n  ${line}`; printed++; };
  // before shows the equal lines that stand before a difference.
  const before = (lines, at) => {
    if (equal > 4) {
      if (equal === 5) print(lines[at - 3]);
      else { text += '\n...'; skipped = true; }
    }
    if (equal > 3) print(lines[at - 2]);
    if (equal > 2) print(lines[at - 1]);
    equal = 0;
  };
  const most = Math.max(a.length, b.length), least = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) {
    if (i >= least) {
      before(a.length > b.length ? a : b, i);
      if (a.length > b.length) text += `\n+ ${a[i]}`; else minus += `\n- ${b[i]}`;
      printed++;
    } else {
      let line = a[i];
      let same = line === b[i] || line === `${b[i]},`;
      if (!same && b[i] === `${line},`) { same = true; line += ','; }
      if (same) {
        text += minus;
        minus = '';
        if (++equal <= 2) print(line);
      } else {
        before(a, i);
        text += `\n+ ${line}`;
        minus += `\n- ${b[i]}`;
        printed += 2;
      }
    }
    if (printed > 50 && i < most - 2) return { text: `${text}\n...${minus}\n...`, skipped, cut: true };
  }
  return { text: text + minus, skipped, cut: false };
}

function negated(actual, operator) {
  let head = HEADS[operator];
  const lines = show(actual).split('\n');
  if (operator === 'notStrictEqual' && ((typeof actual === 'object' && actual !== null) || typeof actual === 'function')) head = HEADS.notStrictEqualObject;
  if (lines.length > 50) lines.splice(46, lines.length, '...');
  return lines.length === 1 ? `${head}${lines[0].length > 5 ? '\n\n' : ' '}${lines[0]}` : `${head}\n\n${lines.join('\n')}\n`;
}

function loose(actual, expected, operator) {
  let text = show(actual), other = show(expected);
  const known = HEADS[operator];
  if (operator === 'notDeepEqual' && text === other) {
    text = `${known}\n\n${text}`;
    return text.length > 1024 ? `${text.slice(0, 1021)}...` : text;
  }
  if (text.length > 512) text = `${text.slice(0, 509)}...`;
  if (other.length > 512) other = `${other.slice(0, 509)}...`;
  if (operator === 'deepEqual') return `${known}\n\n${text}\n\nshould loosely deep-equal\n\n`.concat(other);
  if (operator === 'notDeepEqual') return `${HEADS.notDeepEqualUnequal}\n\n${text}\n\nshould not loosely deep-equal\n\n${other}`;
  return `${text} ${operator} ${other}`;
}

class AssertionError extends Error {
  constructor(options) {
    require('internal/errors').check.object(options, 'options');
    const { message, operator, actual, expected, stackStartFn } = options;
    let text;
    if (message != null) text = String(message);
    else if (operator === 'deepStrictEqual' || operator === 'strictEqual') text = diffLines(actual, expected, operator);
    else if (operator === 'notDeepStrictEqual' || operator === 'notStrictEqual') text = negated(actual, operator);
    else text = loose(actual, expected, operator);
    super(text);
    this.generatedMessage = !message;
    this.code = 'ERR_ASSERTION';
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
    void stackStartFn;
    Object.defineProperty(this, 'name', { value: 'AssertionError', writable: true, enumerable: false, configurable: true });
    const frames = `${this.stack}`.split('\n').filter((l) => /^\s+at /.test(l));
    Object.defineProperty(this, 'stack', {
      value: [`AssertionError [ERR_ASSERTION]: ${text}`, ...frames].join('\n'), writable: true, enumerable: false, configurable: true,
    });
  }
  toString() { return `${this.name} [${this.code}]: ${this.message}`; }
  [inspect.custom](depth, options) {
    const { actual, expected } = this;
    const short = (v) => (typeof v === 'string' && v.split('\n').length > 10 ? `${v.split('\n', 10).join('\n')}\n...` : v);
    this.actual = short(actual);
    this.expected = short(expected);
    const text = inspect(this, { ...options, customInspect: false, depth: 0 });
    this.actual = actual;
    this.expected = expected;
    return text;
  }
}

module.exports = { AssertionError };
