// The main story with the bytes in a folder.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { mainStory } from './story.ts'

mainStory('in a folder', async () => ({
  backend: 'local',
  config: {},
  stored: async ({ dir }) => {
    const root = join(dir, 'data', 'files')
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath.slice(root.length + 1).split('/')[0]}/${entry.name}`)
  },
}))
