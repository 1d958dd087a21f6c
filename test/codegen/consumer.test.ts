// What `alyx generate` writes, as the project that gets it sees it: compiled under strict, against the declarations that ship.
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SCHEMA } from '../client/schema.ts'
import { createProject, type Project } from '../support/project.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const here = import.meta.dirname
const tsc = join(root, 'node_modules/.bin/tsc')

let project: Project
let dir: string

beforeAll(async () => {
  project = await createProject({ schema: SCHEMA() })
  dir = mkdtempSync(join(tmpdir(), 'alyx-consumer-'))
  // The package as it is installed: the declarations that the build makes of the client, without whatever else this repository has at hand.
  const installed = join(dir, 'node_modules', 'alyx')
  mkdirSync(installed, { recursive: true })
  copyFileSync(join(root, 'package.json'), join(installed, 'package.json'))
  writeFileSync(
    join(dir, 'tsconfig.client.json'),
    JSON.stringify({
      extends: join(root, 'tsconfig.build.json'),
      compilerOptions: {
        rootDir: join(root, 'src'),
        outDir: join(installed, 'dist'),
        typeRoots: [join(root, 'node_modules/@types')],
        emitDeclarationOnly: true,
      },
      include: [join(root, 'src/client')],
    }),
  )
  execFileSync(tsc, ['-p', join(dir, 'tsconfig.client.json')])
  for (const name of ['tus-js-client', '@types', 'undici-types'])
    symlinkSync(join(root, 'node_modules', name), join(dir, 'node_modules', name))
  expect(await project.run(['generate', '--out', dir])).toMatchObject({ code: 0 })
}, 240_000)

afterAll(() => {
  project?.remove()
  if (dir) rmSync(dir, { recursive: true, force: true })
})

interface Setting {
  readonly lib?: readonly string[]
  readonly moduleResolution?: string
  readonly module?: string
  readonly types?: readonly string[]
}

/** What the compiler says about a program of the project; '' = nothing. */
function compile(file: string, text: string, setting: Setting = {}): string {
  writeFileSync(join(dir, file), text)
  writeFileSync(
    join(dir, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'ES2022',
        module: 'NodeNext',
        moduleResolution: 'NodeNext',
        lib: ['ES2022'],
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        noUnusedLocals: true,
        verbatimModuleSyntax: true,
        erasableSyntaxOnly: true,
        isolatedModules: true,
        skipLibCheck: false,
        allowImportingTsExtensions: true,
        noEmit: true,
        ...setting,
      },
      files: [file],
    }),
  )
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}')
  return spawnSync(tsc, ['-p', '.', '--pretty', 'false'], { cwd: dir, encoding: 'utf8' }).stdout
}

describe('the generated module', () => {
  it('is the same text for the same schema, the one that is checked in (else: see test/client/generated)', async () => {
    const golden = readFileSync(join(root, 'test/client/generated/alyx.ts'), 'utf8')
    expect(readFileSync(join(dir, 'alyx.ts'), 'utf8')).toBe(golden)
    expect((await project.run(['generate', '--out', dir])).stdout).toContain('up to date')
    expect(await project.run(['generate', '--out', dir, '--check'])).toMatchObject({ code: 0 })
    writeFileSync(join(dir, 'alyx.ts'), `${golden}// edited\n`)
    expect(await project.run(['generate', '--out', dir, '--check'])).toMatchObject({ code: 1 })
    const again = await project.run(['generate', '--out', dir, '--json'])
    expect(JSON.parse(again.stdout)).toEqual({ file: join(dir, 'alyx.ts'), written: true, buckets: 5, collections: 1 })
    expect(readFileSync(join(dir, 'alyx.ts'), 'utf8')).toBe(golden)
  })

  it.each<[string, Setting]>([
    ['without any types of a platform', {}],
    [
      'for browsers with a bundler',
      { lib: ['ES2022', 'DOM', 'DOM.Iterable'], module: 'ESNext', moduleResolution: 'bundler' },
    ],
    ['for workers', { lib: ['ES2022', 'WebWorker'], module: 'ESNext', moduleResolution: 'bundler' }],
  ])('compiles under strict %s', (_, setting) => {
    expect(compile('consumer.ts', readFileSync(join(here, 'consumer.ts'), 'utf8'), setting)).toBe('')
  })

  it('gives browsers their own Response, Blob and AbortSignal', () => {
    const text = `import { createClient } from './alyx.ts'
const client = createClient({ url: 'x' })
export const response: Promise<Response> = client.storage.files.download('id')
client.storage.files.upload(new File(['x'], 'x'), { signal: new AbortController().signal })
client.storage.files.upload(new Blob(['x']).stream())
`
    expect(compile('dom.ts', text, { lib: ['ES2022', 'DOM'] })).toBe('')
  })

  it('lets the programs of docs/sdk.md through', () => {
    mkdirSync(join(dir, 'generated'), { recursive: true })
    copyFileSync(join(root, 'generated/alyx.ts'), join(dir, 'generated/alyx.ts'))
    const page = readFileSync(join(root, 'docs/sdk.md'), 'utf8')
    const text = [...page.matchAll(/^```ts(?: no-run)?\n([\s\S]*?)^```$/gm)].map(([, code]) => code!).join('\n')
    expect(text).toContain('client.shares.create')
    expect(compile('docs.ts', text, { types: ['node'] })).toBe('')
  })

  const cases = [...readFileSync(join(here, 'refused/cases.ts'), 'utf8').matchAll(/^\/\/! (.+)\n(.+)$/gm)]
  it('is refused by the compiler where a program is wrong, each time for the right reason', () => {
    const text = readFileSync(join(here, 'refused/cases.ts'), 'utf8')
    const lines = text.split('\n')
    const said = compile('refused.ts', text, { types: ['node'] })
    expect(cases.length).toBeGreaterThan(20)
    for (const [, reason, statement] of cases) {
      const line = lines.indexOf(statement!) + 1
      // What a message goes on to say stands indented below it.
      const found = new RegExp(`^refused\\.ts\\(${line},.*(?:\\n +.*)*`, 'm').exec(said)?.[0]
      expect(found, `nothing is said about: ${statement}`).toBeDefined()
      expect(found, statement).toContain(reason)
    }
    const expected = cases.map(([, , statement]) => lines.indexOf(statement!) + 1)
    const faults = [...said.matchAll(/^refused\.ts\((\d+),/gm)].map(([, line]) => Number(line))
    expect([...new Set(faults)]).toEqual(expected)
  })
})

describe('hostile schemas', () => {
  it('names that could become code are no names, and nothing is written', async () => {
    const names = ['__proto__', 'A', 'a-b', 'tus', '"x*/ alert(1) /*"', `"a\`\${1}"`]
    const out = join(dir, 'hostile')
    project.writeSchema(
      ['version: 1', 'buckets:', ...names.map((name) => `  ${name}: {backend: local}`), ''].join('\n'),
    )
    const { code, stderr } = await project.run(['generate', '--out', out])
    expect(code).toBe(1)
    // Each on its own line of the schema.
    const lines = [...stderr.matchAll(/schema\.yaml:(\d+)/g)].map(([, line]) => Number(line))
    expect([...new Set(lines)]).toEqual(names.map((_, i) => i + 3))
    expect(() => readFileSync(join(out, 'alyx.ts'))).toThrow()
  })

  it('words of the language, words of the client and texts full of marks stay names and texts', async () => {
    const words = [
      'class',
      'default',
      'constructor',
      'then',
      'await',
      'storage',
      'shares',
      'collection',
      'url',
      'alyx',
      'schema',
    ]
    // TypeScript takes `constructor` for that of every object.
    const fields = words.filter((word) => word !== 'constructor')
    const values = ['*/ alert(1) /*', `\`\${alert(1)}\``, '"; alert(1); "', "'\\", '\u2028</script>', '\u202eevil']
    project.writeSchema(
      JSON.stringify({
        version: 1,
        buckets: Object.fromEntries(
          [...words, 'upload', 'bucket'].map((name) => [
            name,
            { backend: 'local', allowed_types: ['*/*', 'text/*', 'x-$/y`'.replace('`', '^')] },
          ]),
        ),
        collections: Object.fromEntries(
          words.map((name) => [
            name,
            {
              fields: {
                id: { type: 'uuid', primary: true, default: 'auto' },
                ...Object.fromEntries(fields.map((field) => [field, { type: 'string', enum: values, nullable: true }])),
                kinds: { type: 'select', values, max_select: 3, nullable: true },
                file: { type: 'file', bucket: 'class', nullable: true },
                extra: { type: 'json', nullable: true },
              },
            },
          ]),
        ),
      }),
    )
    const made = await project.run(['generate', '--out', dir])
    expect(made).toMatchObject({ code: 0 })
    const program = `import { createClient } from './alyx.ts'
const client = createClient({ url: 'http://localhost' })
client.class.list({ filter: { kinds: { contains: ${JSON.stringify(values[0])} }, await: ${JSON.stringify(values[4])} } })
client.collection('then').create({ class: null })
client.collection('storage').list()
client.storage.class.upload('x')
client.storage.bucket('upload').upload('x')
client.storage.bucket('then').list()
`
    expect(compile('hostile.ts', program)).toBe('')
    // What runs is data: the text of every value stands inside a literal of a type, which is gone at run time.
    const text = readFileSync(join(dir, 'alyx.ts'), 'utf8')
    const bare = text.replace(/"(?:[^"\\]|\\.)*"/g, '').replace(/^ *\/\*\*.*\*\/$/gm, '')
    expect(bare).not.toContain('alert')
    expect(bare).not.toContain('*/')
    expect(text).not.toMatch(/[\u202e\u2028]/)
  })
})
