// The floor plan, as a test: a broken rule is a sentence that names the file and says what to do instead.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'

interface Source {
  /** Relative to src/, with `/`. */
  readonly path: string
  readonly text: string
}

/** From the ground up. A room may import lower floors; nothing above it, and nothing beside it. */
const FLOORS = [
  ['core'],
  ['schema', 'config', 'observe'],
  ['blobs', 'meta', 'access'],
  ['files'],
  ['records', 'shares', 'openai', 'jobs'],
  ['http', 'codegen'],
  ['project.ts', 'restore.ts', 'stores.ts'],
  ['app.ts'],
  ['cli', 'index.ts'],
]
/** They import no room, and no room imports them. */
const ISLANDS = ['client', 'admin']

/** Package (a trailing slash = the whole scope) → the one place that may import it. */
const HOMES: Readonly<Record<string, RegExp>> = {
  hono: /^(http|cli)\/|^app\.ts$/,
  '@hono/': /^(http|cli)\/|^app\.ts$/,
  '@asteasolutions/': /^http\//,
  '@fastify/busboy': /^http\/multipart\.ts$/,
  zod: /^(schema|config|http)\//,
  yaml: /^core\/yaml\.ts$/,
  'better-sqlite3': /^meta\/sqlite\//,
  'drizzle-orm': /^meta\//,
  '@aws-sdk/': /^blobs\/s3-requests\.ts$/,
  '@marcbachmann/cel-js': /^access\//,
  '@bufbuild/re2': /^(access|schema)\//,
  'sanitize-html': /^schema\//,
  jose: /^access\//,
  'file-type': /^files\/sniff\.ts$/,
  pino: /^observe\//,
  'prom-client': /^observe\//,
  citty: /^cli\//,
  'tus-js-client': /^(cli|client)\//,
  'node:fs':
    /^(blobs|meta\/sqlite|cli|client\/node)\/|^(files\/spool-disk|config\/load|schema\/load|codegen\/write)\.ts$/,
  'node:http': /^(http|cli|client)\/|^app\.ts$/,
  'node:https': /^(cli|client)\//,
  'node:child_process': /^(?!)/,
}

const MAX_LINES = 250
const VAGUE = /(^|\/)(utils?|helpers?|common|misc|shared|manager|base)(\.ts$|\/)|-(utils?|helpers?|manager)\.ts$/
const KEBAB = /^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/

/** What must not stand in code, where it may, and what to write instead. */
const BANNED: readonly (readonly [RegExp, RegExp, string])[] = [
  [/\bprocess\.env\b/, /^config\/load\.ts$/, 'read it in config/load.ts and take Config as a parameter'],
  [/\bnew (Type|Range|Syntax)?Error\(/, /^core\/errors\.ts$|^client\//, 'throw fail(code, …) from core/errors.ts'],
  [/\bDate\.now\(|\bnew Date\(\)/, /^core\/clock\.ts$|^client\//, 'take the Clock you were given'],
  [/\bMath\.random\(/, /^(?!)/, 'use node:crypto'],
  [/\bconsole\./, /^cli\//, 'report an event through the Observer'],
  [/\bprocess\.exit\(/, /^cli\//, 'throw, and let cli/ end the process'],
  [/^export default\b/m, /^(?!)/, 'export it by its name'],
  [/[:<(|] *any\b[^:'"(.]|\bas any\b/, /^(?!)/, 'use unknown and narrow it'],
  [/\b(interface I[A-Z][a-z]\w*|(class|function) \w+Impl)\b/, /^(?!)/, 'name it by what it is'],
]
/** Written so that this file does not contain the words it looks for. */
const UNFINISHED = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`)

const SILENCED = new RegExp(
  ['@ts-ig' + 'nore', '@ts-expect-' + 'error', '@ts-no' + 'check', 'biome-ig' + 'nore'].join('|'),
)

const IMPORT =
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm
const importsOf = (text: string) => [...text.matchAll(IMPORT)].map((match) => (match[1] ?? match[2] ?? match[3])!)
const roomOf = (path: string) => path.split('/')[0]!
const floorOf = (room: string) => FLOORS.findIndex((rooms) => rooms.includes(room))
const targetOf = (path: string, specifier: string) => normalize(join(dirname(path), specifier))
const withoutComments = (text: string) => text.replace(/\/\*\*?\s[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '')

/** Everything that is wrong with one file, each as a sentence. */
function faultsOf({ path, text }: Source): string[] {
  const faults: string[] = []
  const here = roomOf(path)
  const code = withoutComments(text)
  const lines = text.trimEnd().split('\n')
  if (floorOf(here) < 0 && !ISLANDS.includes(here))
    faults.push(`${path}: ${here} is on no floor: add it to FLOORS or move the file`)
  for (const specifier of importsOf(code)) faults.push(...importFaults(path, specifier))
  if (lines.length > MAX_LINES)
    faults.push(`${path}: ${lines.length} lines, at most ${MAX_LINES}: find its second noun and give it a file`)
  if (VAGUE.test(path)) faults.push(`${path}: the name says nothing: name the thing it holds`)
  if (!KEBAB.test(path)) faults.push(`${path}: file names are kebab-case`)
  if (!/^\/\/ \S+ \S+/.test(text)) faults.push(`${path}: line 1 must be a // comment that says what lives here`)
  for (const [text, home, instead] of BANNED) {
    const found = home.test(path) ? null : code.match(text)
    if (found) faults.push(`${path}: ${found[0].trim()} does not belong here: ${instead}`)
  }
  if (SILENCED.test(text)) faults.push(`${path}: make the types right instead of silencing the check`)
  if (UNFINISHED.test(text)) faults.push(`${path}: finish it or leave it out; no notes to come back`)
  lines.forEach((line, at) => {
    const name = line.match(/^export (?:async )?(?:function\*?|class) (\w+)/)?.[1]
    if (name && !/\*\/\s*$/.test(lines[at - 1] ?? ''))
      faults.push(`${path}: ${name} is exported: say above it what it promises`)
  })
  return faults
}

function importFaults(path: string, specifier: string): string[] {
  const here = roomOf(path)
  if (specifier.startsWith('.')) {
    const target = targetOf(path, specifier)
    const there = roomOf(target)
    const arrow = `${path} → ${target}`
    if (!specifier.endsWith('.ts')) return [`${arrow}: end the import with .ts`]
    if (there === here) return []
    if (ISLANDS.includes(here) || ISLANDS.includes(there))
      return [`${arrow}: islands stand alone: take it as a parameter or copy the shape`]
    if (floorOf(there) < floorOf(here)) return []
    const way = floorOf(there) === floorOf(here) ? 'rooms of one floor are strangers' : 'imports go down'
    return [`${arrow}: ${way}: take what you need as a parameter, handed over in app.ts`]
  }
  const home = Object.entries(HOMES).find(
    ([name]) => specifier === name || specifier.startsWith(name.endsWith('/') ? name : `${name}/`),
  )
  if (home)
    return home[1].test(path)
      ? []
      : [`${path} imports ${specifier}: it lives in ${home[1].source}: call what lives there`]
  if (specifier.startsWith('node:')) return []
  return [`${path} imports ${specifier}, which has no home: give it one in HOMES`]
}

/** Chains of files that import one another, types included. */
function cyclesOf(sources: readonly Source[]): string[] {
  const graph = new Map(
    sources.map(({ path, text }) => [
      path,
      importsOf(withoutComments(text))
        .filter((to) => to.startsWith('.'))
        .map((to) => targetOf(path, to)),
    ]),
  )
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path))
      found.push(
        `cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' → ')}: move what both need to a third file`,
      )
    if (trail.includes(path) || done.has(path)) return
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return found
}

/** Imports of files that do not exist. */
function danglingOf(sources: readonly Source[]): string[] {
  const known = new Set(sources.map(({ path }) => path))
  return sources.flatMap(({ path, text }) =>
    importsOf(withoutComments(text))
      .filter((to) => to.startsWith('.') && !known.has(targetOf(path, to)))
      .map((to) => `${path} → ${targetOf(path, to)}: there is no such file in src/`),
  )
}

const inspect = (sources: readonly Source[]) => [
  ...sources.flatMap(faultsOf),
  ...cyclesOf(sources),
  ...danglingOf(sources),
]

/** Text that ties the repository to one machine or one registry. */
const PLACES = new RegExp(
  ['/(?:wo' + 'rk|ro' + 'ot|home/[a-z]+)/', 'registry\\.(?:np' + 'mjs|yarnpkg)\\.', '"reso' + 'lved": "http'].join('|'),
)
const placesIn = (sources: readonly Source[]) =>
  sources.flatMap(({ path, text }) => {
    const found = text.match(PLACES)
    return found ? [`${path}: "${found[0]}" names a machine or a registry: take it as a setting`] : []
  })

function read(root: string, extension: RegExp): Source[] {
  const names = readdirSync(root, { recursive: true, withFileTypes: true })
  const paths = names
    .filter((entry) => entry.isFile() && extension.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
  return paths.map((path) => ({ path: path.slice(root.length + 1), text: readFileSync(path, 'utf8') }))
}

const ROOT = join(import.meta.dirname, '..')

describe('the house', () => {
  const sources = read(join(ROOT, 'src'), /\.ts$/)

  it('is read whole', () => {
    const paths = sources.map(({ path }) => path)
    expect(paths).toContain('core/model.ts')
    expect(paths).toContain('cli/main.ts')
    expect(sources.flatMap(({ text }) => importsOf(text)).length).toBeGreaterThan(100)
  })

  it.each(sources)('$path keeps to its floor, its packages and its size', (source) => {
    expect(faultsOf(source)).toEqual([])
  })

  it('has no import cycle and no import that leads nowhere', () => {
    expect([...cyclesOf(sources), ...danglingOf(sources)]).toEqual([])
  })

  it('names no machine and no registry', () => {
    const folders = ['src', 'test', 'docs', 'scripts', 'bench', 'bin', 'generated', 'migrations', '.ci']
    const texts = folders.flatMap((folder) =>
      read(join(ROOT, folder), /./).map(({ path, text }) => ({ path: `${folder}/${path}`, text })),
    )
    const single = ['package.json', 'package-lock.json', 'Makefile', '.npmrc'].map((path) => ({
      path,
      text: readFileSync(join(ROOT, path), 'utf8'),
    }))
    expect(placesIn([...texts, ...single])).toEqual([])
  })
})

describe('a fault that is planted', () => {
  const clean: readonly Source[] = [
    { path: 'core/model.ts', text: '// The nouns of it.\nexport interface Thing {\n  readonly id: string\n}\n' },
    {
      path: 'core/errors.ts',
      text: "// The failures of it.\n/** Builds one. */\nexport function fail() {\n  return new Error('x')\n}\n",
    },
    {
      path: 'meta/store.ts',
      text: "// Rows of it.\nimport type { Thing } from '../core/model.ts'\n\nexport type Row = Thing\n",
    },
    { path: 'blobs/backend.ts', text: '// Bytes of it.\nexport type Key = string\n' },
    {
      path: 'files/service.ts',
      text: "// Verbs of it.\nimport type { Row } from '../meta/store.ts'\n\nexport type Verb = Row\n",
    },
    { path: 'client/alyx.ts', text: '// What ships to programs.\nexport type Client = string\n' },
    {
      path: 'app.ts',
      text: "// Wires it.\nimport type { Verb } from './files/service.ts'\n\nexport type App = Verb\n",
    },
  ]
  const file = (path: string, body: string): Source => ({ path, text: `// Something lives here.\n${body}\n` })

  it('stands out, because the clean house has none', () => {
    expect(inspect(clean)).toEqual([])
  })

  it.each([
    [
      'an import upwards',
      file('core/units.ts', "import { x } from '../files/service.ts'"),
      /core\/units\.ts → files\/service\.ts: imports go down/,
    ],
    [
      'an import of a type upwards',
      file('meta/rows.ts', "import type {\n  App,\n} from '../app.ts'"),
      /imports go down/,
    ],
    ['an import sideways', file('blobs/store.ts', "import type { Row } from '../meta/store.ts'"), /strangers/],
    [
      'an import sideways inside a type',
      file('access/decide.ts', "type R = import('../meta/store.ts').Row"),
      /strangers/,
    ],
    ['a re-export upwards', file('schema/all.ts', "export * from '../app.ts'"), /imports go down/],
    ['a lazy import upwards', file('files/late.ts', "const app = await import('../app.ts')"), /imports go down/],
    [
      'an island that reaches out',
      file('client/node/attach.ts', "import '../../core/model.ts'"),
      /islands stand alone/,
    ],
    [
      'a room that reaches an island',
      file('files/remote.ts', "import { Client } from '../client/alyx.ts'"),
      /islands stand alone/,
    ],
    ['a room without a floor', file('cellar/wine.ts', 'export const x = 1'), /on no floor/],
    [
      'an import without an ending',
      file('meta/rows.ts', "import type { Row } from './store'"),
      /end the import with \.ts/,
    ],
    ['an import of nothing', file('meta/rows.ts', "import type { Row } from './stores.ts'"), /no such file/],
    [
      'hono outside http',
      file('files/web.ts', "import { Hono } from 'hono'"),
      /files\/web\.ts imports hono: it lives in/,
    ],
    [
      'a subpath of a package away from home',
      file('http/rest/files.ts', "import { eq } from 'drizzle-orm/sqlite-core'"),
      /it lives in/,
    ],
    [
      'a scoped package away from home',
      file('access/rules.ts', "import { x } from '@aws-sdk/client-s3'"),
      /it lives in/,
    ],
    [
      'the file system in a service',
      file('files/service-two.ts', "import { open } from 'node:fs/promises'"),
      /it lives in/,
    ],
    ['a package nobody housed', file('core/words.ts', "import { chunk } from 'lodash'"), /has no home/],
    ['a file too long', file('meta/rows.ts', 'const x = 1\n'.repeat(250)), /251 lines|252 lines/],
    ['a vague name', file('http/helper.ts', 'export const x = 1'), /name says nothing/],
    ['a vague folder', file('http/shared/x.ts', 'export const x = 1'), /name says nothing/],
    ['a name in camelCase', file('http/fileList.ts', 'export const x = 1'), /kebab-case/],
    ['no first line', { path: 'http/list.ts', text: 'export const x = 1\n' }, /line 1 must be/],
    [
      'the environment read in a room',
      file('http/list.ts', 'const x = process.env.HOME'),
      /process\.env does not belong here/,
    ],
    ['an error of its own', file('http/list.ts', "throw new TypeError('x')"), /new TypeError\( does not belong here/],
    ['the time taken, not given', file('http/list.ts', 'const now = new Date()'), /take the Clock/],
    ['the time taken as a number', file('http/list.ts', 'const now = Date.now()'), /take the Clock/],
    ['dice', file('http/list.ts', 'const x = Math.random()'), /node:crypto/],
    ['a print', file('http/list.ts', "console.log('x')"), /Observer/],
    ['an end of the process', file('http/list.ts', 'process.exit(1)'), /let cli\/ end/],
    ['a default export', file('http/list.ts', 'export default 1'), /by its name/],
    ['a silenced type error', file('http/list.ts', '// @ts-' + 'ignore\nconst x = 1'), /make the types right/],
    ['any', file('http/list.ts', 'const f = (x: any) => x'), /narrow it/],
    ['a cast to any', file('http/list.ts', 'const y = x as any'), /narrow it/],
    ['an I-name', file('http/list.ts', 'export interface IStore {}'), /by what it is/],
    ['an Impl', file('http/list.ts', 'class StoreImpl {}'), /by what it is/],
    ['a note to come back', file('http/list.ts', '// TO' + 'DO later'), /finish it/],
    ['an export without a promise', file('http/list.ts', 'export async function list() {}'), /list is exported/],
  ] as const)('%s is caught', (_name, fault, sentence) => {
    const found = inspect([...clean.filter(({ path }) => path !== fault.path), fault])
    expect(found.join('\n')).toMatch(sentence)
  })

  it('a cycle inside a room is caught', () => {
    const ring = [
      file('files/a.ts', "import './b.ts'"),
      file('files/b.ts', "import './c.ts'"),
      file('files/c.ts', "import './a.ts'"),
    ]
    expect(inspect([...clean, ...ring]).join('\n')).toContain(
      'cycle: files/a.ts → files/b.ts → files/c.ts → files/a.ts',
    )
  })

  it('a machine or a registry in any text is caught', () => {
    expect(placesIn([file('docs/a.md', 'see /wo' + 'rk/main')])).toHaveLength(1)
    expect(placesIn([file('package-lock.json', '"reso' + 'lved": "https://x"')])).toHaveLength(1)
    expect(placesIn([file('.npmrc', 'registry=https://registry.np' + 'mjs.org')])).toHaveLength(1)
  })

  it('words in comments are no fault', () => {
    expect(
      inspect([
        ...clean,
        file(
          'http/list.ts',
          '// never Date.now(), never process.env\n/** Throws no new Error(x). */\nexport const x = 1',
        ),
      ]),
    ).toEqual([])
  })
})
