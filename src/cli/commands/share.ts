// alyx share: files opened to whoever has the link, until it is revoked, expires or is used up.
import { defineCommand } from 'citty'
import { requireChoice, requireCount, requireDuration } from '../arguments.ts'
import type { Client } from '../client.ts'
import { Stop } from '../exit.ts'
import { REMOTE } from '../options.ts'
import { openRemote } from '../settings.ts'
import { findFile, parseTarget } from '../target.ts'
import { note, print, printError, printJson, table } from '../terminal.ts'

interface Entry {
  readonly id: string
  readonly state: string
  readonly operation: string | null
  readonly max_downloads: number | null
  readonly downloads: number | null
  readonly note: string | null
  readonly expires_at: string
  readonly file_count: number
}

const SHARES = '/api/shares'
const shareId = { type: 'positional', description: 'as alyx share list shows it', required: true } as const

const create = defineCommand({
  meta: { name: 'create', description: 'share files and print the link' },
  args: {
    ...REMOTE,
    targets: { type: 'positional', description: 'bucket/path, bucket:id or ids', required: true },
    expires: { type: 'string', valueHint: 'DURATION', description: 'e.g. 15m or 7d', default: '24h' },
    operation: { type: 'string', valueHint: 'WHAT', description: 'download or view only (default: both)' },
    'max-downloads': { type: 'string', valueHint: 'N', description: 'so many downloads in all (default: no limit)' },
    note: { type: 'string', valueHint: 'TEXT', description: 'for yourself; whoever has the link does not see it' },
  },
  async run({ args }) {
    requireDuration('expires', args.expires)
    const operation =
      args.operation === undefined
        ? undefined
        : requireChoice('operation', args.operation, ['download', 'view'] as const)
    const limit = args['max-downloads']
    const maxDownloads = limit === undefined ? undefined : requireCount('max-downloads', limit)
    const client = await openRemote(args)
    const files: { readonly bucket: string; readonly id: string }[] = []
    for (const target of args._) files.push(await address(client, target))
    const data = { files, expires_in: args.expires, operation, max_downloads: maxDownloads, note: args.note }
    const share = (await client.json('POST', SHARES, { data })) as { readonly id: string; readonly url: string }
    if (args.json) return printJson(share)
    print(share.url)
    note(`this is ${share.id}; alyx share show prints it again, alyx share revoke ends it`)
  },
})

const list = defineCommand({
  meta: { name: 'list', description: 'list your shares, without their links' },
  args: {
    ...REMOTE,
    owner: { type: 'string', valueHint: 'ID', description: 'those of another caller, for admins' },
  },
  async run({ args }) {
    const client = await openRemote(args)
    const shares: Entry[] = []
    let cursor: string | undefined
    do {
      const query = { limit: '1000', cursor, owner_id: args.owner }
      const page = (await client.json('GET', SHARES, { query })) as {
        readonly shares: readonly Entry[]
        readonly next_cursor: string | null
      }
      shares.push(...page.shares)
      cursor = page.next_cursor ?? undefined
    } while (cursor !== undefined)
    if (args.json) return printJson(shares)
    if (shares.length === 0) return note('there are no shares; make one with alyx share create')
    print(table([['id', 'state', 'expires', 'files', 'downloads', 'note'], ...shares.map(row)]))
  },
})

const show = defineCommand({
  meta: { name: 'show', description: 'print the link of a share again' },
  args: { ...REMOTE, id: shareId },
  async run({ args }) {
    const client = await openRemote(args)
    const share = (await client.json('GET', path(args.id))) as { readonly url: string }
    if (args.json) printJson(share)
    else print(share.url)
  },
})

const revoke = defineCommand({
  meta: { name: 'revoke', description: 'end shares' },
  args: { ...REMOTE, ids: { ...shareId, description: 'as alyx share list shows them' } },
  async run({ args }) {
    const client = await openRemote(args)
    const revoked: string[] = []
    const failed: { readonly id: string; readonly code: string; readonly message: string }[] = []
    for (const id of args._) {
      try {
        await client.json('DELETE', path(id))
        revoked.push(id)
        if (!args.json) print(`revoked ${id}`)
      } catch (error) {
        if (!(error instanceof Stop)) throw error
        failed.push({ id, code: error.shown, message: error.message })
        process.exitCode ??= error.exit
        if (!args.json) printError(error, false)
      }
    }
    if (args.json) printJson({ revoked, failed })
  },
})

export const command = defineCommand({
  meta: { name: 'share', description: 'create, list, show and revoke shares' },
  subCommands: { create, list, show, revoke },
})

/** By id no right to read is needed. */
async function address(client: Client, target: string): Promise<{ readonly bucket: string; readonly id: string }> {
  const { bucket, id } = parseTarget(target)
  if (bucket !== null && id !== null) return { bucket, id }
  const file = await findFile(client, target)
  return { bucket: file.bucket, id: file.id }
}

function path(id: string): string {
  return `${SHARES}/${encodeURIComponent(id)}`
}

function row(share: Entry): string[] {
  return [
    share.id,
    share.state,
    share.expires_at.slice(0, 16).replace('T', ' '),
    String(share.file_count),
    share.max_downloads === null ? '-' : `${share.downloads} of ${share.max_downloads}`,
    share.note ?? '',
  ]
}
