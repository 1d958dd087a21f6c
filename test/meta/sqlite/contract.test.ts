// SQLite runs the contract of MetaStore.
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Subscription } from '../../../src/meta/outbox.ts'
import { openSqlite } from '../../../src/meta/sqlite/open.ts'
import { silent } from '../../../src/observe/observer.ts'
import { hiddenFilesContract } from '../../contract/hidden-files.ts'
import { type Fixture, metaStoreContract } from '../../contract/meta-store.ts'
import { openAiContract } from '../../contract/openai.ts'
import { outboxContract } from '../../contract/outbox.ts'
import { sharesContract } from '../../contract/shares.ts'
import { upkeepContract } from '../../contract/upkeep.ts'
import { uploadPartsContract } from '../../contract/upload-parts.ts'
import { wrappedKeysContract } from '../../contract/wrapped-keys.ts'
import { MEMORY_DIR } from '../../support/memory.ts'

const open = async (subscriptions: readonly Subscription[] = []): Promise<Fixture> => {
  const directory = await mkdtemp(join(MEMORY_DIR, 'alyx-meta-'))
  return {
    connect: () =>
      openSqlite({ file: join(directory, 'data', 'alyx.db'), durability: 'full', observer: silent, subscriptions }),
    remove: () => rm(directory, { recursive: true }),
  }
}

metaStoreContract('SQLite', open)
hiddenFilesContract('SQLite', open)
outboxContract('SQLite', open)
uploadPartsContract('SQLite', open)
upkeepContract('SQLite', open)
wrappedKeysContract('SQLite', open)
sharesContract('SQLite', open)
openAiContract('SQLite', open)
