// alyx rm: deletes files, each on its own; one that fails does not stop the others.
import { defineCommand } from 'citty'
import { type Client, filesPath } from '../client.ts'
import { Stop } from '../exit.ts'
import { REMOTE } from '../options.ts'
import { openRemote } from '../settings.ts'
import { findFile, parseTarget } from '../target.ts'
import { print, printError, printJson } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'rm', description: 'delete files' },
  args: {
    ...REMOTE,
    targets: { type: 'positional', description: 'bucket/path, bucket:id or ids', required: true },
    permanent: { type: 'boolean', description: 'past the trash of the bucket, or out of it (bucket:id)' },
  },
  async run({ args }) {
    const client = await openRemote(args)
    const deleted: string[] = []
    const failed: { readonly target: string; readonly code: string; readonly message: string }[] = []
    for (const target of args._) {
      try {
        const id = await remove(client, target, args.permanent === true)
        deleted.push(id)
        if (!args.json) print(`deleted ${target}`)
      } catch (error) {
        if (!(error instanceof Stop)) throw error
        failed.push({ target, code: error.shown, message: error.message })
        process.exitCode ??= error.exit
        if (!args.json) printError(error, false)
      }
    }
    if (args.json) printJson({ deleted, failed })
  },
})

async function remove(client: Client, target: string, permanent: boolean): Promise<string> {
  const { bucket, id } = parseTarget(target)
  // By id no right to read is needed.
  const file = bucket !== null && id !== null ? { bucket, id } : await findFile(client, target)
  await client.json('DELETE', filesPath(file.bucket, file.id), permanent ? { query: { permanent: 'true' } } : {})
  return file.id
}
