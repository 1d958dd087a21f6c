// The durable steps at which the kill loop ends the process.

export const POINTS = [
  'put.written',
  'put.synced',
  'put.linked',
  'put.durable',
  'claimed',
  'committed',
  'condemned',
  'reclaimed',
  'buried',
  'record_written',
  'record_removed',
  'cascaded',
  'spool.written',
  'spool.synced',
  'delete.unlinked',
  'delete.durable',
  'adopt.linked',
  'adopt.durable',
  'advanced',
  'stored',
] as const
