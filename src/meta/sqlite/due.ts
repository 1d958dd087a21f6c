// What the statements of sweeps have in common: what is over by a time, so many at once, and which backends are left out.

/** The values of such a statement. `without`: JSON of the names of backends. */
export interface Due {
  readonly time: string
  readonly limit: number
  readonly without: string
}

/** The condition on the column `backend`. Names are words of schema.yaml: no quote is in them. */
export const NOT_WITHOUT = `instr(@without, '"' || backend || '"') = 0`

/** What a verb was asked, as its statement takes it. `time` is RFC 3339. */
export function due(time: string, limit: number, without: readonly string[] = []): Due {
  return { time, limit, without: JSON.stringify(without) }
}
