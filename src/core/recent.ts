// A bounded memory of what was asked for last: the least recently used entry makes room.

export interface Recent<K, V> {
  /** The value, which counts as a use; undefined when unknown. */
  get(key: K): V | undefined
  set(key: K, value: V): void
  delete(key: K): void
  readonly size: number
}

/** Holds at most `capacity` entries. */
export function createRecent<K, V>(capacity: number): Recent<K, V> {
  const entries = new Map<K, V>()
  return {
    get(key) {
      const value = entries.get(key)
      if (value === undefined) return undefined
      entries.delete(key) // a Map remembers the order of insertion: putting it back makes it the youngest
      entries.set(key, value)
      return value
    },
    set(key, value) {
      entries.delete(key)
      if (entries.size >= capacity) {
        for (const oldest of entries.keys()) {
          entries.delete(oldest)
          break
        }
      }
      entries.set(key, value)
    },
    delete: (key) => void entries.delete(key),
    get size() {
      return entries.size
    },
  }
}
