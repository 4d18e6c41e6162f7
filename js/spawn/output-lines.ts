/** The lines of a worker's output, without their line endings. The last line has one too. */
export function linesOf(text: string): string[] {
  return text.replace(/\r?\n$/, "").split(/\r?\n/);
}
