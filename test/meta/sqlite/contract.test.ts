// SQLite runs the contract of MetaStore, in both durabilities.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite } from '../../../src/meta/sqlite/open.ts'
import { silent } from '../../../src/observe/observer.ts'
import { metaStoreContract } from '../../contract/meta-store.ts'

for (const durability of ['full', 'normal'] as const)
  metaStoreContract(`SQLite (${durability})`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'alyx-meta-'))
    return {
      connect: () => openSqlite({ file: join(directory, 'data', 'alyx.db'), durability, observer: silent }),
      remove: () => rm(directory, { recursive: true }),
    }
  })
