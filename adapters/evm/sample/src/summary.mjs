// Counts what the blocks contain.

/** Throws unless the transaction ended as it was planned. */
export function checkOutcome({ kind, fails = false }, { failed, gas }) {
  if (failed !== fails) throw new Error(`${kind}: ${failed ? 'failed' : 'succeeded'} unexpectedly after ${gas} gas`);
}

/** Counts transactions by a key, with the least and the greatest gas use. */
export function countBy(entries, keyOf) {
  const rows = new Map();
  for (const entry of entries) {
    const name = keyOf(entry);
    const row = rows.get(name) ?? { name, transactions: 0, failed: 0, 'min gas': Infinity, 'max gas': 0, 'gas in all': 0 };
    row.transactions += 1;
    row.failed += entry.failed ? 1 : 0;
    row['min gas'] = Math.min(row['min gas'], entry.gas);
    row['max gas'] = Math.max(row['max gas'], entry.gas);
    row['gas in all'] += entry.gas;
    rows.set(name, row);
  }
  return [...rows.keys()].sort().map((name) => rows.get(name));
}

/** Prints rows as a Markdown table. */
export function printTable(rows) {
  const columns = Object.keys(rows[0]);
  const line = (cells) => `| ${cells.join(' | ')} |`;
  console.log(line(columns));
  console.log(line(columns.map((_, i) => (i === 0 ? '---' : '--:'))));
  for (const row of rows) console.log(line(columns.map((column) => row[column])));
  console.log();
}
