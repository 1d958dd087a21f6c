// Joins the command and the packages it needs into a few files: a start that opens hundreds of modules takes twice as long.
// The library and the client stay modules of their own, for those who bundle or share packages themselves.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

/** The command, and what runs in threads beside it: found by these names in the same folder. */
const ENTRIES = [
  'cli/main.ts',
  'files/digest-thread.ts',
  'blobs/small-files-thread.ts',
  'meta/sqlite/writer.ts',
  'meta/sqlite/scanner.ts',
  'meta/sqlite/snapshot-thread.ts',
]
/** They load files of their own beside them (native code, WebAssembly), or use what Node forgives packages only (url.parse). */
const APART = ['better-sqlite3', '@bufbuild/re2', 'tus-js-client']

/** Writes the files into `folder`, with the licences of what is inside. */
export async function bundle(root, folder) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ENTRIES.map((path) => join('src', path)),
    outdir: folder,
    entryNames: '[name]',
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.15',
    external: APART,
    // Packages in CommonJS ask for Node's own modules by it.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  })
  writeFileSync(join(folder, 'LICENSES.txt'), licences(root, Object.keys(metafile.inputs)))
}

/** One text for every package that the inputs come from. */
function licences(root, inputs) {
  const packages = new Set(inputs.flatMap((path) => path.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []))
  const texts = [...packages].sort().map((path) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8'))
    const file = readdirSync(join(root, path)).find((entry) => /^licen[cs]e/i.test(entry))
    const text = file === undefined ? '' : readFileSync(join(root, path, file), 'utf8').trim()
    return `${name} ${version} (${license})\n\n${text}\n`
  })
  return `The files beside this one contain these packages.\n\n${texts.join('\n---\n\n')}`
}
