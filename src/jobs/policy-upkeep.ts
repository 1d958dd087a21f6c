// What policies leave to be told: owners in a tier that nobody has declared.
import type { MetaStore } from '../meta/store.ts'
import type { Observer } from '../observe/observer.ts'

export interface UpkeepDeps {
  readonly meta: Pick<MetaStore, 'unknownTiers'>
  readonly observer: Observer
}

/** Tells (config_warning) which tiers owners are in that alyx.yml does not name: they have the default tier's limits. */
export async function warnOfTiers({ meta, observer }: UpkeepDeps): Promise<void> {
  for (const { tier, owners } of await meta.unknownTiers()) {
    observer.event('config_warning', {
      path: 'policies.tiers',
      message: `${owners} ${owners === 1 ? 'owner is' : 'owners are'} in tier ${JSON.stringify(tier.slice(0, 80))}, which is not declared, and has the limits of the default tier`,
    })
  }
}
