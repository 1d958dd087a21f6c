// What programs can watch of the staging: diagnostics channels, by name.
import { channel } from 'node:diagnostics_channel'

export interface StagingEvents {
  /** `reused` = the content was there already. */
  readonly staged: { readonly dir: string; readonly id: string; readonly size: number; readonly reused: boolean }
  readonly uploaded: { readonly dir: string; readonly id: string; readonly bucket: string; readonly file: string }
  readonly attached: {
    readonly dir: string
    readonly id: string
    readonly collection: string
    readonly record: string
    readonly field: string
    readonly file: string
  }
  readonly failed: {
    readonly dir: string
    readonly step: 'stage' | 'upload' | 'attach' | 'clean'
    readonly error: unknown
  }
  readonly cleaned: {
    readonly dir: string
    readonly removed: number
    readonly bytes: number
    readonly temporary: number
  }
}

/** Publishes to `alyx.files.<name>` (node:diagnostics_channel); costs nothing while nobody listens. */
export function tell<N extends keyof StagingEvents>(name: N, event: StagingEvents[N]): void {
  const listeners = channel(`alyx.files.${name}`)
  if (listeners.hasSubscribers) listeners.publish(event)
}
