// All jobs of a store, wired: what runs by itself, and what an operator asks for.
import type { Keyring } from '../blobs/keyring.ts'
import type { Config } from '../config/model.ts'
import { steadyClock } from '../core/clock.ts'
import type { FileDeps } from '../files/lookup.ts'
import { createReclaim } from '../files/removal.ts'
import type { Spool } from '../files/spool.ts'
import { openSnapshot } from '../meta/sqlite/snapshot.ts'
import { type BackupJob, createBackup } from './backup.ts'
import { createDoctor, type Doctor } from './doctor.ts'
import { furtherSteps } from './further-steps.ts'
import { createMove, type Move } from './moves.ts'
import { warnOfTiers } from './policy-upkeep.ts'
import { createRotation, type Rotation } from './rotation.ts'
import { type Runner, startRunner } from './runner.ts'
import { createSweep, type Sweep } from './sweeps.ts'
import { hookName } from './webhooks.ts'

export interface Jobs {
  readonly sweep: Sweep
  readonly doctor: Doctor
  /** Moves the files of a bucket to another backend. */
  readonly move: Move
  /** Wraps the data keys of encrypted files by the first key of storage.encryption. */
  readonly rotate: Rotation
  /** Copies all that is needed to restore the store, while it is in use. */
  readonly backup: BackupJob
  /** Sweeps every cleanup.interval from now on; null where cleanup.enabled is false. */
  start(): Runner | null
}

export interface JobsDeps extends Pick<FileDeps, 'meta' | 'blobs' | 'leases' | 'clock' | 'nextId' | 'observer'> {
  readonly config: Config
  readonly spool: Spool
  readonly keyring: Keyring | null
  /** Milliseconds a claim's lease lasts. */
  readonly leaseTime: number
}

/** Wires them. Nothing runs yet. */
export function createJobs(deps: JobsDeps): Jobs {
  const { config, observer } = deps
  const { cleanup, database, storage, webhooks } = config
  const steady = steadyClock
  const sweep = createSweep({
    ...cleanup,
    ...deps,
    reclaim: createReclaim(deps),
    steady,
    steps: furtherSteps(
      deps.meta,
      webhooks.map(({ url }) => hookName(url)),
    ),
  })
  const look = async (): Promise<void> => {
    await sweep({ dryRun: false, unattended: true })
    await warnOfTiers(deps)
  }
  return {
    sweep,
    doctor: createDoctor({ ...deps, steady }),
    move: createMove(deps),
    rotate: createRotation(deps),
    backup: createBackup({
      ...deps,
      openSnapshot,
      backendTypes: new Map([...storage.backends].map(([name, { type }]) => [name, type])),
      durability: database.durability,
      steady,
    }),
    start: () => (cleanup.enabled ? startRunner('sweep', cleanup.interval, look, observer) : null),
  }
}
