// Which build of the product is measured: dist/ when it is newer than every source, else the sources.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

function isFresh(): boolean {
  const built = pathOf('../dist/cli/main.js')
  if (!existsSync(built)) return false
  const since = statSync(built).mtimeMs
  const source = pathOf('../src')
  return readdirSync(source, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts'))
    .every((name) => statSync(`${source}/${name}`).mtimeMs <= since)
}

const fresh = isFresh()

/** How to start it, and the name of what runs. Type stripping costs the sources start time and memory. */
export const PRODUCT: { readonly from: 'dist' | 'src'; readonly start: { readonly script?: string } } = fresh
  ? { from: 'dist', start: { script: pathOf('../bin/alyx.mjs') } }
  : { from: 'src', start: {} }
