// Changes of one record stand in line, so that those of one process never get in each other's way.

/** Runs `work` after all that was called with the same key before it. What fails holds nobody up. */
export type InLine = <T>(key: string, work: () => Promise<T>) => Promise<T>

/** The lines of this process; other processes are met by the version of the record. */
export function createLines(): InLine {
  const ends = new Map<string, Promise<unknown>>()
  return (key, work) => {
    const before = ends.get(key) ?? Promise.resolve()
    const mine = before.then(work)
    const end = mine
      .catch(() => {})
      .finally(() => {
        if (ends.get(key) === end) ends.delete(key)
      })
    ends.set(key, end)
    return mine
  }
}
