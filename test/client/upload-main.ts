// A process that uploads a file, and dies once it has sent so many bytes: url token path state-folder stop-at.
import { createClient, folderStore } from '../../src/client/node/alyx.ts'

const [url, token, path, state, stopAt] = process.argv.slice(2) as [string, string, string, string, string]
const client = createClient({ url, token, resumeStore: folderStore(state) })
let first: number | null = null
const file = await client.storage.bucket('files').upload(path, {
  onProgress: ({ loaded }) => {
    if (loaded > 0) first ??= loaded
    if (loaded >= Number(stopAt)) process.kill(process.pid, 'SIGKILL')
  },
})
process.stdout.write(JSON.stringify({ first, ...file }))
