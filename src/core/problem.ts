// What is wrong in a file somebody wrote: where, which key, in words.

/** A position in a YAML file, 1-based. Line 0 means the whole source, such as one environment variable. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** One fault of a configuration file. `path` is dotted: `buckets.avatars.compresion`; empty for the whole file. */
export interface Problem {
  readonly at: Position
  readonly path: string
  readonly message: string
}

/** One line for people: `schema.yaml:7:5 buckets.avatars.compresion: unknown key, did you mean "compression"?` */
export function formatProblem(problem: Problem): string {
  const { file, line, column } = problem.at
  const where = line === 0 ? file : `${file}:${line}:${column}`
  return printable(problem.path === '' ? `${where} ${problem.message}` : `${where} ${problem.path}: ${problem.message}`)
}

/** Text with control, bidi and line-breaking characters written as escapes, so that it stays one harmless line. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029\ud800-\udfff]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`)
}

/** `, did you mean "compression"?` for the nearest candidate, or an empty text when none is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const near = nearest(word, candidates)
  return near === null ? '' : `, did you mean "${near}"?`
}

/** The candidate a typing mistake away from `word` (at most a third of its letters, at least one), or null. */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  let best: string | null = null
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= least) continue
    const steps = distance(word.toLowerCase(), candidate.toLowerCase())
    if (steps < least) {
      best = candidate
      least = steps
    }
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours between two short words. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let steps = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        steps = Math.min(steps, rows[i - 2]![j - 2]! + 1)
      row.push(steps)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
