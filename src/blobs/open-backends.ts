// The backends that alyx.yml declares, opened.
import type { BackendConfig } from '../config/model.ts'
import { fail } from '../core/errors.ts'
import type { Observer } from '../observe/observer.ts'
import type { Backend } from './backend.ts'
import type { Durability } from './disk-file.ts'
import { openFilesystem } from './filesystem.ts'

/** Every backend by its name. Fails config_invalid for one that cannot be used. */
export async function openBackends(
  configs: ReadonlyMap<string, BackendConfig>,
  durability: Durability,
  observer: Observer,
): Promise<ReadonlyMap<string, Backend>> {
  const backends = new Map<string, Backend>()
  for (const [name, config] of configs) {
    if (config.type !== 'filesystem')
      throw fail('config_invalid', `storage.backends.${name}: type ${config.type} is not offered yet`)
    backends.set(name, await openFilesystem({ root: config.path, durability, observer }))
  }
  return backends
}
