// What webhooks can hear of.

/** `deleted` is told when a file goes into the trash, and when it is gone for good; `restored` when it comes back from the trash. */
export const EVENT_TYPES = [
  'file.created',
  'file.updated',
  'file.deleted',
  'file.expired',
  'file.restored',
  'file.quarantined',
  'upload.expired',
] as const

export type EventType = (typeof EVENT_TYPES)[number]
