// A restore has no store yet to be opened: what it needs of a project, put together.
import { openBackends } from './blobs/open-backends.ts'
import type { Config } from './config/model.ts'
import { type Clock, steadyClock, timestamp } from './core/clock.ts'
import { fail } from './core/errors.ts'
import { createRestore, type Restore } from './jobs/restore.ts'
import { openSqlite } from './meta/sqlite/open.ts'
import type { Observer } from './observe/observer.ts'

/** The restore of a backup to where this configuration says things are. */
export function restoreTo({ config, clock, observer }: { config: Config; clock: Clock; observer: Observer }): Restore {
  const { location: databaseFile, durability } = config.database
  return createRestore({
    databaseFile,
    durability,
    openMeta: (file) => openSqlite({ file, durability, observer, clock }),
    async openBackends(names, meta) {
      const { backends } = config.storage
      const absent = [...names].find((name) => !backends.has(name))
      if (absent !== undefined)
        throw fail('config_invalid', `the backup has files of storage.backends.${absent}, which alyx.yml does not name`)
      const journalOf = (backend: string) => ({
        opened: (key: Parameters<typeof meta.openMultipart>[1], uploadId: string) =>
          meta.openMultipart(backend, key, uploadId, timestamp(clock.now())),
        closed: (key: Parameters<typeof meta.openMultipart>[1], uploadId: string) =>
          meta.closeMultipart(backend, key, uploadId),
      })
      return openBackends(new Map([...backends].filter(([name]) => names.has(name))), durability, journalOf, observer)
    },
    clock,
    steady: steadyClock,
    observer,
  })
}
