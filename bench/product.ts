// Which build of the product is measured: as bin/alyx.mjs has it, what was built when no source is newer, else the sources.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

function isFresh(): boolean {
  const built = pathOf('../dist/.built')
  if (!existsSync(built)) return false
  const since = statSync(built).mtimeMs + 1
  const source = pathOf('../src')
  return readdirSync(source, { recursive: true })
    .map(String)
    .every((name) => statSync(`${source}/${name}`).mtimeMs <= since)
}

/** The name of what runs. Type stripping costs the sources start time and memory. */
export const BUILD: 'dist' | 'src' = isFresh() ? 'dist' : 'src'
