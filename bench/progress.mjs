/** A line that shows a person what the benchmark does. There is none where nobody looks. */

const WIDTH = 100;
const CLEAR_LINE = "\r\u001b[K";

const shown = process.stderr.isTTY;

export function showProgress(text) {
  if (shown) {
    process.stderr.write(`${CLEAR_LINE}${text.slice(0, process.stderr.columns ?? WIDTH)}`);
  }
}

export function endProgress() {
  if (shown) {
    process.stderr.write(CLEAR_LINE);
  }
}
