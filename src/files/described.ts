// What is stored must still be described: a server does not start without a bucket or backend that files are in.
import { fail } from '../core/errors.ts'
import type { MetaStore } from '../meta/store.ts'

/** Nothing is deleted or hidden because a name vanished from schema.yaml or alyx.yml. Fails config_invalid naming every bucket and backend
 *  that is missed. */
export async function requireDescribed(
  meta: Pick<MetaStore, 'inUse'>,
  buckets: ReadonlyMap<string, unknown>,
  backends: ReadonlyMap<string, unknown>,
): Promise<void> {
  const used = await meta.inUse()
  const missed = [
    ...used.buckets
      .filter((name) => !buckets.has(name))
      .map((name) => `buckets.${name}: has files or uploads, but schema.yaml does not declare it any more`),
    ...used.backends
      .filter((name) => !backends.has(name))
      .map((name) => `storage.backends.${name}: bytes are kept there, but alyx.yml does not name it any more`),
  ]
  if (missed.length === 0) return
  throw fail('config_invalid', missed.join('\n'), {
    details: { problems: missed.length },
    hint: 'Put it back as it was. To give a bucket up, delete its files first and run alyx sweep.',
  })
}
