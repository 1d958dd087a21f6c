// The durable steps at which the kill loop ends the process.

/** From the commit that turns files into tombstones to the last of their rows. */
export const CASCADE_POINTS = [
  'record_written',
  'record_removed',
  'condemned',
  'delete.unlinked',
  'delete.durable',
  'reclaimed',
  'buried',
  'cascaded',
] as const

export const POINTS = [
  'put.written',
  'put.synced',
  'put.linked',
  'put.durable',
  'claimed',
  'committed',
  'spool.written',
  'spool.synced',
  'adopt.linked',
  'adopt.durable',
  'advanced',
  'stored',
  ...CASCADE_POINTS,
] as const

/** What only happens in a sweep, and what it has in common with deletions. */
export const SWEEP_POINTS = [
  'sweep.begun',
  'sweep.abandoned',
  'sweep.removed',
  'sweep.forgotten',
  'condemned',
  'delete.unlinked',
  'reclaimed',
  'buried',
] as const

/** What only happens in a backup. */
export const BACKUP_POINTS = ['backup.snapshot', 'backup.copied', 'put.durable', 'backup.finished'] as const

/** What only happens where bytes are in S3. */
export const S3_POINTS = ['s3.begun', 's3.opened', 's3.part', 's3.completed', 's3.put', 's3.deleted'] as const
