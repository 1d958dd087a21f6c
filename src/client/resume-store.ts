// Where unfinished uploads are remembered, so that a page that was reloaded or a process that died can go on.

/** Texts by key. Nothing here may reject: an upload that cannot be remembered still runs. */
export interface ResumeStore {
  get(key: string): string | null | Promise<string | null>
  set(key: string, value: string): void | Promise<void>
  remove(key: string): void | Promise<void>
}

/** Until the program ends. */
export function memoryStore(): ResumeStore {
  const kept = new Map<string, string>()
  return {
    get: (key) => kept.get(key) ?? null,
    set: (key, value) => void kept.set(key, value),
    remove: (key) => void kept.delete(key),
  }
}

interface WebStorage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

/** `localStorage` where it exists and may be used, else until the page or worker ends. */
export function webStore(): ResumeStore {
  const storage = usableStorage()
  if (storage === null) return memoryStore()
  const guarded = <T>(work: () => T, otherwise: T): T => {
    try {
      return work()
    } catch {
      return otherwise // full, or switched off meanwhile
    }
  }
  return {
    get: (key) => guarded(() => storage.getItem(key), null),
    set: (key, value) => guarded(() => storage.setItem(key, value), undefined),
    remove: (key) => guarded(() => storage.removeItem(key), undefined),
  }
}

function usableStorage(): WebStorage | null {
  try {
    const { localStorage } = globalThis as { readonly localStorage?: WebStorage }
    if (localStorage === undefined || localStorage === null) return null
    localStorage.setItem('alyx:probe', '')
    localStorage.removeItem('alyx:probe')
    return localStorage
  } catch {
    return null // a sandboxed frame, or a browser told to keep nothing
  }
}
