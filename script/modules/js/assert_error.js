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
  notIdentical: 'Values identical but not reference-equal:',
  notDeepEqualUnequal: 'Expected values not to be loosely deep-equal:',
};

function show(value) {
  return inspect(value, {
    compact: false, customInspect: false, depth: 1000, maxArrayLength: Infinity, showHidden: false, showProxy: false, sorted: true, getters: true,
  });
}

// diffLines writes actual against expected line by line, with the lines that
// are equal far from any difference left out.
function diffLines(actual, expected, operator) {
  const a = show(actual).split('\n'), b = show(expected).split('\n');
  const object = (v) => (typeof v === 'object' && v !== null) || typeof v === 'function';
  if (operator === 'strictEqual' && object(actual) && object(expected)) operator = 'strictEqualObject';
  if (a.length === 1 && b.length === 1 && a[0] !== b[0]) {
    const limit = 12;
    if (a[0].length + b[0].length <= limit) {
      if ((!object(actual) || actual === null) && (!object(expected) || expected === null) && (actual !== 0 || expected !== 0)) {
        return `${HEADS[operator]}\n\n${a[0]} !== ${b[0]}\n`;
      }
    } else if (operator !== 'strictEqualObject' && a[0].length + b[0].length < 80) {
      let i = 0;
      while (a[0][i] === b[0][i]) i++;
      if (i > 2) return `${HEADS[operator]}\n+ actual - expected\n\n+ ${a[0]}\n- ${b[0]}\n  ${' '.repeat(i)}^`;
    }
  }
  if (a.join('\n') === b.join('\n')) {
    const lines = a.slice(0, 50);
    if (a.length > 50) lines.push('...');
    return `${HEADS.notIdentical}\n\n${lines.join('\n')}\n`;
  }
  return `${HEADS[operator]}\n+ actual - expected${compare(a, b)}`;
}

// compare aligns two texts by their longest common subsequence of lines.
function compare(a, b) {
  if (a.length * b.length > 4e6) return `\n\n+ ${a.slice(0, 50).join('\n+ ')}\n- ${b.slice(0, 50).join('\n- ')}\n...`;
  const comma = (s) => (s.endsWith(',') ? s.slice(0, -1) : s);
  const same = (x, y) => x === y || comma(x) === comma(y);
  const lengths = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i][j] = same(a[i], b[j]) ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const rows = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && same(a[i], b[j])) { rows.push([' ', a[i]]); i++; j++; }
    else if (i < a.length && (j >= b.length || lengths[i + 1][j] >= lengths[i][j + 1])) rows.push(['+', a[i++]]);
    else rows.push(['-', b[j++]]);
  }
  return render(rows);
}

function render(rows) {
  const near = rows.map(([kind], at) => {
    if (kind !== ' ') return true;
    for (let d = 1; d <= 2; d++) if ((rows[at - d] && rows[at - d][0] !== ' ') || (rows[at + d] && rows[at + d][0] !== ' ')) return true;
    return false;
  });
  let text = '', skipped = false;
  for (let at = 0; at < rows.length; at++) {
    if (near[at]) { text += `\n${rows[at][0]} ${rows[at][1]}`; continue; }
    let to = at;
    while (to < rows.length && !near[to]) to++;
    if (to - at <= 1) text += `\n  ${rows[at][1]}`;
    else { text += '\n...'; skipped = true; }
    at = to - 1;
  }
  return `${skipped ? '\n... Skipped lines' : ''}\n${text}\n`;
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
