/** The work of the web server's handler: what a program does with the rows of a query. */

/**
 * Writes records as JSON and reads them, adds up their amounts by name, and returns the totals as JSON. They depend on
 * `index`, so that the answers of two calls differ.
 */
export function totals({ index, records }) {
  const text = JSON.stringify(
    Array.from({ length: records }, (_, id) => ({
      id,
      name: `user ${id % 10}`,
      amount: (id * 31 + index) % 1000,
    })),
  );
  const totals = {};
  for (const { name, amount } of JSON.parse(text)) {
    totals[name] = (totals[name] ?? 0) + amount;
  }
  return JSON.stringify(totals);
}
