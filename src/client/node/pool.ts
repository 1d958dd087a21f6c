// So many at a time, in the order asked.

export interface Pool {
  run<T>(work: () => Promise<T>): Promise<T>
  /** Resolves once nothing runs or waits. */
  idle(): Promise<void>
}

/** At most `most` run at once. */
export function createPool(most: number): Pool {
  const waiting: (() => void)[] = []
  const all = new Set<Promise<unknown>>()
  let running = 0

  async function turn<T>(work: () => Promise<T>): Promise<T> {
    if (running < most) running += 1
    // Whoever ends hands its place over.
    else await new Promise<void>((go) => waiting.push(go))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }

  return {
    run(work) {
      const result = turn(work)
      const settled = result.then(
        () => {},
        () => {},
      )
      all.add(settled)
      void settled.then(() => all.delete(settled))
      return result
    },
    async idle() {
      while (all.size > 0) await Promise.all(all)
    },
  }
}
