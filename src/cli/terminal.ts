// What a person or a script sees: lines and JSON on stdout, notes and progress on stderr.
import type { Clock } from '../core/clock.ts'
import { AppError } from '../core/errors.ts'
import { printable } from '../core/problem.ts'
import { formatSize } from '../core/units.ts'
import { Stop } from './exit.ts'

/** One line on stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** One JSON value on stdout. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2))
}

/** For people only: goes to stderr. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** One readable line and what to do next; with `json` the error envelope of the HTTP contract. */
export function printError(error: unknown, json: boolean): void {
  const known = error instanceof AppError
  const code = error instanceof Stop ? error.shown : known ? error.code : 'internal'
  const message = error instanceof Error ? error.message : String(error)
  const hint = known ? error.hint : 'Run the command again; if it stays, report what you see.'
  const details = known ? error.details : undefined
  note(json ? JSON.stringify({ error: { code, message, hint, details } }) : `alyx: ${message}\n  ${hint}`)
}

/** A reader that went away (`alyx ls | head -1`) ends the command quietly. */
export function survivePipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  }
}

/** Columns of equal width; the first is aligned to the right. Control characters are shown, not obeyed. */
export function table(rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(printable))
  const widths = (clean[0] ?? []).map((_, at) => Math.max(...clean.map((row) => row[at]?.length ?? 0)))
  const pad = (cell: string, at: number) => (at === 0 ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!))
  return clean.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
}

export interface Progress {
  update(done: number): void
  end(): void
}

/** `name  43 %  43 MB of 100 MB  12 MB/s  5 s left`, redrawn ten times a second; nothing unless stderr is a terminal. `format` writes
 *  amounts of what is not bytes. */
export function createProgress(
  label: string,
  total: number | null,
  clock: Clock,
  format: (amount: number) => string = formatSize,
): Progress {
  if (!process.stderr.isTTY) return { update: () => {}, end: () => {} }
  let first: { readonly at: number; readonly done: number } | null = null
  let drawn = 0
  return {
    update(done) {
      const now = clock.now()
      first ??= { at: now, done }
      if (now - drawn < 100 && done !== total) return
      drawn = now
      const rate = now > first.at ? ((done - first.done) * 1000) / (now - first.at) : 0
      const share = total === null ? '' : `${percent(done, total)}  `
      const amount = total === null ? format(done) : `${format(done)} of ${format(total)}`
      const left = total === null || rate === 0 ? '' : `  ${Math.ceil((total - done) / rate)} s left`
      const line = `${printable(label)}  ${share}${amount}  ${format(Math.round(rate))}/s${left}`
      process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`)
    },
    end() {
      if (first) process.stderr.write('\r\x1b[K')
    },
  }
}

/** `43 %`, rounded down: 100 only when all is done. */
export function percent(done: number, total: number): string {
  return `${total === 0 ? 100 : Math.floor((done / total) * 100)} %`
}
