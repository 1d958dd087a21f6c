// The originals of files that were moved to another backend: waited for until they are due, then swept.
import { expect } from 'vitest'
import { eventually, type TestServer } from './server.ts'

/** Resolves once no original is left. A sweep is a process of its own, so none is started too early. */
export async function sweepOriginals(server: TestServer): Promise<void> {
  const spares = () => server.query<{ dueAt: string }>('SELECT due_at AS dueAt FROM _alyx_spares')
  await eventually('all originals are due', () => spares().every(({ dueAt }) => Date.parse(dueAt) < Date.now()))
  await eventually(
    'a sweep has removed the originals',
    async () => {
      expect(JSON.parse((await server.sweep()).stdout)).toMatchObject({ errors: 0 })
      return spares().length === 0
    },
    120_000,
  )
}
