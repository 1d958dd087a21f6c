// The backends that alyx.yml declares, opened.
import type { BackendConfig } from '../config/model.ts'
import type { Observer } from '../observe/observer.ts'
import type { Backend, MultipartJournal } from './backend.ts'
import type { Durability } from './disk-file.ts'
import { openFilesystem } from './filesystem.ts'
import type { S3Times } from './s3-limits.ts'

/** Every backend by its name; `journalOf` remembers the uploads in parts of one, `s3Times` replaces some of S3_TIMES. Fails config_invalid for one that cannot be used. */
export async function openBackends(
  configs: ReadonlyMap<string, BackendConfig>,
  durability: Durability,
  journalOf: (backend: string) => MultipartJournal,
  observer: Observer,
  s3Times: Partial<S3Times> = {},
): Promise<ReadonlyMap<string, Backend>> {
  const backends = new Map<string, Backend>()
  for (const [name, config] of configs) {
    if (config.type === 's3') {
      // The S3 client is a third of the start of everybody who does not need it.
      const { openS3 } = await import('./s3.ts')
      backends.set(name, await openS3({ ...config, name, journal: journalOf(name), observer, times: s3Times }))
    } else backends.set(name, await openFilesystem({ root: config.path, durability, observer }))
  }
  return backends
}
