// The command line: finds the command, checks its options, runs it, and turns every failure into a line and an exit code.
import { createRequire } from 'node:module'
import { parseArgs, stripVTControlCharacters } from 'node:util'
import { type ArgsDef, type CommandDef, renderUsage, runCommand } from 'citty'
import { didYouMean } from '../core/problem.ts'
import { exitOf, usage } from './exit.ts'
import { GLOBAL } from './options.ts'
import { print, printError, survivePipes } from './terminal.ts'

type Command = CommandDef<ArgsDef>

/** Each is loaded when it is called: `alyx ls` does not open a database driver. */
const COMMANDS = {
  init: () => import('./commands/init.ts'),
  dev: () => import('./commands/dev.ts'),
  serve: () => import('./commands/serve.ts'),
  check: () => import('./commands/check.ts'),
  migrate: () => import('./commands/migrate.ts'),
  token: () => import('./commands/token.ts'),
  key: () => import('./commands/key.ts'),
  keys: () => import('./commands/keys.ts'),
  ls: () => import('./commands/ls.ts'),
  put: () => import('./commands/put.ts'),
  get: () => import('./commands/get.ts'),
  rm: () => import('./commands/rm.ts'),
  stat: () => import('./commands/stat.ts'),
  sign: () => import('./commands/sign.ts'),
  share: () => import('./commands/share.ts'),
  sweep: () => import('./commands/sweep.ts'),
  doctor: () => import('./commands/doctor.ts'),
  backup: () => import('./commands/backup.ts'),
  restore: () => import('./commands/restore.ts'),
  'migrate-backend': () => import('./commands/migrate-backend.ts'),
  openapi: () => import('./commands/openapi.ts'),
  generate: () => import('./commands/generate.ts'),
}

const ROOT: Command = {
  meta: { name: 'alyx', description: 'schema-first file storage' },
  args: GLOBAL,
  subCommands: Object.fromEntries(
    Object.entries(COMMANDS).map(([name, load]) => [name, async () => (await load()).command as Command]),
  ),
}

/** Runs one command to its end and sets the exit code; never rejects. `argv` is without the program's name. */
export async function run(argv: readonly string[]): Promise<void> {
  survivePipes()
  const json = argv.includes('--json')
  try {
    const { command, parent, rest, words } = await find(argv)
    const args = (command.args ?? {}) as ArgsDef
    if (command === ROOT && (rest.includes('--version') || rest.includes('-v'))) return print(version())
    if (rest.includes('--help') || rest.includes('-h')) return print(await help(command, parent))
    if (command.subCommands) throw usage(`${words.join(' ')} needs a command`, `${words.join(' ')} --help lists them.`)
    checkArguments(rest, args)
    await runCommand(command, { rawArgs: [...rest] })
  } catch (error) {
    printError(error, json)
    process.exitCode = exitOf(error)
  }
}

interface Found {
  readonly command: Command
  readonly parent: Command
  /** What follows the command's name; global options written before it were moved behind it. */
  readonly rest: readonly string[]
  readonly words: readonly string[]
}

async function find(argv: readonly string[]): Promise<Found> {
  let command = ROOT
  let parent = ROOT
  const words = ['alyx']
  const before: string[] = []
  let at = 0
  while (command.subCommands && at < argv.length) {
    const word = argv[at]!
    if (word.startsWith('-')) {
      before.push(word)
      const takesValue = ['--config', '--schema'].includes(word) && at + 1 < argv.length
      if (takesValue) before.push(argv[++at]!)
    } else {
      const names = command.subCommands as Readonly<Record<string, () => Promise<Command>>>
      if (!Object.hasOwn(names, word)) throw usage(`there is no command ${word}${didYouMean(word, Object.keys(names))}`)
      parent = command
      const entry: unknown = names[word]
      command = typeof entry === 'function' ? await (entry as () => Promise<Command>)() : (entry as Command)
      words.push(word)
    }
    at += 1
  }
  return { command, parent, rest: [...before, ...argv.slice(at)], words }
}

/** citty takes options it does not know; a typing mistake must not pass. Fails: usage. */
function checkArguments(rest: readonly string[], args: ArgsDef): void {
  const entries = Object.entries(args)
  const options = Object.fromEntries(
    entries
      .filter(([, { type }]) => type !== 'positional')
      .map(([name, { type, ...more }]) => {
        const alias = 'alias' in more && typeof more.alias === 'string' ? { short: more.alias } : {}
        return [name, { type: type === 'boolean' ? ('boolean' as const) : ('string' as const), ...alias }]
      }),
  )
  const given = parse(rest, options)
  const positionals = entries.filter(([, { type }]) => type === 'positional')
  const missing = positionals.slice(given.positionals.length).find(([, { required }]) => required === true)
  if (missing) throw usage(`${missing[0]} is missing: ${missing[1].description}`)
  for (const [name, { type, required }] of entries) {
    if (type !== 'positional' && required && given.values[name] === undefined) throw usage(`--${name} is missing`)
  }
  const many = positionals.some(([name]) => name.endsWith('s'))
  if (!many && given.positionals.length > positionals.length)
    throw usage(`"${given.positionals[positionals.length]}" is one argument too many`)
}

function parse(rest: readonly string[], options: NonNullable<Parameters<typeof parseArgs>[0]>['options']) {
  try {
    return parseArgs({ args: [...rest], options: options ?? {}, allowPositionals: true, strict: true })
  } catch (error) {
    const message = (error as Error).message.replace(/\. .*$/s, '').replace(/^(.)/, (letter) => letter.toLowerCase())
    const word = /'(--[^' ]+)/.exec(message)?.[1]
    throw usage(
      message +
        (word
          ? didYouMean(
              word,
              Object.keys(options ?? {}).map((name) => `--${name}`),
            )
          : ''),
    )
  }
}

/** Plain text where nobody looks at colours. */
async function help(command: Command, parent: Command): Promise<string> {
  const text = await renderUsage(command, parent === command ? undefined : parent)
  return process.stdout.isTTY ? text : stripVTControlCharacters(text).replace(/ +$/gm, '')
}

function version(): string {
  return (createRequire(import.meta.url)('alyx/package.json') as { readonly version: string }).version
}
