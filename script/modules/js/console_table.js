'use strict';
// console.table: rows and columns in a box.

const { inspect } = require('internal/inspect');
const { width } = require('internal/inspect_layout');
const kinds = require('internal/inspect_kinds');

function cell(value) {
  const depth = value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 2 ? -1 : 0;
  return inspect(value, { maxArrayLength: 3, breakLength: Infinity, depth });
}

function line(columns, widths) {
  return `│${columns.map((text, i) => ` ${text}${' '.repeat(widths[i] - width(text) - 1)}`).join('│')}│`;
}

function render(head, columns) {
  const rows = [];
  const widths = head.map((h) => width(h) + 2);
  const longest = Math.max(...columns.map((c) => c.length));
  for (let i = 0; i < head.length; i++) {
    for (let j = 0; j < longest; j++) {
      if (rows[j] === undefined) rows[j] = [];
      const text = rows[j][i] = Object.prototype.hasOwnProperty.call(columns[i], j) ? columns[i][j] : '';
      widths[i] = Math.max(widths[i], width(text) + 2);
    }
  }
  const bars = widths.map((w) => '─'.repeat(w));
  const out = [`┌${bars.join('┬')}┐`, line(head, widths), `├${bars.join('┼')}┤`];
  for (const row of rows) out.push(line(row, widths));
  out.push(`└${bars.join('┴')}┘`);
  return out.join('\n');
}

function entriesTable(data) {
  if (kinds.isMap(data)) {
    const keys = [], values = [];
    for (const [k, v] of data) { keys.push(cell(k)); values.push(cell(v)); }
    return render(['(iteration index)', 'Key', 'Values'], [keys.map((_, i) => `${i}`), keys, values]);
  }
  const values = Array.from(data, cell);
  return render(['(iteration index)', 'Values'], [values.map((_, i) => `${i}`), values]);
}

function table(data, wanted) {
  if (wanted !== undefined) require('internal/errors').check.array(wanted, 'properties');
  if (kinds.isMap(data) || kinds.isSet(data)) return entriesTable(data);
  const columns = new Map(), plainValues = [];
  let hasPlain = false;
  const rows = Object.keys(data);
  rows.forEach((row, i) => {
    const item = data[row];
    const plain = item === null || (typeof item !== 'function' && typeof item !== 'object');
    if (plain) {
      hasPlain = true;
      plainValues[i] = cell(item);
      return;
    }
    for (const key of wanted || Object.keys(item)) {
      if (!columns.has(key)) columns.set(key, []);
      columns.get(key)[i] = Object.prototype.hasOwnProperty.call(item, key) ? cell(item[key]) : '';
    }
  });
  const head = ['(index)', ...columns.keys()], body = [rows, ...columns.values()];
  if (hasPlain) { head.push('Values'); body.push(plainValues); }
  return render(head, body);
}

module.exports = { table };
