// Where a verb's output goes, past the runner, which hides the cursor and decorates.
const write = process.stdout.write.bind(process.stdout)

/** From now on standard output is `print`'s alone. */
export function takeOutput(): void {
  process.stdout.write = () => true
  // Whoever read it has hung up.
  process.stdout.on('error', () => undefined)
}

/** Writes lines to standard output; done when they are written, or nobody reads them any more. */
export function print(...lines: string[]): Promise<void> {
  return new Promise((resolve) => void write(lines.map((line) => `${line}\n`).join(''), () => resolve()))
}
