// alyx sign: a link to one file that needs no credential until it expires.
import { defineCommand } from 'citty'
import { requireChoice } from '../arguments.ts'
import { filesPath } from '../client.ts'
import { REMOTE } from '../options.ts'
import { openRemote } from '../settings.ts'
import { findFile } from '../target.ts'
import { print, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'sign', description: 'print a link to a file that works until it expires' },
  args: {
    ...REMOTE,
    target: { type: 'positional', description: 'bucket/path, bucket:id or an id', required: true },
    expires: {
      type: 'string',
      valueHint: 'DURATION',
      description: 'e.g. 15m or 7d (default: signed_urls.default_expiry)',
    },
    operation: { type: 'string', valueHint: 'WHAT', description: 'download or view', default: 'download' },
  },
  async run({ args }) {
    const operation = requireChoice('operation', args.operation, ['download', 'view'] as const)
    const client = await openRemote(args)
    const file = await findFile(client, args.target)
    const query = { expiry: args.expires, operation }
    const link = (await client.json('GET', filesPath(file.bucket, file.id, 'sign'), { query })) as {
      readonly url: string
    }
    if (args.json) printJson(link)
    else print(link.url)
  },
})
