// SQLite runs the contract of MetaStore.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite } from '../../../src/meta/sqlite/open.ts'
import { silent } from '../../../src/observe/observer.ts'
import { type Fixture, metaStoreContract } from '../../contract/meta-store.ts'
import { openAiContract } from '../../contract/openai.ts'
import { uploadPartsContract } from '../../contract/upload-parts.ts'
import { wrappedKeysContract } from '../../contract/wrapped-keys.ts'

const open = async (): Promise<Fixture> => {
  const directory = await mkdtemp(join(tmpdir(), 'alyx-meta-'))
  return {
    connect: () => openSqlite({ file: join(directory, 'data', 'alyx.db'), durability: 'full', observer: silent }),
    remove: () => rm(directory, { recursive: true }),
  }
}

metaStoreContract('SQLite', open)
uploadPartsContract('SQLite', open)
wrappedKeysContract('SQLite', open)
openAiContract('SQLite', open)
